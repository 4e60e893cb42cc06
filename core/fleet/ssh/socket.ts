/** Opens the stream to a host's sshd: a TCP socket, or a channel through a jump host. */
import { execFile } from 'node:child_process'
import { connect as connectSocket, createServer } from 'node:net'
import { type HostCertificate, parseCertificate } from './certificate.ts'
import { connectFailed, noAnswer } from './failures.ts'
import { scanFailure } from './host_keys.ts'
import type { Session, Stream } from './session_types.ts'
import type { SshTarget } from './target.ts'

/**
 * Opens the stream.
 * @param via the jump host; null: a direct connection
 * @throws CONNECT_FAILED
 */
export async function openSocket(target: SshTarget, via: Session | null, seconds: number): Promise<Stream> {
  if (via) return via.forward(target, seconds)
  const { address, port } = target
  return new Promise<Stream>((resolve, reject) => {
    // Without noDelay each command waits 40 ms for an acknowledgement. A slow link needs more than the default 250 ms
    // for each address.
    const socket = connectSocket({ host: address, port, noDelay: true, autoSelectFamilyAttemptTimeout: 2000 })
    const timer = setTimeout(() => socket.destroy(noAnswer(target, seconds, 'there is no answer')), seconds * 1000)
    const failed = (error: Error) => {
      clearTimeout(timer)
      reject(connectFailed(target, error))
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', failed)
      resolve(socket)
    })
  })
}

/**
 * Requests the certificates of a host's keys with ssh-keyscan(1), because ssh2 does not support them. A local port
 * leads through the jump host. The caller must verify the certificates.
 */
export async function scanCertificates(
  target: SshTarget,
  via: Session | null,
  seconds: number,
): Promise<readonly HostCertificate[]> {
  if (!via) return keyscan(target, target.address, target.port, seconds)
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    via.forward(target, seconds).then(
      (channel) => {
        channel.once('close', () => socket.destroy())
        socket.pipe(channel).pipe(socket)
      },
      // ssh-keyscan then sees a closed connection, and finds no certificate.
      () => socket.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const at = server.address()
    return await keyscan(target, '127.0.0.1', typeof at === 'object' && at ? at.port : 0, seconds)
  } finally {
    server.close()
  }
}

function keyscan(target: SshTarget, address: string, port: number, seconds: number): Promise<HostCertificate[]> {
  return new Promise((resolve, reject) => {
    const args = ['-c', '-T', String(Math.ceil(seconds)), '-p', String(port), '--', address]
    execFile('ssh-keyscan', args, { timeout: 2000 * seconds }, (error, stdout) => {
      // ssh-keyscan also fails where it finds nothing. Only a failure to start or a timeout is an error.
      if (error && (typeof error.code === 'string' || error.killed)) return reject(scanFailure(target.address, error))
      // Some versions write the host's name before the type, some do not.
      const found = [...stdout.matchAll(/\S+-cert-v01@openssh\.com\s+(\S+)/g)].flatMap(
        ([, base64 = '']) => parseCertificate(Buffer.from(base64, 'base64')) ?? [],
      )
      resolve(found)
    })
  })
}
