/** The page of administrators: accounts, their levels, and invitations. */
import { useState } from 'preact/hooks'
import { type Account, apiPath, call, get, type Level } from './api.ts'
import { ActionForm, Failure, Time, useLoaded } from './parts.tsx'

const levels: readonly Level[] = ['deny', 'show', 'deploy', 'manage']

export function AccountsPage({ stacks }: { readonly stacks: readonly string[] }) {
  const { value: accounts, error, reload } = useLoaded(() => get<Account[]>('/api/accounts'), 'accounts')
  return (
    <>
      <h1>Accounts</h1>
      <Failure error={error} />
      {accounts?.map((account) => (
        <AccountCard key={account.name} account={account} stacks={stacks} onChange={reload} />
      ))}
      <InvitationForm />
    </>
  )
}

interface CardProps {
  readonly account: Account
  readonly stacks: readonly string[]
  readonly onChange: () => void
}

function AccountCard({ account, stacks, onChange }: CardProps) {
  const [error, setError] = useState<unknown>(null)
  const setLevel = async (stack: string, level: string) => {
    try {
      await call('PUT', apiPath`/api/accounts/${account.name}/levels/${stack}`, { level })
      onChange()
    } catch (thrown) {
      setError(thrown)
    }
  }
  return (
    <section class="card">
      <h2>{account.name}</h2>
      <p class="quiet">
        {account.isAdmin ? 'Administrator' : 'Account'} since <Time at={account.created} />
        {account.isExternal
          ? ', logs in by OpenID Connect; its levels follow its groups there'
          : account.secondFactor
            ? ', with a second factor'
            : ', without a second factor'}
      </p>
      {!account.isAdmin &&
        stacks.map((stack) => (
          <label key={stack}>
            {stack}
            <select
              disabled={account.isExternal}
              value={account.levels[stack] ?? 'deny'}
              onChange={(event) => setLevel(stack, event.currentTarget.value)}
            >
              {levels.map((level) => (
                <option key={level} value={level}>
                  {level}
                </option>
              ))}
            </select>
          </label>
        ))}
      <Failure error={error} />
      {account.secondFactor && (
        <ActionForm
          label="Remove the second factor"
          subject={`of ${account.name}`}
          kind="plain"
          onSubmit={async () => {
            if (!confirm(`Remove the second factor of ${account.name}? A login then requires only the password.`))
              return
            await call('DELETE', `${apiPath`/api/accounts/${account.name}`}/second-factor`)
            onChange()
          }}
        />
      )}
      <ActionForm
        label="Remove"
        subject={account.name}
        kind="danger"
        onSubmit={async () => {
          if (!confirm(`Remove ${account.name}?`)) return
          await call('DELETE', apiPath`/api/accounts/${account.name}`)
          onChange()
        }}
      />
    </section>
  )
}

function InvitationForm() {
  const [isAdmin, setAdmin] = useState(false)
  const [link, setLink] = useState<string | null>(null)
  return (
    <section class="card">
      <h2>Invite somebody</h2>
      <ActionForm
        label="Make a link"
        onSubmit={async () => {
          const { invitation } = await call<{ invitation: string }>('POST', '/api/invitations', { isAdmin })
          setLink(`${location.origin}/#/invitation/${invitation}`)
        }}
      >
        <label class="choice">
          <input type="checkbox" checked={isAdmin} onChange={(event) => setAdmin(event.currentTarget.checked)} />
          As an administrator
        </label>
      </ActionForm>
      {link && (
        <p>
          Send this link; it makes one account within a day: <code>{link}</code>
        </p>
      )}
    </section>
  )
}
