/** Parses the value of `jump` and of ProxyJump: the hosts that a connection goes through. */

export interface Jump {
  /** The last hop, as written. */
  readonly last: string
  readonly user: string | undefined
  readonly address: string
  readonly port: number | undefined
  /** The hops before the last one, separated by commas; undefined: none. */
  readonly before: string | undefined
}

export const jumpHint = 'write [user@]host[:port], several with commas between them, the nearest one first; or none'

/** @returns the last hop and those before it; null if the last hop is malformed */
export function parseJump(chain: string): Jump | null {
  const hops = chain.split(',').map((hop) => hop.trim())
  const last = hops.pop() ?? ''
  const [, user, bracketed, bare, port] =
    /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:@[\]\s'"`$\\;&<>|(){}]+))(?::(\d+))?$/.exec(last) ?? []
  const address = bracketed ?? bare
  if (address === undefined || Number(port ?? 22) > 65_535 || Number(port ?? 22) < 1) return null
  return {
    last,
    user,
    address,
    port: port === undefined ? undefined : Number(port),
    before: hops.length > 0 ? hops.join(',') : undefined,
  }
}

/** Returns the first hop that is malformed or appears twice in the chain; null for a valid chain. */
export function invalidHop(chain: string): string | null {
  if (chain.toLowerCase() === 'none') return null
  const visited = new Set<string>()
  for (const hop of chain.split(',').map((one) => one.trim())) {
    if (parseJump(hop) === null || hop.toLowerCase() === 'none' || visited.has(hop)) return hop
    visited.add(hop)
  }
  return null
}
