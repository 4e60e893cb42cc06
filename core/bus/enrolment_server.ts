/** Enrols hosts: answers a one-use token, over TLS with the certificate of the bus. */
import { createServer, type Server } from 'node:https'
import * as z from 'zod'
import { asConvergeError } from '../model/errors.ts'
import { type BusDirectory, enrolmentPort } from './bus_directory.ts'
import { isPublicKey } from './keys.ts'
import { type EnrolmentAnswer, parseJson } from './protocol.ts'

const request = z.object({
  secret: z.string().max(200),
  key: z.string().max(200),
  recipient: z.string().regex(/^age1[0-9a-z]{50,100}$/),
})
/** The request of a host: the secret of its token, and the public halves of its keys. */
export type EnrolmentRequest = z.output<typeof request>

const longestRequest = 10_000

export interface EnrolmentOptions {
  readonly directory: BusDirectory
  /** Called after a host was stored: its user must be known to the server before the host connects. */
  readonly onEnrolled: (host: string) => Promise<void>
  readonly log: (line: string) => void
}

/** Listens for hosts that enrol. */
export async function serveEnrolment(options: EnrolmentOptions): Promise<Server> {
  const { directory, log } = options
  const server = createServer(
    {
      cert: directory.certificate(),
      key: directory.certificateKey(),
      minVersion: 'TLSv1.2',
      requestTimeout: 10_000,
      headersTimeout: 10_000,
    },
    (incoming, outgoing) => {
      const answer = (status: number, body: object) => {
        outgoing.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
        outgoing.end(JSON.stringify(body))
      }
      if (incoming.method !== 'POST' || incoming.url !== '/enrol') return answer(404, { error: 'not found' })
      let text = ''
      incoming.setEncoding('utf8').on('data', (part: string) => {
        text += part
        if (text.length > longestRequest) incoming.destroy()
      })
      incoming.on('end', () => {
        enrol(text, options).then(
          (accepted) =>
            accepted === null
              ? answer(403, { error: 'the token is unknown, was used, or has expired' })
              : answer(200, accepted),
          (thrown) => {
            log(`a host could not be enrolled: ${asConvergeError(thrown).message}`)
            answer(500, { error: 'the control plane failed; its output has the reason' })
          },
        )
      })
    },
  )
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  const { listen } = directory.settings()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(enrolmentPort(listen.port), listen.host, () => resolve())
  })
  return server
}

/** @returns null where the token is not valid; it is not said why */
async function enrol(text: string, options: EnrolmentOptions): Promise<EnrolmentAnswer | null> {
  const { directory, onEnrolled, log } = options
  const content = request.safeParse(parseJson(text))
  if (!content.success || !(await isPublicKey(content.data.key))) return null
  const { secret, key, recipient } = content.data
  const host = directory.takeInvitation(secret, Date.now())
  if (host === null) return null
  directory.addHost({ host, key, recipient, since: new Date().toISOString() })
  await onEnrolled(host)
  log(`enrolled ${host}`)
  const { stack, address, listen, control } = directory.settings()
  return { stack, host, address, port: listen.port, certificate: directory.certificate(), control: control.publicKey }
}
