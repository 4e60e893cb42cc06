/** Finds the server blocks in a part of nginx's configuration, with the ports and names that they answer. */

export interface ServerBlock {
  /** Ports at which it listens on all addresses. */
  readonly ports: readonly number[]
  /** Of these, the ports at which it is marked as the default server. */
  readonly defaultAt: readonly number[]
  /** Of these, the ports with TLS. */
  readonly tlsAt: readonly number[]
  readonly names: readonly string[]
  /** The text of the block, without comments. */
  readonly text: string
}

/** The first line of every file that converge writes for nginx. */
const ownHeader = '# Written by converge'

export function isOwnFile(text: string): boolean {
  return text.startsWith(ownHeader)
}

export function serverBlocks(text: string): ServerBlock[] {
  const plain = text.replace(/^\s*#.*$|\s#.*$/gm, '')
  return plain
    .split(/(?:^|[\s;{}])server\s*\{/)
    .slice(1)
    .map(serverBlock)
}

function serverBlock(text: string): ServerBlock {
  const listens = [...text.matchAll(/(?:^|[\s;{}])listen\s+([^;]+);/g)].flatMap(([, words = '']) => {
    const [address = '', ...options] = words.trim().split(/\s+/)
    // A `listen` with an address is another socket, with its own default server.
    const port = /^(?:(?:\*|\[::\]):)?(\d+)$/.exec(address)?.[1] ?? (/^(\*|\[::\])$/.test(address) ? '80' : null)
    return port === null ? [] : [{ port: Number(port), options }]
  })
  const portsWith = (option?: string) =>
    listens.flatMap(({ port, options }) => (option === undefined || options.includes(option) ? [port] : []))
  const names = [...text.matchAll(/(?:^|[\s;{}])server_name\s+([^;]+);/g)].flatMap(([, words = '']) =>
    words.trim().split(/\s+/),
  )
  return {
    ports: /(?:^|[\s;{}])listen\s/.test(text) ? portsWith() : [80],
    defaultAt: portsWith('default_server'),
    tlsAt: portsWith('ssl'),
    names,
    text,
  }
}

/** Decides whether the block answers every name that no other server has. */
export function answersAnyName({ names }: ServerBlock): boolean {
  return names.length === 0 || names.some((name) => ['_', '""', "''"].includes(name))
}
