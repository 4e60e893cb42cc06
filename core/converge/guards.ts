/** Evaluates `onlyIf` and `notIf` of a resource. */
import { callerOf, userFault } from '../compile/source.ts'
import type { HostReader } from '../host/types.ts'
import { readOnly } from '../model/read_only.ts'
import type { Check, CommonOptions } from '../model/resource.ts'

/** Returns the reason why the guards of a resource skip it; null if they do not. */
export async function skippedBy({ onlyIf, notIf }: CommonOptions, host: HostReader): Promise<string | null> {
  return (await skippedByGuard(onlyIf, true, host)) ?? (await skippedByGuard(notIf, false, host))
}

/**
 * Returns the reason why one guard skips a resource; null if it does not.
 * @param required the result of the guard with which the resource is not skipped
 */
async function skippedByGuard(
  guard: boolean | Check | undefined,
  required: boolean,
  host: HostReader,
): Promise<string | null> {
  if (guard === undefined) return null
  const word = required ? 'only if' : 'not if'
  if (typeof guard === 'boolean') return guard === required ? null : `${word} is ${guard} for this node`
  const subject = `the check "${guard.description}"`
  try {
    return (await guard.check(readOnly(host, subject, callerOf))) === required ? null : `${word} ${guard.description}`
  } catch (thrown) {
    throw userFault(thrown, subject)
  }
}
