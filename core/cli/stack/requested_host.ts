/** Finds the host that the argument of a command names. */
import { hostNamed } from '../../fleet/stack/documents.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'

/** @throws ConvergeError USAGE if the argument is missing, or does not name a host of the stack */
export function requestedHost(stack: Stack, name: string | undefined): StackHost {
  const names = stack.hosts.map((host) => host.name)
  if (name !== undefined && names.includes(name)) return hostNamed(stack, name)
  throw new ConvergeError(
    name === undefined ? 'missing argument HOST' : `the stack ${stack.name} has no host ${name}`,
    {
      code: 'USAGE',
      hint: (name === undefined ? undefined : nearest(name, names)) ?? `there are: ${names.join(', ') || 'none'}`,
      usage: true,
    },
  )
}
