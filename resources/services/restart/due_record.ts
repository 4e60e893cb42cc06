/** Names the records of reloads and restarts: a reload or restart that is due stays due until it is recorded. */
import { digestOf } from '../../../core/model/json.ts'
import type { Context } from '../../../core/model/resource.ts'
import type { Provider } from '../managers/types.ts'

/** Returns the name of a service in records, with its manager: another manager may have a service of the same name. */
export function placeOf(provider: Provider, name: string): string {
  return `${name} (${provider.kind === 'supervisor' ? `${provider.kind} ${provider.socket}` : provider.kind})`
}

/**
 * Returns the name of a record. Each resource keeps its own record, else two resources for one service would undo each
 * other's record in every run. The name depends on the resource's causes and not on its services, so that one more
 * service restarts no other.
 */
export function recordOf(verb: string, provider: Provider, name: string, { causes }: Context): string {
  return `${verb} ${placeOf(provider, name)} for ${digestOf([...causes].sort()).slice(0, 16)}`
}
