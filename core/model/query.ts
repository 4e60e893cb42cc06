/** Defines queries: read-only values of the host that decide what a recipe declares. */
import type { HostReader } from '../host/types.ts'

/** A value that the run reads once it has the lock, before the first resource. */
export interface Query<V> {
  /** Names the value in a few words: `the releases in /srv/www/site/releases`. */
  readonly name: string
  /** Reads the value; no side effects. */
  readonly read: (host: HostReader) => V
  /** The value where no host is read, as in `render` and `stack check`. Absent: what depends on it is not declared there. */
  readonly unread?: V
}

/** A query with a value for commands that read no host. */
export type DefaultedQuery<V> = Query<V> & { readonly unread: V }

/**
 * Defines a query, which reads one value of the host before the first resource of a run. Pass it to `queried` or `r.given`.
 * @example const motd = defineQuery({ name: 'the text of /etc/motd', read: (host) => host.readText('/etc/motd'), unread: null })
 */
export function defineQuery<V>(query: Query<V> & { readonly unread: V }): DefaultedQuery<V>
export function defineQuery<V>(query: Query<V>): Query<V>
export function defineQuery<V>(query: Query<V>): Query<V> {
  return Object.freeze(query)
}

/** Returns the query without its default: what depends on it is declared only where the host is read. */
export function onlyOnHost<V>({ name, read }: Query<V>): Query<V> {
  return defineQuery({ name, read })
}

/** For declarations that depend on no value, but make sense only in a run on a host. */
export const anyHost: Query<true> = defineQuery({ name: 'this host', read: () => true as const })
