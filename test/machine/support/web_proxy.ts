/** Proxies requests from hosts, which reach only the bridge, to the servers that the tester's computer reaches. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer as createRelay, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Owner } from '../../support/machine.ts'

/** Variables by which the tester's own commands reach the Python package index. */
const networkVariables = /^(PIP_.+|no_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i

/**
 * @returns variables by which commands on hosts reach the same servers as this computer, through a proxy at this
 *   address
 */
export async function webProxy(t: Owner, address: string): Promise<Readonly<Record<string, string>>> {
  const upstream = process.env.https_proxy || process.env.HTTPS_PROXY || process.env.http_proxy
  const sockets = new Set<Duplex>()
  const server = upstream ? relayTo(new URL(upstream)) : proxy(sockets)
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => socket.destroy())))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const at = server.address()
  const upstreamUrl = upstream ? new URL(upstream) : null
  const account = upstreamUrl?.username ? `${upstreamUrl.username}:${upstreamUrl.password}@` : ''
  const url = `http://${account}${address}:${typeof at === 'object' ? at?.port : ''}`
  const passed = Object.entries(process.env).filter(([name]) => networkVariables.test(name))
  return { ...(Object.fromEntries(passed) as Record<string, string>), https_proxy: url, http_proxy: url }
}

/** Relays connections to the tester's own proxy. */
function relayTo({ hostname, port, protocol }: URL): Server {
  return createRelay((socket) =>
    connectSockets(socket, connect(Number(port) || (protocol === 'https:' ? 443 : 80), hostname)),
  )
}

function proxy(sockets: Set<Duplex>): Server {
  const server = createServer(forward)
  server.on('connect', ({ url = '' }: IncomingMessage, socket: Duplex, head: Buffer) => {
    const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(url) ?? []
    const tunnel = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      tunnel.write(head)
    })
    sockets.add(tunnel)
    connectSockets(socket, tunnel)
  })
  return server
}

/** Connects two sockets, and passes the end of one on to the other. */
function connectSockets(one: Duplex, other: Duplex): void {
  for (const [end, its] of [
    [one, other],
    [other, one],
  ] as const) {
    end.pipe(its)
    end.on('error', () => its.destroy())
    // Data received before the end is still on its way to the other socket.
    end.on('close', () => void (end.readableEnded || its.destroy()))
  }
}

/** Forwards a plain HTTP request. */
function forward(incoming: IncomingMessage, answer: ServerResponse): void {
  const { url = '', method, headers } = incoming
  if (!URL.canParse(url)) return void answer.writeHead(400).end()
  const sent = request(url, { method, headers }, (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers)
    got.pipe(answer)
  })
  sent.on('error', ({ message }) => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end(`${message}\n`)))
  incoming.pipe(sent)
}
