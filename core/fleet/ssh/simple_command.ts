/** Runs a command with little output on a host. */
import type { Readable } from 'node:stream'
import { ConvergeError } from '../../model/errors.ts'
import type { Connection } from './connect.ts'
import type { Input } from './remote_process.ts'

export interface SimpleOptions {
  readonly input?: Input | undefined
  /** Bytes of stdout and stderr each; default 1 MiB. */
  readonly limit?: number
}

/**
 * Runs a command with little output to its end.
 * @throws CONNECTION_LOST, OUTPUT_TOO_LONG
 */
export async function runSimple(
  connection: Connection,
  command: string,
  { input, limit = 1024 * 1024 }: SimpleOptions = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const process = await connection.exec(command, input ?? '')
  try {
    const read = [process.stdout, process.stderr].map((stream) => readAll(stream, limit))
    const [{ code }, stdout = '', stderr = ''] = await Promise.all([process.ended, ...read])
    return { code, stdout, stderr }
  } finally {
    process.close()
  }
}

function readAll(stream: Readable, limit: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else
        reject(new ConvergeError(`a command on the host wrote more than ${limit} bytes`, { code: 'OUTPUT_TOO_LONG' }))
    })
    stream.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
  })
}
