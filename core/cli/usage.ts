/** Builds the error for wrong usage of a command. */
import { ConvergeError } from '../model/errors.ts'

export function usage(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'USAGE', hint, usage: true })
}
