/** Components that several pages use: badges, times, failures, forms and fields. */
import type { ComponentChildren } from 'preact'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, type State } from './api.ts'

export function Badge({ state }: { readonly state: State }) {
  return <span class={`badge ${state.replaceAll(' ', '-')}`}>{state}</span>
}

/** A time in the zone of the reader, with the exact time as its title. */
export function Time({ at }: { readonly at: string | null }) {
  if (at === null) return <span>–</span>
  const date = new Date(at)
  return (
    <time dateTime={at} title={at}>
      {date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
    </time>
  )
}

export function duration(fromMs: number, toMs: number): string {
  const seconds = Math.max(0, Math.round((toMs - fromMs) / 1000))
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

export function Failure({ error }: { readonly error: unknown }) {
  if (error === null || error === undefined) return null
  const hint = error instanceof ApiError ? error.hint : null
  return (
    <p class="failure" role="alert">
      {error instanceof Error ? error.message : String(error)}
      {hint && <small>{hint}</small>}
    </p>
  )
}

/** Loads a value when the page opens, and again when `reload` is called. */
export function useLoaded<T>(load: () => Promise<T>, key: string) {
  const [value, setValue] = useState<T | null>(null)
  const [error, setError] = useState<unknown>(null)
  // The key identifies the value, because each rendering passes a new function.
  const reload = useCallback(() => {
    let isCurrent = true
    load().then(
      (loaded) => {
        if (!isCurrent) return
        setValue(loaded)
        setError(null)
      },
      (thrown) => isCurrent && setError(thrown),
    )
    return () => {
      isCurrent = false
    }
  }, [key])
  useEffect(() => {
    setValue(null)
    return reload()
  }, [reload])
  return { value, error, reload }
}

/** A form whose submission may fail; its button is disabled meanwhile. */
export function ActionForm({
  label,
  subject,
  onSubmit,
  children,
  kind = 'primary',
}: {
  readonly label: string
  /** What the button acts on, for screen readers; for one of several buttons with the same label. */
  readonly subject?: string
  readonly onSubmit: () => Promise<void>
  readonly children?: ComponentChildren
  readonly kind?: 'primary' | 'danger' | 'plain'
}) {
  const [error, setError] = useState<unknown>(null)
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: Event) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    try {
      await onSubmit()
    } catch (thrown) {
      setError(thrown)
    }
    setBusy(false)
  }
  return (
    <form onSubmit={submit}>
      {children}
      <button type="submit" class={kind} disabled={isBusy}>
        {label}
        {subject !== undefined && <span class="hidden"> {subject}</span>}
      </button>
      <Failure error={error} />
    </form>
  )
}

/** A secret that the console shows once, with a button that copies it. */
export function SecretOnce({ label, value }: { readonly label: string; readonly value: string }) {
  const field = useRef<HTMLInputElement>(null)
  const [isCopied, setCopied] = useState(false)
  const copy = async () => {
    field.current?.select()
    // Browsers offer the clipboard over TLS and from the same computer; elsewhere, the selected text is copied.
    if (navigator.clipboard === undefined) document.execCommand('copy')
    else await navigator.clipboard.writeText(value)
    setCopied(true)
  }
  return (
    <div class="secret">
      <label>
        {label}
        <input ref={field} value={value} readOnly spellcheck={false} />
      </label>
      <button type="button" class="plain" onClick={copy}>
        Copy
      </button>
      <span role="status">{isCopied ? 'Copied' : ''}</span>
    </div>
  )
}

interface PasswordProps {
  readonly label: string
  readonly value: string
  readonly onValue: (value: string) => void
  /** Whether the person chooses the password here: it must have at least 12 characters. */
  readonly isNew?: boolean
}

export function PasswordField({ label, value, onValue, isNew = false }: PasswordProps) {
  return (
    <label>
      {label}
      <input
        type="password"
        value={value}
        minLength={isNew ? 12 : 1}
        autocomplete={isNew ? 'new-password' : 'current-password'}
        onInput={(event) => onValue(event.currentTarget.value)}
        required
      />
    </label>
  )
}
