/** Refuses to remove a database that has data. */
import { ConvergeError } from '../../core/model/errors.ts'

interface Removal {
  /** Program that writes a copy of the data. */
  readonly dump: string
  readonly type: string
  readonly name: string
}

/** @param message the data that it has */
export function notEmpty(message: string, { dump, type, name }: Removal): ConvergeError {
  return new ConvergeError(message, {
    code: 'NOT_EMPTY',
    hint: `keep a copy with ${dump} if it is needed, then declare: ${type}(r, { name: '${name}', absent: true, withData: true })`,
  })
}
