/** A stack that is written in TypeScript. */
import type { StackFile } from './schema.ts'

/**
 * Gives a stack.ts completion and checks in an editor; the value itself stays as it is.
 * @example export default defineStack({ name: 'shop', layers: { app: { roles: ['zeo-client'] } }, hosts: { … } })
 */
export function defineStack(stack: StackFile): StackFile {
  return stack
}
