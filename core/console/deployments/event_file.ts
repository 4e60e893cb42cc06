/** Reads the events of a process by their byte offsets in its file, so that a reader resumes where it stopped. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { withPathInErrors } from '../../model/file_errors.ts'

export interface EventLine {
  readonly text: string
  /** Byte after the line: where reading continues. */
  readonly end: number
}

const newline = 10
const chunkSize = 64 * 1024
/** Longest line that is read; the rollout limits those of hosts. */
const maxLine = 16 * 1024 * 1024

/**
 * Reads whole lines from an offset; the rest of a line that is being written follows later.
 * @param limit bytes to read before the lines so far are returned; default 64 KiB
 */
export function readLines(path: string, from: number, limit = chunkSize): readonly EventLine[] {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    const { size } = fstatSync(file)
    for (let length = limit; ; length *= 4) {
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - from)))
      const text = buffer.subarray(
        0,
        withPathInErrors(path, () => readSync(file, buffer, 0, buffer.length, from)),
      )
      const lines = [...split(text, from)]
      // A line longer than the chunk needs a larger one.
      if (lines.length > 0 || from + text.length >= size || length >= maxLine) return lines
    }
  } finally {
    closeSync(file)
  }
}

function* split(bytes: Buffer, from: number): Generator<EventLine> {
  let start = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, start)) {
    yield { text: bytes.toString('utf8', start, at), end: from + at + 1 }
    start = at + 1
  }
}

/**
 * Reads all events of a file, one after the other. It skips text that is not a JSON object. Other work of the process
 * continues between two parts of the file.
 */
export async function* readEvents(path: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
  for (let from = 0; ; ) {
    const lines = readLines(path, from)
    if (lines.length === 0) return
    for (const { text } of lines) {
      const event = parseEvent(text)
      if (event !== null) yield event
    }
    from = lines.at(-1)?.end ?? from
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export function parseEvent(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null
  } catch {
    // Output that is no event.
    return null
  }
}
