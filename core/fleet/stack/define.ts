/** Provides `defineStack`, the function with which a stack.ts defines a stack. */
import type { StackFile } from './schema.ts'

/**
 * Gives a stack.ts completion and checks in an editor; returns the value unchanged.
 * @example export default defineStack({ name: 'shop', layers: { app: { roles: ['zeo-client'] } }, hosts: { … } })
 */
export function defineStack(stack: StackFile): StackFile {
  return stack
}
