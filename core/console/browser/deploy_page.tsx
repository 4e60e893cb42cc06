/** The page that asks for a deployment. It makes a plan; nothing changes before that is confirmed. */
import { useState } from 'preact/hooks'
import { type Action, apiPath, call, type Deployment, type DeploymentRequest, get, type Stack } from './api.ts'
import { Choices } from './choices.tsx'
import { ActionForm, Failure, useLoaded } from './parts.tsx'

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
  const [comment, setComment] = useState('')
  const submit = async () => {
    const request: DeploymentRequest = {
      ...{ action, apps, hosts, comment, strategy },
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
          <input value={revision} onInput={(event) => setRevision(event.currentTarget.value)} spellcheck={false} />
        </label>
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
        Comment
        <input value={comment} onInput={(event) => setComment(event.currentTarget.value)} maxLength={500} />
      </label>
    </ActionForm>
  )
}
