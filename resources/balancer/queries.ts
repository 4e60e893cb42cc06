/** Queries whether this host runs a balancer, and clients behind one. */
import { type DefaultedQuery, defineQuery } from '../../core/model/query.ts'

export interface LocalBalancer {
  /** Socket of its runtime API. */
  readonly socket: string
  readonly isThere: boolean
}

interface Sockets {
  readonly ownSocket: string
  /** Socket of earlier versions and the cookbook, in a directory that every account may write to. */
  readonly former: string
  /** Account of the run. */
  readonly uid: number
}

/** The balancer of this host; its socket is the former one until the first configure with this version. */
export function localBalancerOf({ ownSocket, former, uid }: Sockets): DefaultedQuery<LocalBalancer | null> {
  return defineQuery({
    name: `the socket of HAProxy, ${ownSocket}`,
    read(host) {
      const found = host.stat(ownSocket) === null ? host.lstat(former) : null
      const socket = found?.kind === 'other' && [0, uid].includes(found.uid) ? former : ownSocket
      return { socket, isThere: host.stat(socket) !== null }
    },
    unread: null,
  })
}

/** Whether an earlier run has installed clients of an app on this host. */
export function clientProgramsOf(confDir: string, app: string): DefaultedQuery<boolean> {
  const isClient = (file: string) => file.startsWith(`${app}-client`) && /-client\d+\.conf$/.test(file)
  return defineQuery({
    name: `the clients in ${confDir}`,
    read: (host) => host.list(confDir).some(isClient),
    unread: false,
  })
}
