/** Pages to log in, and to make the account of an invitation. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError, call, get, type LoginWays, type Session } from './api.ts'
import { ActionForm, Failure, PasswordField, useLoaded } from './parts.tsx'
import { rememberPage } from './remembered_page.ts'

interface PageProps {
  readonly onDone: (session: Session) => void
}

export function LoginPage({ onDone }: PageProps) {
  const { value: ways, error } = useLoaded(() => get<LoginWays>('/api/login'), 'login')
  if (ways === null) return <Failure error={error} />
  const { password, provider, failure } = ways
  return (
    <main class="narrow">
      <h1>Log in</h1>
      <Failure error={failure} />
      {provider !== null && (
        <ActionForm
          label={`Log in with ${provider.label}`}
          onSubmit={async () => {
            const { url } = await call<{ url: string }>('POST', '/api/login/provider')
            rememberPage()
            location.assign(url)
          }}
        />
      )}
      {provider === null && <PasswordLogin onDone={onDone} />}
      {provider !== null && (
        <details class="other" open={password}>
          <summary>Log in with a password of the console</summary>
          <PasswordLogin onDone={onDone} />
        </details>
      )}
    </main>
  )
}

function PasswordLogin({ onDone }: PageProps) {
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
    <CredentialsForm button="Log in" password="Password" onSubmit={logIn}>
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
    <main class="narrow">
      <h1>Make your account</h1>
      <CredentialsForm
        button="Make the account"
        password="Password, at least 12 characters"
        isNew
        onSubmit={async (credentials) =>
          onDone(await call<Session>('POST', '/api/invitations/accept', { invitation, ...credentials }))
        }
      />
    </main>
  )
}

interface FormProps {
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

function CredentialsForm({ button, password: label, isNew = false, onSubmit, children }: FormProps) {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  return (
    <ActionForm label={button} onSubmit={() => onSubmit({ name, password })}>
      <label>
        Name
        <input value={name} onInput={(event) => setName(event.currentTarget.value)} autocomplete="username" required />
      </label>
      <PasswordField label={label} value={password} onValue={setPassword} isNew={isNew} />
      {children}
    </ActionForm>
  )
}
