/** Pages to log in, and to make the account of an invitation. */
import { useState } from 'preact/hooks'
import { call, type Session } from './api.ts'
import { ActionForm } from './parts.tsx'

interface PageProps {
  readonly onDone: (session: Session) => void
}

export function LoginPage({ onDone }: PageProps) {
  return (
    <CredentialsForm
      title="Log in"
      button="Log in"
      password="Password"
      autocomplete="current-password"
      onSubmit={async (credentials) => onDone(await call<Session>('POST', '/api/session', credentials))}
    />
  )
}

export function InvitationPage({ invitation, onDone }: PageProps & { readonly invitation: string }) {
  return (
    <CredentialsForm
      title="Make your account"
      button="Make the account"
      password="Password, at least 12 characters"
      minLength={12}
      autocomplete="new-password"
      onSubmit={async (credentials) =>
        onDone(await call<Session>('POST', '/api/invitations/accept', { invitation, ...credentials }))
      }
    />
  )
}

interface FormProps {
  readonly title: string
  /** Text of the button. */
  readonly button: string
  /** Label of the field for the password. */
  readonly password: string
  readonly minLength?: number
  readonly autocomplete: 'current-password' | 'new-password'
  readonly onSubmit: (credentials: { readonly name: string; readonly password: string }) => Promise<void>
}

function CredentialsForm({ title, button, password: label, minLength = 1, autocomplete, onSubmit }: FormProps) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  return (
    <main class="narrow">
      <h1>{title}</h1>
      <ActionForm label={button} onSubmit={() => onSubmit({ name, password })}>
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
          {label}
          <input
            type="password"
            minLength={minLength}
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
            autocomplete={autocomplete}
            required
          />
        </label>
      </ActionForm>
    </main>
  )
}
