/** Attaches the warnings about the input to an error that ends the command before they are printed. */
import { ConvergeError, describeLocation, InvalidInput } from '../../model/errors.ts'

const unprinted = new WeakMap<object, readonly string[]>()

export function attachWarnings(error: unknown, warnings: readonly string[]): void {
  if (typeof error === 'object' && error !== null) unprinted.set(error, [...warningsOf(error), ...warnings])
}

/** Returns each attached warning once, without those about the position of the error. */
export function warningsOf(error: unknown): readonly string[] {
  if (typeof error !== 'object' || error === null) return []
  const problems = error instanceof InvalidInput ? error.problems : error instanceof ConvergeError ? [error] : []
  const locations = problems.flatMap(({ source }) =>
    source?.line === undefined ? [] : `${describeLocation(source)}: `,
  )
  return [...new Set(unprinted.get(error))].filter((text) => !locations.some((location) => text.startsWith(location)))
}

/** Does the work; if it fails, attaches warnings to the error. */
export async function withWarnings<T>(warnings: () => readonly string[], work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    attachWarnings(error, warnings())
    throw error
  }
}
