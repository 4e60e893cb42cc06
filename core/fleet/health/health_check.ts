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
  /**
   * Required number of consecutive successes. A balancer also sends requests to servers that the rollout has not changed, so
   * one success proves little.
   */
  readonly successes: number
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

interface HealthAnswer extends Omit<Health, 'what'> {
  /** Whether another request would prove nothing more, as for a site that is closed for maintenance. */
  readonly isFinal?: boolean
}

interface HealthProbe {
  readonly what: string
  /** Whether one success is enough if no attempt failed before. */
  readonly isCommand: boolean
  readonly run: () => Promise<HealthAnswer>
}

/** Time limit of one run of the command. */
const commandTimeoutMs = 60_000
/** Time between two attempts. */
const retryPauseMs = 1_000

/**
 * Runs the checks one after the other. Each page must succeed `successes` times in a row before its deadline, and so must
 * a command that failed before; a command that succeeds at once is not repeated.
 */
export async function checkHealth(check: HealthCheck): Promise<Health> {
  const { pages, status, command, signal } = check
  const probes: HealthProbe[] = pages.map((page) => ({
    what: page.url,
    isCommand: false,
    run: () => checkPage(page, status, signal),
  }))
  if (command !== undefined)
    probes.push({ what: command, isCommand: true, run: () => runHealthCommand(command, check) })
  let last: Health = { ok: true, what: '', detail: '' }
  for (const probe of probes) {
    last = await retryUntilOk(probe, check)
    if (!last.ok) return last
  }
  return { ...last, what: probes.map(({ what }) => what).join(', ') }
}

async function retryUntilOk({ what, isCommand, run }: HealthProbe, check: HealthCheck): Promise<Health> {
  const { deadlineSeconds, successes, signal, onWait } = check
  // Unlike the time of day, this clock is never set back.
  const startedAt = performance.now()
  const deadlineMs = deadlineSeconds * 1000
  const elapsed = () => performance.now() - startedAt
  const wait = (detail: string | undefined) => onWait?.({ what, elapsedMs: Math.round(elapsed()), deadlineMs, detail })
  wait(undefined)
  let failure: string | null = null
  for (let consecutive = 0; ; ) {
    const answer = await run()
    consecutive = answer.ok ? consecutive + 1 : 0
    if (!answer.ok) failure = answer.detail
    const isEnough = consecutive >= successes || answer.isFinal === true || (isCommand && failure === null)
    if (answer.ok && isEnough) return { what, ok: true, detail: answer.detail }
    const isOver = signal?.aborted || elapsed() + (answer.ok ? 0 : retryPauseMs) >= deadlineMs
    // A slow site without a failed answer is healthy.
    if (isOver && (failure === null || !answer.ok)) return { what, ok: answer.ok, detail: answer.detail }
    if (isOver) return { what, ok: false, detail: `${failure}; then ${consecutive} of ${successes} successes in a row` }
    if (answer.ok) continue
    wait(answer.detail)
    await waitBeforeRetry(signal)
  }
}

function waitBeforeRetry(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, retryPauseMs)
    signal?.addEventListener('abort', finish)
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
      resolve(error === null ? { ok: true, detail: 'succeeded' } : { ok: false, detail: last || error.message })
    })
  })
}
