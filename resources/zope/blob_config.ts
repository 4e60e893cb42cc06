/** Reads the blob directories of a client and its ZEO server from zope.conf and zeo.conf. */

interface Section {
  readonly type: string
  readonly name: string
  readonly options: Map<string, string[]>
}

/** The blob directory of one storage of a client. */
export interface ClientBlobs {
  readonly directory: string
  /** Whether the client writes into the server's directory, instead of a cache of its own. */
  readonly shared: boolean
  /** Addresses of its servers: a path, a port, or host:port. */
  readonly servers: readonly string[]
  readonly storage: string
}

/** The blob directories of a ZEO server by storage, and the address it listens on. */
export interface ServerBlobs {
  readonly address: string
  readonly directories: ReadonlyMap<string, string>
}

export function clientBlobs(zopeConf: string): ClientBlobs[] {
  return parseSections(zopeConf)
    .filter(({ type }) => type === 'zeoclient' || type === 'clientstorage')
    .flatMap(({ options }) => {
      const directory = options.get('blob-dir')?.[0]
      if (directory === undefined) return []
      const shared = /^(on|yes|true)$/i.test(options.get('shared-blob-dir')?.[0] ?? '')
      const storage = options.get('storage')?.[0] ?? '1'
      return [{ directory, shared, servers: options.get('server') ?? [], storage }]
    })
}

export function serverBlobs(zeoConf: string): ServerBlobs | null {
  const sections = parseSections(zeoConf)
  const address = sections.find(({ type }) => type === 'zeo')?.options.get('address')?.[0]
  if (address === undefined) return null
  const stored = sections.flatMap(({ name, options }): [string, string][] => {
    const directory = options.get('blob-dir')?.[0]
    return directory === undefined ? [] : [[name || '1', directory]]
  })
  return { address, directories: new Map(stored) }
}

/** In characters. No path is longer (PATH_MAX of Linux), so a longer definition is not expanded. */
const longest = 4096

/** Returns the sections of a ZConfig file, with its definitions expanded; keys and types are in lower case. */
function parseSections(text: string): Section[] {
  const defined = new Map<string, string>()
  const sections: Section[] = []
  const open: Section[] = []
  const filled = (value: string) =>
    value.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced, bare) =>
      whole === '$$' ? '$' : (defined.get((braced ?? bare).toLowerCase()) ?? whole),
    )
  const define = (name: string, value: string) => {
    if (value.length <= longest) defined.set(name.toLowerCase(), value)
  }
  for (const line of text.split('\n').map((one) => one.trim())) {
    const [, type, name = '', empty] = /^<([\w.-]+)(?:\s+([^>]*?))?\s*(\/)?>$/.exec(line) ?? []
    const [, key = '', value = ''] = /^([^\s#<%]\S*)(?:\s+(.*))?$/.exec(line) ?? []
    const [, definition = '', to = ''] = /^%define\s+(\w+)(?:\s+(.*))?$/.exec(line) ?? []
    if (definition !== '') define(definition, filled(to))
    else if (line.startsWith('</')) open.pop()
    else if (type !== undefined) {
      const section = { type: type.toLowerCase(), name: name.trim(), options: new Map<string, string[]>() }
      sections.push(section)
      if (empty === undefined) open.push(section)
    } else if (key !== '') {
      const options = open.at(-1)?.options
      options?.set(key.toLowerCase(), [...(options.get(key.toLowerCase()) ?? []), filled(value)])
    }
  }
  return sections
}
