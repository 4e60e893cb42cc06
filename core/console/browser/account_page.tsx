/** The page of your own account: the password, and the second factor. */
import { useState } from 'preact/hooks'
import { encode } from 'uqr'
import { call, type Session } from './api.ts'
import { ActionForm, PasswordField, SecretOnce } from './parts.tsx'

interface AccountProps {
  readonly session: Session
  readonly onSession: (session: Session) => void
}

const path = '/api/session/second-factor'

export function AccountPage({ session, onSession }: AccountProps) {
  return (
    <>
      <h1>Your account {session.account}</h1>
      {session.isExternal ? (
        <p>The provider of your login manages your password and your second factor.</p>
      ) : (
        <Login session={session} onSession={onSession} />
      )}
    </>
  )
}

/** How the account logs in. */
function Login({ session, onSession }: AccountProps) {
  return (
    <>
      <section class="card">
        <h2>Second factor</h2>
        {session.secondFactor ? (
          <RemoveFactor onRemoved={() => onSession({ ...session, secondFactor: false })} />
        ) : (
          <SetUpFactor onDone={() => onSession({ ...session, secondFactor: true })} />
        )}
      </section>
      <ChangePassword onSession={onSession} />
    </>
  )
}

interface Enrolment {
  readonly secret: string
  readonly uri: string
}

function SetUpFactor({ onDone }: { readonly onDone: () => void }) {
  const [password, setPassword] = useState('')
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null)
  const [code, setCode] = useState('')
  const [codes, setCodes] = useState<readonly string[] | null>(null)
  if (codes !== null)
    return (
      <>
        <p role="status">The second factor is enabled. Store these codes: each replaces a lost device once.</p>
        <SecretOnce label="Codes for a lost device" value={codes.join(' ')} />
        <button type="button" class="plain" onClick={onDone}>
          I have stored the codes
        </button>
      </>
    )
  if (enrolment === null)
    return (
      <ActionForm
        label="Set up a second factor"
        onSubmit={async () => setEnrolment(await call<Enrolment>('POST', path, { password }))}
      >
        <p class="quiet">
          Each login then requires a code of an app on your phone, such as FreeOTP, besides the password.
        </p>
        <PasswordField label="Your password" value={password} onValue={setPassword} />
      </ActionForm>
    )
  const enable = async () => {
    const { recoveryCodes } = await call<{ recoveryCodes: string[] }>('PUT', path, { code })
    setCodes(recoveryCodes)
  }
  return (
    <ActionForm label="Enable the second factor" onSubmit={enable}>
      <p>Read this picture with the app, or enter the key there. Then enter the code that the app shows.</p>
      <QrCode text={enrolment.uri} />
      <SecretOnce label="Key" value={enrolment.secret} />
      <CodeField value={code} onValue={setCode} />
    </ActionForm>
  )
}

function RemoveFactor({ onRemoved }: { readonly onRemoved: () => void }) {
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const remove = async () => {
    await call('DELETE', path, { password, code })
    onRemoved()
  }
  return (
    <ActionForm label="Remove the second factor" kind="danger" onSubmit={remove}>
      <p>Each login requires a code of your device.</p>
      <PasswordField label="Your password" value={password} onValue={setPassword} />
      <CodeField value={code} onValue={setCode} />
    </ActionForm>
  )
}

function ChangePassword({ onSession }: Pick<AccountProps, 'onSession'>) {
  const [password, setPassword] = useState('')
  const [newPassword, setNewPassword] = useState('')
  const [isChanged, setChanged] = useState(false)
  const change = async () => {
    onSession(await call<Session>('PUT', '/api/session/password', { password, newPassword }))
    setPassword('')
    setNewPassword('')
    setChanged(true)
  }
  return (
    <section class="card">
      <h2>Password</h2>
      <ActionForm label="Change the password" kind="plain" onSubmit={change}>
        <PasswordField label="Present password" value={password} onValue={setPassword} />
        <PasswordField
          label="New password, at least 12 characters"
          value={newPassword}
          onValue={setNewPassword}
          isNew
        />
      </ActionForm>
      <p role="status">{isChanged ? 'The password is changed. All other sessions have ended.' : ''}</p>
    </section>
  )
}

interface FieldProps {
  readonly value: string
  readonly onValue: (value: string) => void
}

function CodeField({ value, onValue }: FieldProps) {
  return (
    <label>
      Code
      <input
        value={value}
        maxLength={64}
        autocomplete="one-time-code"
        onInput={(event) => onValue(event.currentTarget.value)}
        required
      />
    </label>
  )
}

/** Draws a QR code; dark on light also on a dark page, as devices expect. */
function QrCode({ text }: { readonly text: string }) {
  const { size, data } = encode(text, { border: 3 })
  const squares = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
  return (
    <svg
      class="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label="QR code of the key"
      shape-rendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={squares.join('')} fill="#000" />
    </svg>
  )
}
