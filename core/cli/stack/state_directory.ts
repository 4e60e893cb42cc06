/** Where the records of a stack lie, and how to ask for them. */
import type { Stack } from '../../fleet/stack/stack.ts'
import { ConvergeError } from '../../model/errors.ts'
import { shellWords } from '../../text/shell.ts'
import type { Arguments } from '../options.ts'

/** Beside the stack file; each environment has its own. */
export function stateDirectoryOf({ directory, name, environment }: Stack): string {
  return `${directory}/.converge/${name.replaceAll('/', '-')}${environment === null ? '' : `-${environment}`}`
}

/** The options by which another command means the same stack, each with a blank before it; nothing where it needs none. */
export function sameStack({ stack, environment }: Pick<Arguments, 'stack' | 'environment'>): string {
  const words = [
    ...(stack === undefined ? [] : ['--stack', stack]),
    ...(environment === undefined ? [] : ['--environment', environment]),
  ]
  return words.length === 0 ? '' : ` ${shellWords(words)}`
}

/** @throws NO_STACK_STATE where the records are there, and another account's */
export function reading<T>(directory: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (!['EACCES', 'EPERM'].includes((thrown as NodeJS.ErrnoException).code ?? '')) throw thrown
    throw new ConvergeError(`this account may not read the records of the stack in ${directory}`, {
      code: 'NO_STACK_STATE',
      hint: 'run the command as the account that owns these records, which is the only one that may read them',
      usage: true,
      cause: thrown,
    })
  }
}
