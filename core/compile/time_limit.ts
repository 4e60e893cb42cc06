/** Ends code of a recipe that never returns. */
import { types } from 'node:util'
import vm from 'node:vm'
import { ConvergeError } from '../model/errors.ts'
import { type Duration, milliseconds, seconds } from '../model/units.ts'
import { inspector, lastLine } from './last_line.ts'

/** A recipe only declares, which takes milliseconds. Much more, because other programs may keep the processors busy. */
const usualLimit = seconds(30)
/** A call that had less than this share of the limit on a processor waited for other programs, or was stopped. */
const endlessShare = 1 / 3
/** The limit of the second attempt, in limits of the first one. */
const patience = 10
/** How long a recipe that does not return is observed. A step takes some 10 ms. */
const observedMs = 6000

const callKey = Symbol.for('converge.call')
const calling = "globalThis[Symbol.for('converge.call')]()"
const script = new vm.Script(calling, { filename: 'node:converge' })

/** Recipes that did not end: the errors of an input are collected by running them again. */
const endless = new WeakMap<object, ConvergeError>()
/** Recipes that were interrupted while other programs had the processors, or while the process was stopped. */
const interrupted = new WeakSet<object>()

/** Ends a call that had little time on a processor. Its work is incomplete, and must begin again. */
class Interrupted extends Error {}

/** Makes an attempt, and begins again if a call in it is interrupted. Each call is interrupted once at most. */
export function repeatInterrupted<T>(attempt: () => T): T {
  for (;;)
    try {
      return attempt()
    } catch (error) {
      if (!isInterrupted(error)) throw error
    }
}

export const isInterrupted = (error: unknown): boolean => error instanceof Interrupted

export interface LimitOptions {
  /** Such as `deploy of the role web`. */
  readonly subject: string
  /** The function of the recipe. Default: the call. */
  readonly code?: object
  /** Repeats the call, to find the line that does not end. Default: the call. */
  readonly again?: () => unknown
  readonly limit?: Duration
}

/**
 * Runs code of a recipe, and ends it if it does not return in time.
 * @throws ENDLESS with the line; an error for `repeatInterrupted` if the process had little time on a processor
 */
export function callWithLimit<T>(
  call: () => T,
  { subject, code = call, again = call, limit = usualLimit }: LimitOptions,
): T {
  const known = endless.get(code)
  if (known !== undefined) throw known
  // A debugger holds a recipe for as long as its user looks at it.
  if (inspector()?.url() !== undefined) return call()
  const isLast = interrupted.has(code)
  const wait = isLast ? milliseconds(limit.ms * patience) : limit
  const before = process.cpuUsage()
  try {
    return within(wait.ms, call)
  } catch (error) {
    if (!isTimeout(error)) throw error
    const { user, system } = process.cpuUsage(before)
    if (!isLast && (user + system) / 1000 < limit.ms * endlessShare) {
      interrupted.add(code)
      throw new Interrupted(`${subject} was interrupted`)
    }
    const problem = new ConvergeError(`${subject} has not ended after ${wait}`, {
      code: 'ENDLESS',
      source: lastLine((observed) => within(observedMs, again, observed), calling),
      hint: 'find the loop that does not end; a recipe only declares resources',
      usage: true,
    })
    endless.set(code, problem)
    throw problem
  }
}

function within<T>(milliseconds: number, call: () => T, caller = script): T {
  const holder = globalThis as { [callKey]?: (() => T) | undefined }
  const outer = holder[callKey]
  holder[callKey] = call
  try {
    return caller.runInThisContext({ timeout: milliseconds, displayErrors: false }) as T
  } finally {
    holder[callKey] = outer
  }
}

/** A recipe may throw a proxy, whose members throw in turn. */
const isTimeout = (error: unknown) =>
  types.isNativeError(error) && (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
