/** The page that asks for a deployment. It makes a plan; nothing changes before that is confirmed. */
import { useState } from 'preact/hooks'
import {
  type Action,
  ApiError,
  apiPath,
  call,
  type Deployment,
  type DeploymentRequest,
  get,
  type Stack,
} from './api.ts'
import { Choices } from './choices.tsx'
import { ActionForm, Failure, useLoaded } from './parts.tsx'
import { RevisionChoice } from './revision_choice.tsx'

const actions = {
  deploy: 'Deploy a revision',
  rollback: 'Roll back to the commit before',
  configure: 'Configure all hosts',
  setup: 'Set up hosts',
} as const
const strategies = {
  rolling: 'Rolling: batch after batch',
  canary: 'Canary: one host first, then the rest',
  parallel: 'Parallel: all at once, which visitors notice',
} as const

export function DeployPage({ stack: name }: { readonly stack: string }) {
  const { value: stack, error } = useLoaded(() => get<Stack>(apiPath`/api/stacks/${name}`), name)
  return (
    <>
      <Failure error={error} />
      {stack && <DeployForm stack={stack} />}
    </>
  )
}

function DeployForm({ stack }: { readonly stack: Stack }) {
  const [action, setAction] = useState<Action>('deploy')
  const [apps, setApps] = useState<string[]>([])
  const [hosts, setHosts] = useState<string[]>([])
  const [revision, setRevision] = useState('')
  const [strategy, setStrategy] = useState<NonNullable<DeploymentRequest['strategy']>>('rolling')
  const [rollbackOnFailure, setRollback] = useState(false)
  const [customJson, setCustomJson] = useState('')
  const [comment, setComment] = useState('')
  // A revision is that of one app.
  const [app, ...others] = apps.length > 0 ? apps : stack.apps.map((one) => one.name)
  const submit = async () => {
    const request: DeploymentRequest = {
      action,
      apps,
      hosts,
      comment,
      strategy,
      ...parsedJson(customJson),
      rollbackOnFailure: action === 'deploy' && rollbackOnFailure,
      ...(revision === '' || !['deploy', 'rollback'].includes(action)
        ? {}
        : { [action === 'rollback' ? 'to' : 'revision']: revision }),
    }
    const { id } = await call<Deployment>('POST', `${apiPath`/api/stacks/${stack.name}`}/deployments`, request)
    location.hash = `#/deployment/${id}`
  }
  return (
    <ActionForm label="Show the plan" onSubmit={submit}>
      <fieldset>
        <legend>Action</legend>
        {Object.entries(actions).map(([value, label]) => (
          <label key={value} class="choice">
            <input type="radio" name="action" checked={action === value} onChange={() => setAction(value as Action)} />
            {label}
          </label>
        ))}
      </fieldset>
      <Choices legend="Apps (none: all)" names={stack.apps.map((one) => one.name)} chosen={apps} onChange={setApps} />
      <Choices
        legend="Hosts (none: all)"
        names={stack.hosts.map((one) => one.name)}
        chosen={hosts}
        onChange={setHosts}
      />
      {(action === 'deploy' || action === 'rollback') && (
        <label>
          {action === 'deploy'
            ? 'Branch, tag or commit (empty: that of the stack file)'
            : 'Commit or release (empty: the one before)'}
          <input
            value={revision}
            onInput={(event) => setRevision(event.currentTarget.value)}
            list="revisions"
            spellcheck={false}
          />
        </label>
      )}
      {action === 'deploy' && app !== undefined && others.length === 0 && (
        <RevisionChoice stack={stack.name} app={app} revision={revision} onChoose={setRevision} />
      )}
      {(action === 'deploy' || action === 'rollback') && (
        <fieldset>
          <legend>Order of the hosts</legend>
          {Object.entries(strategies).map(([value, label]) => (
            <label key={value} class="choice">
              <input
                type="radio"
                name="strategy"
                checked={strategy === value}
                onChange={() => setStrategy(value as typeof strategy)}
              />
              {label}
            </label>
          ))}
        </fieldset>
      )}
      {action === 'deploy' && (
        <label class="choice">
          <input
            type="checkbox"
            checked={rollbackOnFailure}
            onChange={(event) => setRollback(event.currentTarget.checked)}
          />
          Roll back if it fails
        </label>
      )}
      <label>
        Custom JSON: attributes of this deployment only (empty: none)
        <textarea
          value={customJson}
          onInput={(event) => setCustomJson(event.currentTarget.value)}
          rows={4}
          spellcheck={false}
          placeholder={'{ "deploy": { … } }'}
        />
      </label>
      <label>
        Comment
        <input value={comment} onInput={(event) => setComment(event.currentTarget.value)} maxLength={500} />
      </label>
    </ActionForm>
  )
}

/** Parses the custom JSON as a part of the request. @throws ApiError if it is not an object */
function parsedJson(text: string): Pick<DeploymentRequest, 'customJson'> {
  if (text.trim() === '') return {}
  const refuse = (reason: string) =>
    new ApiError(
      400,
      `the custom JSON is not valid: ${reason}`,
      'write an object, such as {"nginx": {"keepalive": "on"}}',
    )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refuse((error as Error).message)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('it is not an object')
  return { customJson: value as Record<string, unknown> }
}
