/** What is due stays due: how it is recorded that a service was brought up to date, and for what. */
import { digestOf } from '../../core/model/json.ts'
import type { Context } from '../../core/model/resource.ts'
import type { Provider } from './types.ts'

/** A service as records name it: one of the same name elsewhere is another one. */
export function placeOf(provider: Provider, name: string): string {
  return `${name} (${provider.kind === 'supervisor' ? `${provider.kind} ${provider.socket}` : provider.kind})`
}

/**
 * Each that asks keeps its own count, else two that name one service would undo each other's for ever; by what it waits
 * for, and not by its services, so that one more of them restarts no other.
 */
export function recordOf(verb: string, provider: Provider, name: string, { causes }: Context): string {
  return `${verb} ${placeOf(provider, name)} for ${digestOf([...causes].sort()).slice(0, 16)}`
}
