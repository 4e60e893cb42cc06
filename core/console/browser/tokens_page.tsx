/** The page that lists, makes and revokes the tokens of a stack. */
import { useState } from 'preact/hooks'
import { apiPath, call, get, type Level, type Token } from './api.ts'
import { EntryTable } from './entry_table.tsx'
import { ActionForm, SecretOnce, Time, useLoaded } from './parts.tsx'

const levels: readonly Level[] = ['show', 'deploy', 'manage']

export function TokensPage({ stack }: { readonly stack: string }) {
  const path = `${apiPath`/api/stacks/${stack}`}/tokens`
  const loaded = useLoaded(() => get<Token[]>(path), path)
  return (
    <>
      <p>A pipeline sends its token instead of a password. It works for this stack only.</p>
      <EntryTable
        label="Tokens"
        none="No token yet."
        path={path}
        loaded={loaded}
        columns={['Name', 'Level', 'Made by', 'Expires', 'Last use']}
        cells={(token) => [
          token.name,
          token.level,
          token.account,
          <>
            {Date.parse(token.expires) < Date.now() ? <span class="badge failed">expired</span> : null}{' '}
            <Time at={token.expires} />
          </>,
          token.lastUsed === null ? 'never' : <Time at={token.lastUsed} />,
        ]}
        remove={{
          label: 'Revoke',
          question: ({ name }) => `Revoke the token ${name}? Pipelines that use it can no longer log in.`,
        }}
      />
      <TokenForm path={path} onMade={loaded.reload} />
    </>
  )
}

function TokenForm({ path, onMade }: { readonly path: string; readonly onMade: () => void }) {
  const [name, setName] = useState('')
  const [level, setLevel] = useState<Level>('deploy')
  const [days, setDays] = useState('90')
  const [made, setMade] = useState<{ readonly name: string; readonly token: string } | null>(null)
  const submit = async () => {
    const { token } = await call<{ token: string }>('POST', path, { name, level, days: Number(days) })
    setMade({ name, token })
    setName('')
    onMade()
  }
  return (
    <section class="card">
      <h2>Make a token</h2>
      {made && (
        <div class="once">
          <p>This is the only time that the console shows it.</p>
          <SecretOnce label={`Token ${made.name}`} value={made.token} />
        </div>
      )}
      <ActionForm label="Make the token" onSubmit={submit}>
        <label>
          Name
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} required maxLength={100} />
        </label>
        <label>
          Level
          <select value={level} onChange={(event) => setLevel(event.currentTarget.value as Level)}>
            {levels.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <label>
          Days until it expires
          <input
            type="number"
            min={1}
            max={366}
            value={days}
            onInput={(event) => setDays(event.currentTarget.value)}
            required
          />
        </label>
      </ActionForm>
    </section>
  )
}
