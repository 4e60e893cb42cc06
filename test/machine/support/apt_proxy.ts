/** Runs the HTTP proxy through which apt on test hosts reaches package mirrors. */
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { listenUntilEnd } from '../../support/listening_server.ts'
import type { Owner } from '../../support/machine.ts'

/**
 * Starts an HTTP proxy at an address, through which apt on the hosts reaches the local mirrors: the hosts have no other
 * network.
 * @returns the text of the file for apt.conf.d
 */
export async function aptProxy(t: Owner, address: string): Promise<string> {
  const server = createServer((incoming, answer) => {
    const { host, hostname, port, pathname, search } = new URL(incoming.url ?? '')
    const options = {
      hostname,
      port,
      path: `${pathname}${search}`,
      method: incoming.method,
      headers: { ...incoming.headers, host },
    }
    const forwarded = request(options, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    forwarded.on('error', () => answer.writeHead(502).end())
    incoming.pipe(forwarded)
  })
  server.on('connect', ({ url = '' }, client, head) => {
    const [name, port] = url.split(':')
    const tunnel = connect(Number(port), name, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      tunnel.write(head)
      tunnel.pipe(client).pipe(tunnel)
    })
    tunnel.on('error', () => client.destroy())
    client.on('error', () => tunnel.destroy())
  })
  const port = await listenUntilEnd(t, server, address)
  return `Acquire::http::Proxy "http://${address}:${port}";\nAcquire::https::Proxy "http://${address}:${port}";\n`
}
