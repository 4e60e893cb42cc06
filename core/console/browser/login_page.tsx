/** Pages to log in, and to make the account of an invitation. */
import { useState } from 'preact/hooks'
import { call, type Session } from './api.ts'
import { ActionForm } from './parts.tsx'

export function LoginPage({ onDone }: { readonly onDone: (session: Session) => void }) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  return (
    <main class="narrow">
      <h1>Log in</h1>
      <ActionForm
        label="Log in"
        onSubmit={async () => onDone(await call<Session>('POST', '/api/session', { name, password }))}
      >
        <label>
          Name
          <input
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
            autocomplete="username"
            required
          />
        </label>
        <label>
          Password
          <input
            type="password"
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
            autocomplete="current-password"
            required
          />
        </label>
      </ActionForm>
    </main>
  )
}

interface InvitationProps {
  readonly invitation: string
  readonly onDone: (session: Session) => void
}

export function InvitationPage({ invitation, onDone }: InvitationProps) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  return (
    <main class="narrow">
      <h1>Make your account</h1>
      <ActionForm
        label="Make the account"
        onSubmit={async () =>
          onDone(await call<Session>('POST', '/api/invitations/accept', { invitation, name, password }))
        }
      >
        <label>
          Name
          <input
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
            autocomplete="username"
            required
          />
        </label>
        <label>
          Password, at least 12 characters
          <input
            type="password"
            minLength={12}
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
            autocomplete="new-password"
            required
          />
        </label>
      </ActionForm>
    </main>
  )
}
