/** Finds the processes that listen on TCP ports of this host, from /proc. */
import type { HostReader } from '../../core/host/types.ts'

export interface Listener {
  readonly port: number
  /** Whether it listens on every address of the host. */
  readonly anywhere: boolean
  /** Null if this account cannot see the owner of the socket. */
  readonly pid: number | null
  /** Name of the process; empty if this account cannot see it. */
  readonly name: string
  readonly account: string
  /** Working directory of the process; empty if this account cannot see it. */
  readonly directory: string
  readonly command: string
}

const listening = '0A'

export function listenersAt(host: HostReader, port: number): Listener[] {
  return listenersBetween(host, port, port)
}

/** Returns the listeners of a range of ports, including both ends. */
export function listenersBetween(host: HostReader, first: number, last: number): Listener[] {
  const files = ['/proc/net/tcp', '/proc/net/tcp6']
  const all = files.flatMap((file) => socketsIn(host.readText(file) ?? ''))
  const sockets = all.filter(({ port }) => port >= first && port <= last)
  if (sockets.length === 0) return []
  const owners = ownersOf(host, new Set(sockets.map(({ inode }) => inode)))
  return sockets.map(({ port, inode, uid, anywhere }) => {
    const account = host.accountById(uid)?.name ?? String(uid)
    const pid = owners.get(inode)
    if (pid === undefined) return { port, anywhere, pid: null, name: '', account, directory: '', command: '' }
    return {
      port,
      anywhere,
      pid,
      name: host.readText(`/proc/${pid}/comm`)?.trim() ?? '',
      account,
      directory: host.readLink(`/proc/${pid}/cwd`) ?? '',
      command: (host.readText(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim(),
    }
  })
}

interface Socket {
  readonly port: number
  readonly inode: string
  readonly uid: number
  readonly anywhere: boolean
}

/** Parses /proc/net/tcp: number, local and remote address, state, queues, timer, retransmits, uid, timeout, inode. */
function socketsIn(text: string): Socket[] {
  return text.split('\n').flatMap((line) => {
    const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local?.split(':') ?? []
    if (state !== listening || inode === undefined) return []
    return [{ port: Number.parseInt(port, 16), inode, uid: Number(uid), anywhere: /^0+$/.test(address) }]
  })
}

/** Finds the lowest process id of each socket: that of the process that opened it, not of a worker. */
function ownersOf(host: HostReader, inodes: ReadonlySet<string>): Map<string, number> {
  const owners = new Map<string, number>()
  const pids = host.list('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  for (const pid of pids.sort((a, b) => a - b))
    for (const descriptor of descriptorsOf(host, pid)) {
      const inode = /^socket:\[(\d+)\]$/.exec(descriptor)?.[1]
      if (inode !== undefined && inodes.has(inode) && !owners.has(inode)) owners.set(inode, pid)
    }
  return owners
}

/** Lists the file descriptors of a process; empty if it has ended, or belongs to another account. */
function descriptorsOf(host: HostReader, pid: number): string[] {
  try {
    return host.list(`/proc/${pid}/fd`).map((name) => linkOf(host, `/proc/${pid}/fd/${name}`))
  } catch {
    return []
  }
}

function linkOf(host: HostReader, path: string): string {
  try {
    return host.readLink(path) ?? ''
  } catch {
    return ''
  }
}
