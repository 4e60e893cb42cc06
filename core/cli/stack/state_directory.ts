/** Locates and reads the records of a stack, and repeats the options that select the stack. */
import type { Stack } from '../../fleet/stack/stack.ts'
import { ConvergeError } from '../../model/errors.ts'
import { shellWords } from '../../text/shell.ts'
import type { Arguments } from '../command_specs/list.ts'

/** Returns the directory beside the stack file; each environment has its own. */
export function stateDirectoryOf({ directory, name, environment }: Stack): string {
  return `${directory}/.converge/${name.replaceAll('/', '-')}${environment === null ? '' : `-${environment}`}`
}

/** Returns the directory with the keys of the bus, and with the hosts that are enrolled. */
export function busDirectoryOf(stack: Stack): string {
  return `${stateDirectoryOf(stack)}/bus`
}

/** Returns the options that select the same stack, each with a leading blank; empty if none is needed. */
export function stackSelectionOptions({ stack, environment }: Pick<Arguments, 'stack' | 'environment'>): string {
  const words = [
    ...(stack === undefined ? [] : ['--stack', stack]),
    ...(environment === undefined ? [] : ['--environment', environment]),
  ]
  return words.length === 0 ? '' : ` ${shellWords(words)}`
}

/**
 * Calls a function that reads the records, and returns its result.
 * @throws NO_STACK_STATE if the records belong to another account
 */
export function readRecords<T>(directory: string, read: () => T): T {
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
