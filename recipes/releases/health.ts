/** The headers of requests that ask an app whether it is ready. */

export interface HealthRequest {
  readonly host: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** A name that stands for many, such as `*.example.com`, cannot be asked for. */
const oneName = /^[\w-][\w.-]*$/

/** The first name of an app that a request can ask for. */
export function firstName(domains: readonly string[]): string | undefined {
  return domains.find((name) => oneName.test(name))
}

/** The headers stated, with the Host that an app answers: that stated, else its first name. */
export function hostHeader({ host, headers }: HealthRequest, domains: readonly string[]): Record<string, string> {
  const name = host ?? firstName(domains)
  if (name === undefined || Object.keys(headers).some((one) => one.toLowerCase() === 'host')) return { ...headers }
  return { Host: name, ...headers }
}
