/** Where the records of a stack lie. */
import type { Stack } from '../../fleet/stack/stack.ts'

/** Beside the stack file; each environment has its own. */
export function stateDirectoryOf({ directory, name, environment }: Stack): string {
  return `${directory}/.converge/${name.replaceAll('/', '-')}${environment === null ? '' : `-${environment}`}`
}
