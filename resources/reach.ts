/** Computes what commands and service managers reach, for runs of root below a prefix. */
import type { Provider } from './services/managers/types.ts'

/** A command of root reaches the whole system. One of another account has the rights of an ordinary user with a prefix. */
export function reachOfAccount({ user }: { readonly user?: string | undefined }): 'system' | readonly string[] {
  return user === undefined || user === 'root' ? 'system' : []
}

/** systemd and init scripts manage services of the whole system, and supervisord those of its socket. */
export function reachOfProvider(provider: Provider): 'system' | readonly string[] {
  return provider.kind === 'supervisor' ? [provider.socket] : 'system'
}
