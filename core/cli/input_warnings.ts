/** Attaches the warnings about the input to an error that ends the command before they are printed. */

const unprinted = new WeakMap<object, readonly string[]>()

export function attachWarnings(error: unknown, warnings: readonly string[]): void {
  if (typeof error === 'object' && error !== null) unprinted.set(error, [...warningsOf(error), ...warnings])
}

/** Returns each attached warning once. */
export function warningsOf(error: unknown): readonly string[] {
  return typeof error === 'object' && error !== null ? [...new Set(unprinted.get(error))] : []
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
