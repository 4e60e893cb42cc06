/** Calls a recipe: ends one that never returns, and masks secrets in what it prints. */
import { createRequire } from 'node:module'
import vm from 'node:vm'
import { ConvergeError, type SourceLocation } from '../model/errors.ts'
import { type Duration, seconds } from '../model/units.ts'
import type { Mask } from './props.ts'
import { locateSample, type Sample } from './source.ts'

/** A recipe only declares, which takes milliseconds. Much more, because other programs may keep the processors busy. */
const usualLimit = seconds(30)
/** How long a recipe that does not return is observed. */
const observed = 2000

const callKey = Symbol.for('converge.call')
const script = new vm.Script("globalThis[Symbol.for('converge.call')]()", { filename: 'node:converge' })

/** Recipes that did not end: the errors of an input are collected by running them again. */
const endless = new WeakMap<object, ConvergeError>()

let running = 0

/** Whether a recipe is running, and not only a file of recipes. */
export const isRecipeRunning = (): boolean => running > 0

/** Runs a recipe with its output masked. */
export function callRecipe<T>(call: () => T, mask: Mask): T {
  running++
  const restore = maskOutput(mask)
  try {
    return call()
  } finally {
    restore()
    running--
  }
}

/**
 * Runs code of a recipe, and ends it if it does not return in time.
 * @param subject such as `deploy of the role web`
 * @param again repeats the call, to find the line that does not end
 * @throws ENDLESS with the line
 */
export function callWithLimit<T>(
  call: () => T,
  { subject, code = call, again = call, limit = usualLimit }: LimitOptions,
): T {
  const known = endless.get(code)
  if (known !== undefined) throw known
  // A debugger holds a recipe for as long as its user looks at it.
  if (inspector()?.url() !== undefined) return call()
  try {
    return within(limit.ms, call)
  } catch (error) {
    if (!isTimeout(error)) throw error
    const problem = new ConvergeError(`${subject} has not ended after ${limit}`, {
      code: 'ENDLESS',
      source: lineOf(again),
      hint: 'find the loop that does not end; a recipe only declares resources',
      usage: true,
    })
    endless.set(code, problem)
    throw problem
  }
}

export interface LimitOptions {
  readonly subject: string
  /** The function of the recipe. Default: the call. */
  readonly code?: object
  readonly again?: () => unknown
  readonly limit?: Duration
}

function within<T>(milliseconds: number, call: () => T): T {
  const holder = globalThis as { [callKey]?: (() => T) | undefined }
  const outer = holder[callKey]
  holder[callKey] = call
  try {
    return script.runInThisContext({ timeout: milliseconds, displayErrors: false }) as T
  } finally {
    holder[callKey] = outer
  }
}

const isTimeout = (error: unknown) => Object(error).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'

/** Observes the call with the profiler of Node.js. A call that is ended leaves no stack trace. */
function lineOf(again: () => unknown): SourceLocation | undefined {
  const Session = inspector()?.Session
  if (Session === undefined) return undefined
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.start')
  try {
    within(observed, again)
  } catch {
    // It is ended again.
  }
  let samples: readonly Sample[] = []
  session.post('Profiler.stop', (_, { profile }) => {
    samples = profile.nodes
  })
  session.disconnect()
  return locateSample(samples)
}

/** Node.js can be built without it. */
function inspector(): typeof import('node:inspector') | undefined {
  try {
    return createRequire(import.meta.url)('node:inspector') as typeof import('node:inspector')
  } catch {
    return undefined
  }
}

function maskOutput(mask: Mask): () => void {
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write }))
  for (const { stream, write } of streams)
    stream.write = ((chunk: unknown, ...rest: never[]) =>
      write.call(stream, (typeof chunk === 'string' ? mask(chunk) : chunk) as string, ...rest)) as typeof write
  return () => {
    for (const { stream, write } of streams) stream.write = write
  }
}
