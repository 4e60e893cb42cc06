/** Gathers the facts about this host from the kernel and a few files, without starting a process. */
import { existsSync, readFileSync } from 'node:fs'
import * as os from 'node:os'

export interface Address {
  readonly interface: string
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  readonly internal: boolean
}

/** Properties of this host that converge finds out. */
export interface Facts {
  /** CPUs this process may run on. */
  readonly cpu: { readonly total: number }
  /** Bytes of memory. */
  readonly memory: { readonly total: number }
  /** From os-release(5); codename is null where the distribution has none. */
  readonly platform: { readonly name: string; readonly version: string; readonly codename: string | null }
  /** Up to the first dot. */
  readonly hostname: string
  /** From the host name or /etc/hosts; null where neither knows a domain. */
  readonly fqdn: string | null
  readonly addresses: readonly Address[]
  /** Release of the kernel. */
  readonly kernel: string
  readonly init: 'systemd' | 'other'
  readonly uid: number
  readonly gid: number
  /** Null where the number has no name. */
  readonly user: string | null
  readonly group: string | null
  /** Version of Node.js, without the leading v. */
  readonly node: string
}

/** Neutral values for commands that must not depend on this host. */
export const neutralFacts: Facts = Object.freeze({
  cpu: Object.freeze({ total: 1 }),
  memory: Object.freeze({ total: 0 }),
  platform: Object.freeze({ name: 'debian', version: '', codename: 'stable' }),
  hostname: 'localhost',
  fqdn: null,
  addresses: Object.freeze([]),
  kernel: '',
  init: 'systemd',
  uid: 0,
  gid: 0,
  user: 'root',
  group: 'root',
  node: '',
})

/** The sources of the facts; tests replace them. */
export interface FactSources {
  /** Text of a file, null where it cannot be read. */
  readonly read: (path: string) => string | null
  readonly exists: (path: string) => boolean
  readonly hostname: () => string
}

const thisHost: FactSources = {
  read: (path) => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      // Each of these files may be missing or closed to us; the fact it would give is then unknown.
      return null
    }
  },
  exists: existsSync,
  hostname: os.hostname,
}

/** Gathers the facts; takes less than a millisecond. */
export function gatherFacts(sources: FactSources = thisHost): Facts {
  const [uid, gid] = [process.getuid?.() ?? -1, process.getgid?.() ?? -1]
  const hostname = sources.hostname()
  return Object.freeze({
    cpu: Object.freeze({ total: os.availableParallelism() }),
    memory: Object.freeze({ total: os.totalmem() }),
    platform: Object.freeze(platformOf(sources.read('/etc/os-release') ?? sources.read('/usr/lib/os-release') ?? '')),
    hostname: hostname.split('.', 1)[0] ?? hostname,
    fqdn: fullName(hostname, sources.read('/etc/hosts') ?? ''),
    addresses: Object.freeze(addresses()),
    kernel: os.release(),
    init: sources.exists('/run/systemd/system') ? 'systemd' : 'other',
    uid,
    gid,
    user: nameOf(uid, sources.read('/etc/passwd')),
    group: nameOf(gid, sources.read('/etc/group')),
    node: process.versions.node,
  })
}

function platformOf(release: string): Facts['platform'] {
  const values = new Map<string, string>()
  for (const row of release.split('\n')) {
    const found = /^([A-Z_]+)=(["']?)(.*)\2\s*$/.exec(row)
    if (found?.[1] !== undefined && found[3] !== undefined) values.set(found[1], found[3])
  }
  return {
    name: values.get('ID') ?? os.platform(),
    version: values.get('VERSION_ID') ?? '',
    codename: values.get('VERSION_CODENAME') ?? null,
  }
}

/** Returns the host name with its domain: itself if it has one, else the first such name on its line of /etc/hosts. */
function fullName(hostname: string, hosts: string): string | null {
  if (hostname.includes('.')) return hostname
  for (const row of hosts.split('\n')) {
    const names = row.replace(/#.*/, '').trim().split(/\s+/).slice(1)
    const withDomain = names.includes(hostname) ? names.find((name) => name.startsWith(`${hostname}.`)) : undefined
    if (withDomain !== undefined) return withDomain
  }
  return null
}

function addresses(): Address[] {
  return Object.entries(os.networkInterfaces()).flatMap(([name, found]) =>
    (found ?? []).map(({ address, family, internal }) => Object.freeze({ interface: name, address, family, internal })),
  )
}

/** Finds the name of a number in the text of passwd(5) or group(5). */
function nameOf(id: number, table: string | null): string | null {
  for (const row of table?.split('\n') ?? []) {
    const [name, , number] = row.split(':')
    if (name !== undefined && number === String(id)) return name
  }
  return null
}
