/** Connects the streams and the exit status of a command that runs on a host. */
import { Readable, Writable } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import type { OnLost } from './session_types.ts'

export interface ProcessEnd {
  /** Exit status; null if a signal ended it. */
  readonly code: number | null
  /** Signal that ended it, such as `SIGTERM`; null if none did. */
  readonly signal: string | null
}

export interface RemoteProcess {
  /** Must be read to its end, or `resume()`d: `ended` waits for that. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** Ends automatically where `input` was passed. */
  readonly stdin: Writable
  /** Rejects with CONNECTION_LOST when the connection ends first, or with the error of the input stream. */
  readonly ended: Promise<ProcessEnd>
  /** Ends the channel; the command gets no signal, but can no longer read or write. */
  close(): void
}

export type Input = string | Uint8Array | Readable

export function remoteProcess(channel: ClientChannel, input: Input | undefined, onLost: OnLost): RemoteProcess {
  const stdin = new Stdin(channel)
  let exit: ProcessEnd = { code: null, signal: null }
  channel.once('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal ?? null }
  })
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    // Without a connection no more output arrives, so a reader must not wait for it.
    const unsubscribe = onLost((error) => {
      stdin.release()
      reject(error)
    })
    channel.once('close', () => {
      unsubscribe()
      stdin.release()
      resolve(exit)
    })
    if (input instanceof Readable) {
      input.once('error', (error) => {
        reject(error)
        channel.close()
      })
      stdin.once('released', () => input.destroy())
      input.pipe(stdin)
    } else if (input !== undefined) stdin.end(input)
  })
  // A caller may ignore the end of a command.
  ended.catch(() => undefined)
  return { stdout: channel, stderr: channel.stderr, stdin, ended, close: () => channel.close() }
}

/**
 * The standard input of a command. The command may end before it has read everything. The rest is then dropped, and the
 * writer continues: the exit status explains the end. The channel itself would block the writer for ever.
 */
class Stdin extends Writable {
  private released = false
  private finishWrite: (() => void) | null = null
  private readonly channel: ClientChannel

  constructor(channel: ClientChannel) {
    super()
    this.channel = channel
  }

  release(): void {
    if (this.released) return
    this.released = true
    this.finishWrite?.()
    this.emit('released')
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writeUnlessReleased(done, (written) => this.channel.write(chunk, written))
  }

  override _final(done: () => void): void {
    this.writeUnlessReleased(done, (written) => this.channel.end(written))
  }

  private writeUnlessReleased(done: () => void, write: (written: () => void) => void): void {
    if (this.released) return done()
    this.finishWrite = () => {
      this.finishWrite = null
      done()
    }
    write(() => this.finishWrite?.())
  }
}
