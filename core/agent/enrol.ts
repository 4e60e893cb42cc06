/** Enrols this host: makes its keys, and exchanges a one-use token for the address and the certificate of the bus. */
import { request } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { decodeToken, type EnrolmentToken } from '../bus/bus_directory.ts'
import { fingerprintOf } from '../bus/certificate.ts'
import type { EnrolmentRequest } from '../bus/enrolment_server.ts'
import { newKey } from '../bus/keys.ts'
import { type EnrolmentAnswer, enrolmentAnswer, parseJson } from '../bus/protocol.ts'
import { certificateName } from '../bus/subjects.ts'
import { ConvergeError } from '../model/errors.ts'
import { newIdentity } from '../secrets/age_file.ts'
import type { AgentDirectory } from './agent_directory.ts'

const timeoutMs = 15_000

/**
 * @param text of the token
 * @throws INVALID_TOKEN, CONNECT_FAILED, WRONG_CERTIFICATE, TOKEN_REFUSED
 */
export async function enrol(text: string, directory: AgentDirectory): Promise<EnrolmentAnswer> {
  const token = decodeToken(text)
  const [key, identity] = [await newKey(), await newIdentity()]
  const socket = await connectTo(token)
  directory.prepare()
  const content = { secret: token.secret, key: key.publicKey, recipient: identity.recipient }
  const answer = await post(socket, token, content)
  // A refused token leaves an earlier enrolment as it is.
  directory.saveEnrolment(answer, { seed: key.seed, identity: identity.key })
  return answer
}

/** Connects, and checks the certificate before anything is sent. */
function connectTo({ address, port, fingerprint }: EnrolmentToken): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const fail = (error: ConvergeError) => {
      socket.destroy()
      reject(error)
    }
    // The certificate is checked by its fingerprint, which the token has; no authority has signed it.
    const socket = connect({ host: address, port, servername: certificateName, rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate()
      if (raw !== undefined && fingerprintOf(raw) === fingerprint) return resolve(socket)
      fail(
        new ConvergeError(`${address}:${port} does not have the certificate that the token names`, {
          code: 'WRONG_CERTIFICATE',
          hint: 'check that the address is that of the control plane, and print a new token with converge agent invite',
        }),
      )
    })
    socket.setTimeout(timeoutMs, () => fail(unreachable(address, port, 'no answer')))
    socket.on('error', (error) => fail(unreachable(address, port, error.message)))
  })
}

const unreachable = (address: string, port: number, reason: string) =>
  new ConvergeError(`cannot reach the control plane at ${address}:${port}: ${reason}`, {
    code: 'CONNECT_FAILED',
    hint: 'check that converge control runs, that --address is its name for hosts, and that no firewall is in between',
  })

function post(
  socket: TLSSocket,
  { address, port }: EnrolmentToken,
  content: EnrolmentRequest,
): Promise<EnrolmentAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(unreachable(address, port, error.message))
    const body = JSON.stringify(content)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const call = request(
      { method: 'POST', path: '/enrol', host: certificateName, headers, createConnection: () => socket },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('error', fail)
        response.on('end', () => {
          const answer = enrolmentAnswer.safeParse(parseJson(text))
          if (response.statusCode === 200 && answer.success) return resolve(answer.data)
          const { error = `status ${response.statusCode}` } = (parseJson(text) ?? {}) as { error?: string }
          reject(
            new ConvergeError(`the control plane has not enrolled this host: ${error}`, {
              code: 'TOKEN_REFUSED',
              hint: 'print a new token with converge agent invite HOST; each token enrols one host, once',
            }),
          )
        })
      },
    )
    call.on('error', fail)
    call.end(body)
  })
}
