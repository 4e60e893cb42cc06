/** Checks from the operator's computer whether the site works: pages through the balancer, then a command. */
import { exec } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { checkPage, type HealthPage, type StatusRange } from './health_page.ts'

export interface HealthCheck {
  readonly pages: readonly HealthPage[]
  readonly status: StatusRange
  /** For /bin/sh. */
  readonly command: string | undefined
  /** Working directory of the command. */
  readonly directory: string
  /** Environment variables for the command, in addition to those of the operator. */
  readonly environment: Readonly<Record<string, string>>
  /** How long each check is retried. */
  readonly deadlineSeconds: number
  /** Ends the check early; default: never. */
  readonly signal?: AbortSignal | undefined
  /** Called when a check begins, and after each failed attempt. */
  readonly onWait?: ((waiting: HealthWait) => void) | undefined
}

export interface Health {
  readonly ok: boolean
  /** The last check: the failed one, if any. */
  readonly what: string
  readonly detail: string
}

/** A check that has not succeeded yet. */
export interface HealthWait {
  readonly what: string
  readonly elapsedMs: number
  readonly deadlineMs: number
  /** The last answer; undefined before the first one. */
  readonly detail: string | undefined
}

interface HealthProbe {
  readonly what: string
  readonly run: () => Promise<Omit<Health, 'what'>>
}

/** Milliseconds: of one run of the command, and between two attempts. */
const commandTimeoutMs = 60_000
const retryPauseMs = 1_000

/** Runs the checks one after the other; each must succeed once before its deadline. */
export async function checkHealth(check: HealthCheck): Promise<Health> {
  const { pages, status, command, signal } = check
  const probes: HealthProbe[] = pages.map((page) => ({
    what: page.url,
    run: () => checkPage(page, status, signal),
  }))
  if (command !== undefined) probes.push({ what: command, run: () => runHealthCommand(command, check) })
  let last: Health = { ok: true, what: '', detail: '' }
  for (const probe of probes) {
    last = await retryUntilOk(probe, check)
    if (!last.ok) return last
  }
  return { ...last, what: probes.map(({ what }) => what).join(', ') }
}

async function retryUntilOk({ what, run }: HealthProbe, check: HealthCheck): Promise<Health> {
  const { deadlineSeconds, signal, onWait } = check
  // Unlike the time of day, this clock is never set back.
  const begun = performance.now()
  const deadlineMs = deadlineSeconds * 1000
  const elapsed = () => performance.now() - begun
  const wait = (detail: string | undefined) => onWait?.({ what, elapsedMs: Math.round(elapsed()), deadlineMs, detail })
  wait(undefined)
  for (;;) {
    const answer = await run()
    if (answer.ok || signal?.aborted || elapsed() + retryPauseMs >= deadlineMs) return { what, ...answer }
    wait(answer.detail)
    await waitBeforeRetry(signal)
  }
}

function waitBeforeRetry(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', over)
      resolve()
    }
    const timer = setTimeout(over, retryPauseMs)
    signal?.addEventListener('abort', over)
  })
}

function runHealthCommand(
  command: string,
  { directory: cwd, environment }: HealthCheck,
): Promise<Omit<Health, 'what'>> {
  const env = { ...process.env, ...environment, CONVERGE_HEALTH_TOKEN: randomUUID() }
  return new Promise((resolve) => {
    exec(command, { cwd, env, timeout: commandTimeoutMs, maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      const last = `${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? ''
      resolve(error === null ? { ok: true, detail: 'it succeeded' } : { ok: false, detail: last || error.message })
    })
  })
}
