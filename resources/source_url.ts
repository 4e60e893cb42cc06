/** Where a file comes from: this host or a server, and with which login. */
import { fileURLToPath } from 'node:url'

interface Address {
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
}

export interface Source {
  /** On this host, or null for what has to be fetched. */
  readonly path: string | null
  readonly url: string
  readonly user: string | undefined
  readonly password: string | undefined
}

/** The login of an address is taken out of it: it is not told, and goes where a login belongs. */
export function sourceOf({ url, user, password }: Address): Source {
  if (url.startsWith('/')) return { path: url, url, user, password }
  const parsed = new URL(url)
  if (parsed.protocol === 'file:') return { path: fileURLToPath(parsed), url, user, password }
  const inUrl = { user: decoded(parsed.username), password: decoded(parsed.password) }
  parsed.username = ''
  parsed.password = ''
  return { path: null, url: parsed.href, user: user ?? (inUrl.user || undefined), password: password ?? inUrl.password }
}

/** A password such as `50%` may stand in a URL as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    return text
  }
}
