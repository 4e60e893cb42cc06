/** Limits the wait for a host that accepts connections and commands but does not answer them. */
import type { Writable } from 'node:stream'
import { ConvergeError } from '../../model/errors.ts'
import { readText } from './event_stream.ts'
import type { RemoteProcess } from './ssh_transport.ts'

/** Seconds. */
export interface AnswerLimits {
  /** Until a script has written its first byte; every script writes one when it begins. */
  readonly first: number
  /** From the first byte to the end of the output, and for the host to accept a part of an upload. */
  readonly rest: number
  /** Without an event of a run, until a query checks whether the run still exists. */
  readonly quiet: number
}

export const defaultLimits: AnswerLimits = { first: 60, rest: 600, quiet: 60 }

/** Restarts the limit from this moment; null lifts it. Seconds. */
export type Extend = (limit: number | null) => void

/**
 * Waits for work on a host.
 * @param limit seconds; the work may extend it
 * @throws HOST_SILENT
 */
export function withDeadline<T>(limit: number, work: (extend: Extend) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const extend: Extend = (seconds) => {
      clearTimeout(timer)
      if (seconds !== null) timer = setTimeout(() => reject(silentHost(seconds)), seconds * 1000)
    }
    extend(limit)
    work(extend)
      .then(resolve, reject)
      .finally(() => extend(null))
  })
}

const silentHost = (seconds: number) =>
  new ConvergeError(`the host accepts the connection but has not answered a command for ${seconds} s`, {
    code: 'HOST_SILENT',
    hint: 'log in with ssh and run a command; look at the load, the disks and the login shell of the host',
  })

/**
 * Reads the whole output of a command. Closes the command where the host does not answer in time.
 * @throws HOST_SILENT, REMOTE_FAILED, CONNECTION_LOST
 */
export async function readOutput(process: RemoteProcess, { first, rest }: AnswerLimits, input?: Uint8Array) {
  let hasAnswered = false
  const answers = (extend: Extend) => () => {
    if (!hasAnswered) extend(rest)
    hasAnswered = true
  }
  try {
    return await withDeadline(first, async (extend) => {
      if (input !== undefined) void writeInParts(process.stdin, input, () => extend(rest))
      const output = await readText(process, answers(extend))
      return { output, code: (await process.ended).code }
    })
  } catch (error) {
    process.close()
    throw error
  }
}

/**
 * Returns the exit status of a command whose output has ended.
 * @throws HOST_SILENT, CONNECTION_LOST
 */
export function waitForEnd(process: RemoteProcess, { first }: AnswerLimits): RemoteProcess['ended'] {
  return withDeadline(first, () => process.ended)
}

const partBytes = 256 * 1024

/** Writes in parts, so that each part of an upload extends the deadline. */
async function writeInParts(stdin: Writable, input: Uint8Array, onProgress: () => void): Promise<void> {
  for (let at = 0; at < input.length; at += partBytes) {
    const part = input.subarray(at, at + partBytes)
    await new Promise<void>((resolve) => stdin.write(part, () => resolve()))
    onProgress()
  }
  stdin.end()
}
