/** Whether the site is well, asked from where the operator is: pages through the balancer, and a command. */
import { exec } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { asConvergeError } from '../../model/errors.ts'
import { isMaintenancePage } from '../../model/test_request.ts'

export interface HealthCheck {
  readonly urls: readonly string[]
  readonly status: { readonly min: number; readonly max: number }
  /** For /bin/sh. */
  readonly command: string | undefined
  /** Working directory of the command. */
  readonly directory: string
  /** How long each is tried again. */
  readonly deadlineSeconds: number
  /** Nobody waits for the answer any more; default: never. */
  readonly given?: AbortSignal | undefined
}

export interface Health {
  readonly ok: boolean
  /** What was asked last: the one that failed, where one did. */
  readonly what: string
  readonly detail: string
}

/** How long one question may take, and how long to wait before the next. Milliseconds. */
const patience = 10_000
const pause = 1_000

/** Asks one after the other; each has to succeed once before the deadline. */
export async function askHealth(check: HealthCheck): Promise<Health> {
  const { urls, status, command, directory, deadlineSeconds, given } = check
  const questions = [
    ...urls.map((url) => ({ what: url, ask: () => page(url, status) })),
    ...(command === undefined ? [] : [{ what: command, ask: () => succeeds(command, directory) }]),
  ]
  let last: Health = { ok: true, what: '', detail: '' }
  for (const { what, ask } of questions) {
    // Whatever becomes of the clock.
    const until = performance.now() + deadlineSeconds * 1000
    for (;;) {
      last = { what, ...(await ask()) }
      if (last.ok) break
      if (given?.aborted || performance.now() + pause >= until) return last
      await paused(given)
    }
  }
  return { ...last, what: questions.map(({ what }) => what).join(', ') }
}

function paused(given: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer)
      given?.removeEventListener('abort', over)
      resolve()
    }
    const timer = setTimeout(over, pause)
    given?.addEventListener('abort', over)
  })
}

/** A page out of a cache tells how the site was: it is asked for once more by a name that no cache knows. */
async function page(url: string, { min, max }: HealthCheck['status']): Promise<Omit<Health, 'what'>> {
  try {
    let answer = await get(url)
    if (Number(answer.headers.get('age')) > 0) answer = await get(unknownToCaches(url))
    const ok = answer.status >= min && answer.status <= max
    // Nobody outside sees the app then; the smoke tests of the hosts do.
    if (!ok && isMaintenancePage({ status: answer.status, headers: Object.fromEntries(answer.headers) }))
      return { ok: true, detail: 'closed for maintenance: the app was not asked' }
    return { ok, detail: `status ${answer.status}` }
  } catch (thrown) {
    const { message, cause } = thrown as Error & { readonly cause?: unknown }
    return { ok: false, detail: cause === undefined ? message : asConvergeError(cause).message }
  }
}

async function get(url: string): Promise<Response> {
  const signal = AbortSignal.timeout(patience)
  const answer = await fetch(url, { redirect: 'manual', signal, headers: { 'Cache-Control': 'no-cache' } })
  await answer.body?.cancel()
  return answer
}

function unknownToCaches(url: string): string {
  const other = new URL(url)
  other.searchParams.set('converge', randomUUID())
  return other.href
}

function succeeds(command: string, cwd: string): Promise<Omit<Health, 'what'>> {
  return new Promise((resolve) => {
    exec(command, { cwd, timeout: patience * 6, maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      const last = `${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? ''
      resolve(error === null ? { ok: true, detail: 'it succeeded' } : { ok: false, detail: last || error.message })
    })
  })
}
