/** The headers of requests that ask an app whether it is ready. */
import { firstName } from '../../core/text/domain.ts'

export interface HealthRequest {
  readonly host: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** The Host header that a request sends; undefined for none. */
export function hostOf(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === 'host')?.[1]
}

/** The headers apart from Host. */
export function withoutHost(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'host'))
}

/** The headers stated, with the Host that an app answers: that stated, else its first name. */
export function hostHeader({ host, headers }: HealthRequest, domains: readonly string[]): Record<string, string> {
  const name = host ?? firstName(domains)
  if (name === undefined || hostOf(headers) !== undefined) return { ...headers }
  return { Host: name, ...headers }
}
