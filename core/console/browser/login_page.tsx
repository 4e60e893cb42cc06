/** Pages to log in, and to make the account of an invitation. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError, call, type Session } from './api.ts'
import { ActionForm } from './parts.tsx'

interface PageProps {
  readonly onDone: (session: Session) => void
}

export function LoginPage({ onDone }: PageProps) {
  const [needsCode, setNeedsCode] = useState(false)
  const [code, setCode] = useState('')
  const logIn = async (credentials: Credentials) => {
    try {
      onDone(await call<Session>('POST', '/api/session', { ...credentials, ...(needsCode ? { code } : {}) }))
    } catch (thrown) {
      const isFirst = thrown instanceof ApiError && thrown.code === 'CODE_REQUIRED' && !needsCode
      if (!isFirst) throw thrown
      setNeedsCode(true)
    }
  }
  return (
    <CredentialsForm
      title="Log in"
      button="Log in"
      password="Password"
      autocomplete="current-password"
      onSubmit={logIn}
    >
      {needsCode && (
        <label>
          Code of your device, or one for a lost device
          <input
            ref={(field) => field?.focus()}
            value={code}
            maxLength={64}
            autocomplete="one-time-code"
            onInput={(event) => setCode(event.currentTarget.value)}
            required
          />
        </label>
      )}
    </CredentialsForm>
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
  readonly onSubmit: (credentials: Credentials) => Promise<void>
  readonly children?: ComponentChildren
}

interface Credentials {
  readonly name: string
  readonly password: string
}

function CredentialsForm({
  title,
  button,
  password: label,
  minLength = 1,
  autocomplete,
  onSubmit,
  children,
}: FormProps) {
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
        {children}
      </ActionForm>
    </main>
  )
}
