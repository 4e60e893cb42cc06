/**
 * Builds the error for a restart of several services: the first failure, and its consequences for the other services.
 */
import { asConvergeError, ConvergeError } from '../../../core/model/errors.ts'

interface Named {
  readonly name: string
}

interface Ended<S> {
  readonly done: ReadonlySet<string>
  readonly failures: ReadonlyMap<string, unknown>
  /** Decides whether a service was up before. */
  readonly wasUp: (service: S) => boolean
  /** Returns the balancers at which a service is still drained. */
  readonly drained: (service: S) => readonly string[]
}

export function restartError<S extends Named>(
  due: readonly S[],
  { done, failures, wasUp, drained }: Ended<S>,
): unknown {
  const [[first, error] = ['', undefined], ...others] = [...failures]
  if (!(error instanceof ConvergeError)) return error
  const names = (some: readonly S[]) => some.map(({ name }) => name)
  const rest = due.filter(({ name }) => !done.has(name) && !failures.has(name))
  const parts = [
    ['restarted before it', names(due).filter((name) => done.has(name))],
    ['left on the old process', names(rest.filter(wasUp))],
    ['not started', names(rest.filter((service) => !wasUp(service)))],
  ] as const
  const failed = others.map(([name, other]) => `; ${name} as well: ${asConvergeError(other).message}`)
  const outcome = parts.filter(([, some]) => some.length > 0).map(([word, some]) => `; ${word}: ${some.join(', ')}`)
  const { code, hint, output, message } = error
  const out = due.flatMap((service) => (service.name === first ? drained(service) : []))
  const till = out.length > 0 ? `, which stays drained at ${out.join(' and ')} until then` : ''
  const again = `correct the cause, then run again: it continues with ${first}${till}`
  return new ConvergeError(`${message}${failed.join('')}${outcome.join('')}`, {
    code,
    output,
    hint: hint === undefined ? again : `${hint}; ${again}`,
    cause: error,
  })
}
