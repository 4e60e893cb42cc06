/** Pages to log in, and to make the account of an invitation. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError, call, type Session } from './api.ts'
import { ActionForm, PasswordField } from './parts.tsx'

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
    <CredentialsForm title="Log in" button="Log in" password="Password" onSubmit={logIn}>
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
      isNew
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
  /** Whether the password is chosen here. */
  readonly isNew?: boolean
  readonly onSubmit: (credentials: Credentials) => Promise<void>
  readonly children?: ComponentChildren
}

interface Credentials {
  readonly name: string
  readonly password: string
}

function CredentialsForm({ title, button, password: label, isNew = false, onSubmit, children }: FormProps) {
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
        <PasswordField label={label} value={password} onValue={setPassword} isNew={isNew} />
        {children}
      </ActionForm>
    </main>
  )
}
