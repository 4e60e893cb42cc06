/** Computes the headers of requests that test whether an app is ready. */
import { firstName } from '../../core/text/domain.ts'

export interface HealthRequest {
  readonly host: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** Returns the value of a Host header; undefined for none. */
export function hostOf(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === 'host')?.[1]
}

/** Returns the headers without Host. */
export function withoutHost(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'host'))
}

/** Returns the given headers with the Host of an app: the given one, else its first name. */
export function hostHeader({ host, headers }: HealthRequest, domains: readonly string[]): Record<string, string> {
  const name = host ?? firstName(domains)
  if (name === undefined || hostOf(headers) !== undefined) return { ...headers }
  return { Host: name, ...headers }
}
