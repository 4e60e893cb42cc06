/** Evaluates `onlyIf` and `notIf` of a resource. */
import { callerOf, userFault } from '../compile/source.ts'
import type { HostReader } from '../host/types.ts'
import { ConvergeError } from '../model/errors.ts'
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
    const answer: unknown = await guard.check(readOnly(host, subject, callerOf))
    if (typeof answer !== 'boolean') throw noAnswer(subject, answer)
    return answer === required ? null : `${word} ${guard.description}`
  } catch (thrown) {
    throw userFault(thrown, subject)
  }
}

/** Builds the error for a check that answers neither yes nor no: either could be wrong. */
function noAnswer(subject: string, answer: unknown): ConvergeError {
  const found = typeof answer === 'object' || answer === undefined ? String(answer) : `a ${typeof answer}`
  return new ConvergeError(`${subject} returned ${found}, not true or false`, {
    code: 'INVALID_CHECK',
    hint: "return true or false: check: (host) => host.which('java') !== null",
    usage: true,
  })
}
