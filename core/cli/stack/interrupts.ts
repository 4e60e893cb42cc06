/** Handles Ctrl-C during a rollout: first no further host starts, then hosts finish their steps, then it ends. */
import type { Interruption } from '../../fleet/rollout/state/ports.ts'
import { ConvergeError } from '../../model/errors.ts'

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

const steps: readonly (readonly [Interruption, string])[] = [
  [
    'no more hosts',
    'no further host is started; waiting for the running ones. Press Ctrl-C again to end them after their current step',
  ],
  ['finish steps', 'the hosts end after their current step. Press Ctrl-C again to leave without waiting for them'],
  ['leave', 'left: the running hosts continue on their own'],
]

/** Time within which a repeated signal is not a second Ctrl-C of a person. */
const echoMs = 300

/**
 * Runs read-only work until it ends, or until the first signal. The signal handlers are installed before the
 * work starts, because the work may print something to which an operator answers with Ctrl-C.
 * @param work started here
 * @param endProcess called at a signal: a connection attempt would keep the process running
 * @param consequence text of the message after the name of the signal
 * @throws INTERRUPTED
 */
export async function untilInterrupted<T>(
  work: () => Promise<T>,
  endProcess: () => void,
  consequence = 'ended before all have answered; nothing was changed',
): Promise<T> {
  let interrupt: (signal: NodeJS.Signals) => void = () => undefined
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = (signal) => {
      endProcess()
      reject(new ConvergeError(`${signal}: ${consequence}`, { code: 'INTERRUPTED' }))
    }
  })
  for (const signal of signals) process.on(signal, interrupt)
  try {
    return await Promise.race([work(), interrupted])
  } finally {
    for (const signal of signals) process.off(signal, interrupt)
  }
}

export interface Abort {
  readonly signal: AbortSignal
  /** Rejects at the second signal: the caller must not wait any longer. */
  readonly left: Promise<never>
  close(): void
}

/** @param onSignal called at the first signal */
export function abortOnSignal(onSignal: (signal: NodeJS.Signals) => void): Abort {
  const controller = new AbortController()
  let firstAt = 0
  let leave: (error: ConvergeError) => void = () => undefined
  const left = new Promise<never>((_, reject) => {
    leave = reject
  })
  left.catch(() => undefined)
  const receive = (signal: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      firstAt = performance.now()
      onSignal(signal)
      controller.abort()
    } else if (signal !== 'SIGHUP' && performance.now() - firstAt > echoMs)
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
   * @param print prints for the operator
   * @param now in milliseconds, from any monotonic clock
   */
  constructor(
    private readonly print: (text: string) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    for (const signal of signals) process.on(signal, this.receive)
  }

  readonly on = (listener: (state: Interruption) => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  close(): void {
    for (const signal of signals) process.off(signal, this.receive)
  }

  readonly receive = (signal: NodeJS.Signals): void => {
    if (this.isEcho(signal)) return
    const [state, text] = steps[Math.min(this.count, steps.length - 1)] ?? ['leave', '']
    this.count++
    this.state = state
    this.print(`${signal}: ${text}`)
    for (const listener of this.listeners) listener(state)
  }

  /** Detects duplicates: npm or make pass on a Ctrl-C again; a closed terminal and its shell both send SIGHUP. */
  private isEcho(signal: NodeJS.Signals): boolean {
    const previous = this.last.get(signal)
    const now = this.now()
    this.last.set(signal, now)
    return previous !== undefined && (signal === 'SIGHUP' || now - previous < echoMs)
  }
}
