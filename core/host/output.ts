/** Collects the output of a command: each stream for the result, and the lines of both in order of arrival for errors. */
import { LineSplitter } from './line_splitter.ts'

/** Characters of one stream that a result can have; a longer one loses its beginning. */
const longestStream = 32 * 1024 * 1024
/** Characters at the beginning of the output that an error contains. */
const longestHead = 256 * 1024
/** Characters at the end of the output that an error contains. */
const longestTail = 768 * 1024

/** Keeps the lines of a command in the order of their arrival; a long output loses its middle. */
export class OutputLog {
  private readonly head: string[] = []
  private headLength = 0
  private tail: string[] = []
  private tailLength = 0
  private leftOut = 0

  add(line: string): void {
    if (this.leftOut === 0 && this.tail.length === 0 && this.headLength + line.length <= longestHead) {
      this.head.push(line)
      this.headLength += line.length + 1
      return
    }
    // A single line may be longer than all that is kept.
    const kept = line.length > longestTail ? line.slice(-longestTail) : line
    this.tail.push(kept)
    this.tailLength += kept.length + 1
    // Trim half of it at once, since shift() takes time in proportion to the lines that remain.
    if (this.tailLength > 2 * longestTail) this.trim()
  }

  text(): string {
    if (this.tailLength > longestTail) this.trim()
    const mark = this.leftOut === 0 ? [] : [`… ${this.leftOut} lines left out: more than 1 MiB`]
    return [...this.head, ...mark, ...this.tail].join('\n')
  }

  private trim(): void {
    let from = 0
    for (; this.tailLength > longestTail; from++) this.tailLength -= (this.tail[from]?.length ?? 0) + 1
    this.tail = this.tail.slice(from)
    this.leftOut += from
  }
}

export interface Stream {
  readonly text: () => string
  /** Passes on a last line without a line end. */
  readonly end: () => void
}

export function collectOutput(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): Stream {
  const chunks: string[] = []
  let length = 0
  const lines = new LineSplitter(onLine)
  stream?.setEncoding('utf8')
  stream?.on('data', (chunk: string) => {
    length += chunk.length
    chunks.push(chunk)
    while (length > longestStream && chunks.length > 1) length -= chunks.shift()?.length ?? 0
    lines.push(chunk)
    // Node.js reads up to 32 chunks of a stream in one turn. Deadlines and signals must not wait for all their lines.
    stream.pause()
    setImmediate(() => stream.resume())
  })
  const end = () => lines.close()
  stream?.on('end', end)
  return { text: () => chunks.join(''), end }
}
