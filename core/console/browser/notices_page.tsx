/** The page that lists where the notices of a stack are sent, with their last deliveries. */
import { useState } from 'preact/hooks'
import {
  apiPath,
  call,
  type Delivery,
  get,
  type NoticeList,
  type NoticeTarget,
  noticeStates,
  type Stack,
} from './api.ts'
import { Choices } from './choices.tsx'
import { ActionForm, Failure, SecretOnce, Time, useLoaded } from './parts.tsx'

const kinds = {
  webhook: 'Webhook (Standard Webhooks)',
  chat: 'Chat (Slack, Mattermost, Matrix)',
  mail: 'Mail',
  github: 'Commit status at GitHub',
  gitlab: 'Commit status at GitLab',
  gitea: 'Commit status at Gitea or Forgejo',
} as const
type Kind = keyof typeof kinds

/** Bases of the APIs. */
const gitAddresses: Partial<Record<Kind, string>> = { github: 'https://api.github.com', gitlab: 'https://gitlab.com' }

export function NoticesPage({ stack }: { readonly stack: string }) {
  const path = `${apiPath`/api/stacks/${stack}`}/notices`
  const { value, error, reload } = useLoaded(() => get<NoticeList>(path), path)
  return (
    <>
      <p>
        The console tells others about deployments of this stack. It repeats failed deliveries for about nine hours.
      </p>
      <Failure error={error} />
      {value?.targets.length === 0 && <p class="quiet">No notices yet.</p>}
      {value?.targets.map((one) => (
        <TargetCard key={one.id} target={one} path={`${path}/${one.id}`} onChange={reload} />
      ))}
      {value && <TargetForm path={path} stack={stack} hasMail={value.hasMail} onMade={reload} />}
    </>
  )
}

interface CardProps {
  readonly target: NoticeTarget
  readonly path: string
  readonly onChange: () => void
}

function TargetCard({ target, path, onChange }: CardProps) {
  const { name, kind, address, repository, app, account, created, deliveries } = target
  return (
    <section class="card">
      <h2>{name}</h2>
      <p>
        {kinds[kind]}: <code>{repository === null ? address : `${address} ${repository}`}</code>
        {app !== null && ` for the app ${app}`}
      </p>
      <p class="quiet">
        {app === null && `${target.states.join(', ')}. `}Made by {account}, <Time at={created} />
      </p>
      {deliveries.length > 0 && (
        <ul class="plain" aria-label={`Last deliveries of ${name}`}>
          {deliveries.map((one) => (
            <DeliveryLine key={one.id} delivery={one} />
          ))}
        </ul>
      )}
      <div class="actions">
        <ActionForm
          label="Send a test"
          subject={`to ${name}`}
          kind="plain"
          onSubmit={async () => {
            await call('POST', `${path}/test`)
            onChange()
          }}
        />
        <button type="button" class="plain" onClick={onChange}>
          Load again<span class="hidden"> {name}</span>
        </button>
        <ActionForm
          label="Remove"
          subject={name}
          kind="danger"
          onSubmit={async () => {
            if (!confirm(`Remove ${name}? Notices that are not delivered yet are lost.`)) return
            await call('DELETE', path)
            onChange()
          }}
        />
      </div>
    </section>
  )
}

function DeliveryLine({ delivery }: { readonly delivery: Delivery }) {
  const { deployment, about, state, attempts, created, next, error } = delivery
  const badge = { pending: 'queued', delivered: 'succeeded', failed: 'failed' }[state]
  return (
    <li>
      <span class={`badge ${badge}`}>{state}</span> <Time at={created} />{' '}
      {deployment === null ? 'test' : <a href={`#/deployment/${deployment}`}>{`deployment ${deployment} ${about}`}</a>}
      {attempts > 1 && `, ${attempts} attempts`}
      {state === 'pending' && attempts > 0 && (
        <>
          , next <Time at={next} />
        </>
      )}
      {error !== null && state !== 'delivered' && <span class="failure">{error}</span>}
    </li>
  )
}

interface FormProps {
  readonly path: string
  readonly stack: string
  readonly hasMail: boolean
  readonly onMade: () => void
}

function TargetForm({ path, stack, hasMail, onMade }: FormProps) {
  const { value: shown } = useLoaded(() => get<Stack>(apiPath`/api/stacks/${stack}`), stack)
  const [kind, setKind] = useState<Kind>('webhook')
  const [fields, setFields] = useState<Readonly<Record<string, string>>>({})
  const [chosen, setChosen] = useState<string[]>(['succeeded', 'failed', 'rolled back', 'interrupted'])
  const [made, setMade] = useState<{ readonly name: string; readonly secret: string } | null>(null)
  const isGit = kind === 'github' || kind === 'gitlab' || kind === 'gitea'
  const apps = shown?.apps.map((one) => one.name) ?? []
  const address = fields[`address of ${kind}`] ?? gitAddresses[kind] ?? ''
  const app = fields.app ?? apps[0] ?? ''
  const submit = async () => {
    const { name = '', recipients = '', repository = '', token = '' } = fields
    const { secret } = await call<{ secret: string | null }>('POST', path, {
      kind,
      name,
      ...(kind === 'mail' ? { recipients: recipients.split(/[\s,]+/).filter((one) => one !== '') } : { address }),
      ...(isGit ? { repository, token, app } : { states: chosen }),
    })
    setMade(secret === null ? null : { name, secret })
    setFields({})
    onMade()
  }
  const field = (key: string, label: string, more: object = {}) => (
    <label>
      {label}
      <input
        value={fields[key] ?? ''}
        onInput={(event) => setFields({ ...fields, [key]: event.currentTarget.value })}
        required
        spellcheck={false}
        {...more}
      />
    </label>
  )
  return (
    <section class="card">
      <h2>Add a notice</h2>
      {made && (
        <div class="once">
          <p>The receiver checks signatures with this secret. This is the only time that the console shows it.</p>
          <SecretOnce label={`Secret of ${made.name}`} value={made.secret} />
        </div>
      )}
      <ActionForm label="Add the notice" onSubmit={submit}>
        <label>
          Kind
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
            {Object.entries(kinds).map(([value, label]) => (
              <option key={value} value={value} disabled={value === 'mail' && !hasMail}>
                {value === 'mail' && !hasMail ? `${label} (the console has no mail server)` : label}
              </option>
            ))}
          </select>
        </label>
        {field('name', 'Name', { maxLength: 100 })}
        {kind === 'mail'
          ? field('recipients', 'Recipients, with commas')
          : field(`address of ${kind}`, isGit ? 'Address of the API' : 'Address', { type: 'url', value: address })}
        {isGit && (
          <>
            {field('repository', 'Repository, such as owner/name')}
            {field('token', 'Token that may set commit statuses', { type: 'password', autocomplete: 'off' })}
            <label>
              App
              <select
                value={app}
                onChange={(event) => setFields({ ...fields, app: event.currentTarget.value })}
                required
              >
                {apps.map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            </label>
          </>
        )}
        {!isGit && <Choices legend="When a deployment is" names={noticeStates} chosen={chosen} onChange={setChosen} />}
      </ActionForm>
    </section>
  )
}
