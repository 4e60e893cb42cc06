/** Collects what a command prints: each stream for its result, and the lines of both in the order they came for errors. */
import { LineSplitter } from './line_splitter.ts'

/** Characters of one stream that a result can have; of a longer one the end counts. */
const longestStream = 32 * 1024 * 1024
/** Characters kept for an error: of its start and of its end. */
const [longestHead, longestTail] = [256 * 1024, 768 * 1024]

/** The lines of a command in the order they came, without what exceeds the limit in the middle. */
export class OutputLog {
  private readonly head: string[] = []
  private headLength = 0
  private tail: string[] = []
  private tailLength = 0
  private left = 0

  add(line: string): void {
    if (this.left === 0 && this.tail.length === 0 && this.headLength + line.length <= longestHead) {
      this.head.push(line)
      this.headLength += line.length + 1
      return
    }
    // One line can be all there is.
    const kept = line.length > longestTail ? line.slice(-longestTail) : line
    this.tail.push(kept)
    this.tailLength += kept.length + 1
    // Halved at once, since shift() costs as much as the rest is long.
    if (this.tailLength > 2 * longestTail) this.trim()
  }

  text(): string {
    if (this.tailLength > longestTail) this.trim()
    const mark = this.left === 0 ? [] : [`… ${this.left} lines left out: more than 1 MiB`]
    return [...this.head, ...mark, ...this.tail].join('\n')
  }

  private trim(): void {
    let from = 0
    for (; this.tailLength > longestTail; from++) this.tailLength -= (this.tail[from]?.length ?? 0) + 1
    this.tail = this.tail.slice(from)
    this.left += from
  }
}

export interface Stream {
  readonly text: () => string
  /** Hands over a last line without an end. */
  readonly end: () => void
}

export function collect(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): Stream {
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
