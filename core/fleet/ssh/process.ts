/** A command that runs on a host, and what goes in and comes out of it. */
import { Readable, type Writable } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import { ConvergeError } from '../../model/errors.ts'
import type { Connection } from './connect.ts'

export interface Ended {
  /** Exit status; null where a signal ended it. */
  readonly code: number | null
  /** Such as `SIGTERM`. */
  readonly signal: string | null
}

export interface RemoteProcess {
  /** Has to be read to its end, or `resume()`d: `ended` waits for that. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** Ended already where the command was given its input. */
  readonly stdin: Writable
  /** Rejects with CONNECTION_LOST when the connection ends first, and with what an input failed with. */
  readonly ended: Promise<Ended>
  /** Ends the channel; the command gets no signal, but cannot read or write any more. */
  close(): void
}

export type Input = string | Uint8Array | Readable

/** Has a listener called with what ended the connection; @returns a function that forgets it */
export type OnLost = (listener: (error: ConvergeError) => void) => () => void

export function remoteProcess(channel: ClientChannel, input: Input | undefined, onLost: OnLost): RemoteProcess {
  let exit: Ended = { code: null, signal: null }
  channel.once('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal ?? null }
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    // Without a connection the rest never comes, and what was to be read would be waited for in vain.
    const forget = onLost(reject)
    channel.once('close', () => {
      forget()
      resolve(exit)
    })
    if (input !== undefined) feed(channel, input, reject)
  })
  // Whoever has no interest in the end of a command needs not look at it.
  ended.catch(() => undefined)
  return { stdout: channel, stderr: channel.stderr, stdin: channel, ended, close: () => channel.close() }
}

function feed(channel: ClientChannel, input: Input, failed: (error: unknown) => void): void {
  if (!(input instanceof Readable)) {
    channel.end(input)
    return
  }
  // A command may end before it has read everything: no failure, but nobody takes the rest.
  channel.once('close', () => input.destroy())
  input.once('error', (error) => {
    failed(error)
    channel.close()
  })
  input.pipe(channel)
}

export interface SimpleOptions {
  readonly input?: Input | undefined
  /** Bytes of stdout and stderr each; default 1 MiB. */
  readonly limit?: number
}

/**
 * Runs a command of little output to its end.
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
