/** The page that lists, makes and removes the webhooks of a stack. */
import { useState } from 'preact/hooks'
import { apiPath, call, get, type Stack, type Webhook } from './api.ts'
import { Choices, SelectField } from './choices.tsx'
import { EntryTable } from './entry_table.tsx'
import { ActionForm, SecretOnce, Time, useLoaded } from './parts.tsx'

const senders = { github: 'GitHub', gitlab: 'GitLab', generic: 'Another program (Standard Webhooks)' } as const
const triggers = { checks: 'when the checks of a commit succeed', push: 'after each push' } as const

export function WebhooksPage({ stack }: { readonly stack: string }) {
  const path = `${apiPath`/api/stacks/${stack}`}/webhooks`
  const loaded = useLoaded(() => get<Webhook[]>(path), path)
  return (
    <>
      <p>A webhook deploys a branch without a person: after a push, or when the checks of a commit succeed.</p>
      <EntryTable
        label="Webhooks"
        none="No webhook yet."
        path={path}
        loaded={loaded}
        columns={['Name', 'Sender', 'Branch', 'Deploys', 'Address', 'Made by']}
        cells={(webhook) => [
          webhook.name,
          senders[webhook.sender as keyof typeof senders] ?? webhook.sender,
          webhook.branch,
          `${describeApps(webhook.request)} ${triggers[webhook.trigger as keyof typeof triggers] ?? webhook.trigger}`,
          <code key="address">/hooks/{webhook.id}</code>,
          <>
            {webhook.account}, <Time at={webhook.created} />
          </>,
        ]}
        remove={{
          label: 'Remove',
          question: ({ name }) => `Remove the webhook ${name}? Its deliveries are refused from then on.`,
        }}
      />
      <WebhookForm path={path} stack={stack} onMade={loaded.reload} />
    </>
  )
}

interface Made {
  readonly name: string
  readonly path: string
  readonly secret: string
}

interface FormProps {
  readonly path: string
  readonly stack: string
  readonly onMade: () => void
}

function WebhookForm({ path, stack, onMade }: FormProps) {
  const { value: shown } = useLoaded(() => get<Stack>(apiPath`/api/stacks/${stack}`), stack)
  const [name, setName] = useState('')
  const [sender, setSender] = useState<keyof typeof senders>('github')
  const [branch, setBranch] = useState('main')
  const [trigger, setTrigger] = useState<keyof typeof triggers>('checks')
  const [apps, setApps] = useState<string[]>([])
  const [made, setMade] = useState<Made | null>(null)
  const submit = async () => {
    const answer = await call<Made>('POST', path, { name, sender, branch, trigger, request: { apps } })
    setMade({ ...answer, name })
    setName('')
    onMade()
  }
  return (
    <section class="card">
      <h2>Make a webhook</h2>
      {made && (
        <div class="once">
          <p>Enter both at the sender. This is the only time that the console shows the secret.</p>
          <SecretOnce label={`Address of ${made.name}`} value={`${location.origin}${made.path}`} />
          <SecretOnce label={`Secret of ${made.name}`} value={made.secret} />
        </div>
      )}
      <ActionForm label="Make the webhook" onSubmit={submit}>
        <label>
          Name
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} required maxLength={200} />
        </label>
        <SelectField label="Sender" options={senders} value={sender} onChange={setSender} />
        <label>
          Branch
          <input
            value={branch}
            onInput={(event) => setBranch(event.currentTarget.value)}
            required
            maxLength={200}
            spellcheck={false}
          />
        </label>
        <SelectField label="Deploy" options={triggers} value={trigger} onChange={setTrigger} />
        <Choices
          legend="Apps (none: all)"
          names={shown?.apps.map((one) => one.name) ?? []}
          chosen={apps}
          onChange={setApps}
        />
      </ActionForm>
    </section>
  )
}

function describeApps({ apps }: Webhook['request']): string {
  return Array.isArray(apps) && apps.length > 0 ? apps.join(', ') : 'all apps'
}
