/** Sends one request of a visitor, by HTTP or HTTPS. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { TLSSocket } from 'node:tls'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** Fingerprint of the server's certificate. */
  readonly certificate: string | undefined
}

export interface AskOptions {
  readonly port?: number
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  /** Local address of the visitor. */
  readonly from?: string
  readonly tls?: { readonly maxVersion?: 'TLSv1.1' | undefined; readonly servername?: string }
  readonly agent?: Agent
}

export function ask(port: number, path: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, from, tls, agent } = options
  return new Promise((resolve, reject) => {
    const common = {
      host: '127.0.0.1',
      port,
      path,
      method,
      headers,
      timeout: 20_000,
      ...(from ? { localAddress: from } : {}),
    }
    const receive = (message: IncomingMessage) => {
      // Read while the connection is still open.
      const fingerprint =
        message.socket instanceof TLSSocket ? message.socket.getPeerCertificate().fingerprint256 : undefined
      const chunks: Buffer[] = []
      message.on('data', (chunk: Buffer) => chunks.push(chunk))
      message.on('error', reject)
      message.on('end', () =>
        resolve({
          status: message.statusCode ?? 0,
          headers: message.headers,
          body: Buffer.concat(chunks).toString(),
          certificate: fingerprint,
        }),
      )
    }
    const sent = tls
      ? tlsRequest({ ...common, agent: false, rejectUnauthorized: false, ...tls, minVersion: 'TLSv1' }, receive)
      : request({ ...common, ...(agent ? { agent } : {}) }, receive)
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    // The server may close a kept connection at the moment of its next use: browsers retry as well.
    sent.on('error', (error: NodeJS.ErrnoException) =>
      sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')
        ? resolve(ask(port, path, { ...options, agent: new Agent() }))
        : reject(error),
    )
    sent.end(body)
  })
}
