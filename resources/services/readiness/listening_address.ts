/** Finds the address that a server listens on, in the configuration that its build wrote. */
import type { Endpoint, HostReader } from '../../../core/host/types.ts'
import { isRefusal } from '../../../core/model/file_errors.ts'

interface Fallback {
  readonly host: string
  readonly port: number
}

interface ZeoServer {
  /** Its address as configured, such as 0.0.0.0. */
  readonly endpoint: Endpoint
  /** Whether the server expects TLS, where the client sends first. */
  readonly tls: boolean
}

/**
 * Returns the server that a zeo.conf describes; uses the fallback address if the file is missing or has no address.
 * @param from.program script of plone.recipe.zeoserver, which names the zeo.conf
 */
export function zeoAddress(
  host: HostReader,
  from: Fallback & { readonly program?: string | undefined; readonly config?: string | undefined },
): ZeoServer {
  const fallback = { host: from.host, port: from.port }
  const named =
    from.program === undefined ? undefined : /["'](\/[^"']*\.conf)["']/.exec(readOrEmpty(host, from.program))?.[1]
  const text =
    [named, from.config].map((path) => (path === undefined ? '' : readOrEmpty(host, path))).find(Boolean) ?? ''
  const section = /^\s*<zeo>\s*$(.*?)^\s*<\/zeo>/ms.exec(text)?.[1] ?? ''
  const stated = /^\s*address\s+(\S.*?)\s*$/m.exec(section)?.[1]
  return {
    endpoint: stated === undefined ? fallback : parseEndpoint(expandDefinitions(stated, text), fallback),
    tls: /^\s*<ssl>/m.test(section),
  }
}

/** Returns the host and port in a jetty.xml of collective.recipe.solrinstance; the fallback if the file has none. */
export function jettyAddress(host: HostReader, config: string | undefined, fallback: Fallback): Fallback {
  const file = config === undefined ? '' : readOrEmpty(host, config)
  // The template of the recipe begins with a connector that is commented out.
  const text = withoutComments(file)
  const found = (name: string) =>
    new RegExp(`name="${name}"[^>]*?\\sdefault="([^"]*)"|<Set name="${name.slice(6)}">\\s*([\\w.:-]+)\\s*</Set>`).exec(
      text,
    )
  const [port, address] = [found('jetty.port'), found('jetty.host')].map((match) => match?.[1] ?? match?.[2] ?? '')
  return {
    host: listenAddress(address || fallback.host),
    port: /^\d+$/.test(port ?? '') ? Number(port) : fallback.port,
  }
}

function withoutComments(xml: string): string {
  let [kept, at] = ['', 0]
  for (;;) {
    const start = xml.indexOf('<!--', at)
    const end = start === -1 ? -1 : xml.indexOf('-->', start + 4)
    if (end === -1) return kept + xml.slice(at)
    kept += xml.slice(at, start)
    at = end + 3
  }
}

/** In bytes; such files have some kB, and the expressions here would search a huge file for minutes. */
const longestFile = 128 * 1024

function readOrEmpty(host: HostReader, path: string): string {
  if (host.stat(path)?.kind !== 'file') return ''
  try {
    const lines = (host.readText(path, { limit: longestFile }) ?? '').split('\n').map((line) => line.trim())
    return lines
      .filter(Boolean)
      .join('\n')
      .replace(/\s{100,}/g, ' ')
  } catch (error) {
    if (isRefusal(error)) return ''
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

/** Replaces ZConfig's definitions: `%define NAME value`, and `$NAME` or `${NAME}` for it. */
function expandDefinitions(value: string, text: string): string {
  const defined = new Map([...text.matchAll(/^\s*%define\s+(\w+)\s+(.*?)\s*$/gm)].map(([, name, to]) => [name, to]))
  return value.replace(/\$\{?(\w+)\}?/g, (whole, name) => defined.get(name) ?? whole)
}

/** Parses a socket address as ZConfig does: a path, a port, or host:port. */
function parseEndpoint(address: string, fallback: Fallback): Endpoint {
  if (address.includes('/')) return { socketPath: address }
  const [, name = '', number = ''] = /^(?:(.*):)?(\d+)$/.exec(address) ?? []
  return number === '' ? fallback : { host: listenAddress(name), port: Number(number) }
}

/** Returns an address without the brackets of IPv6; an empty one means all addresses. */
function listenAddress(address: string): string {
  const bare = address.replace(/^\[(.*)\]$/, '$1')
  return bare === '' || bare === '*' ? '0.0.0.0' : bare
}

/** Returns the endpoint to connect to, for one to listen on. */
export function toConnect<T extends Endpoint>(endpoint: T): T {
  if (endpoint.host === '0.0.0.0') return { ...endpoint, host: '127.0.0.1' }
  return endpoint.host === '::' ? { ...endpoint, host: '::1' } : endpoint
}
