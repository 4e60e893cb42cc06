/** What Ctrl-C means while hosts are at work: first no further host, then finish the steps, then leave. */
import type { Interruption } from '../../fleet/rollout/request.ts'
import { ConvergeError } from '../../model/errors.ts'

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

const steps: readonly (readonly [Interruption, string])[] = [
  [
    'no more hosts',
    'no further host is begun; those at work are waited for. Once more to have them end after the step at hand',
  ],
  ['finish steps', 'the hosts end after the step at hand. Once more to leave them to themselves'],
  ['leave', 'left: what is under way goes on there'],
]

/** The same signal within this time is no second thought of a person. Milliseconds. */
const echo = 300

/**
 * Of what only looks there is nothing to be seen through: the first signal ends it, whoever has not answered yet.
 * @param what has ended, for the message
 * @param endProcess called then: a connection that is being made would keep the process going
 * @throws INTERRUPTED
 */
export async function untilInterrupted<T>(
  look: Promise<T>,
  endProcess: () => void,
  what = 'ended before all have answered; nothing was changed',
): Promise<T> {
  let heard: (signal: NodeJS.Signals) => void = () => undefined
  const interrupted = new Promise<never>((_, reject) => {
    heard = (signal) => {
      endProcess()
      reject(new ConvergeError(`${signal}: ${what}`, { code: 'INTERRUPTED' }))
    }
  })
  for (const signal of signals) process.on(signal, heard)
  try {
    return await Promise.race([look, interrupted])
  } finally {
    for (const signal of signals) process.off(signal, heard)
  }
}

export interface Abort {
  readonly signal: AbortSignal
  /** Rejects at the second signal: nothing is waited for any longer. */
  readonly left: Promise<never>
  close(): void
}

/** @param onSignal called at the first signal */
export function abortOnSignal(onSignal: (signal: NodeJS.Signals) => void): Abort {
  const controller = new AbortController()
  let first = 0
  let leave: (error: ConvergeError) => void = () => undefined
  const left = new Promise<never>((_, reject) => {
    leave = reject
  })
  left.catch(() => undefined)
  const receive = (signal: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      first = performance.now()
      onSignal(signal)
      controller.abort()
    } else if (signal !== 'SIGHUP' && performance.now() - first > echo)
      leave(new ConvergeError(`${signal}: left before the hosts have confirmed the end`, { code: 'INTERRUPTED' }))
  }
  for (const signal of signals) process.on(signal, receive)
  const close = () => {
    for (const signal of signals) process.off(signal, receive)
  }
  return { signal: controller.signal, left, close }
}

export class Interrupts {
  state: Interruption = 'none'
  private count = 0
  private readonly listeners = new Set<(state: Interruption) => void>()
  private readonly last = new Map<NodeJS.Signals, number>()

  /**
   * @param say tells the operator
   * @param now in milliseconds, from any clock that does not go back
   */
  constructor(
    private readonly say: (text: string) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    for (const signal of signals) process.on(signal, this.hear)
  }

  readonly on = (listener: (state: Interruption) => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  close(): void {
    for (const signal of signals) process.off(signal, this.hear)
  }

  readonly hear = (signal: NodeJS.Signals): void => {
    if (this.isEcho(signal)) return
    const [state, text] = steps[Math.min(this.count, steps.length - 1)] ?? ['leave', '']
    this.count++
    this.state = state
    this.say(`${signal}: ${text}`)
    for (const listener of this.listeners) listener(state)
  }

  /** One Ctrl-C comes twice where npm or make passes it on as well; a terminal that goes away does so once, and both it and its shell tell. */
  private isEcho(signal: NodeJS.Signals): boolean {
    const before = this.last.get(signal)
    const now = this.now()
    this.last.set(signal, now)
    return before !== undefined && (signal === 'SIGHUP' || now - before < echo)
  }
}
