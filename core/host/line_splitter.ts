/** Splits a stream of text into lines, with a limit for each line. */
import { shortenMiddle } from '../model/shorten.ts'

/** Characters of a line that are handed over: of its start and of its end. */
const [longestStart, longestEnd] = [64 * 1024, 64 * 1024]

/** The time is proportional to the text, and what is kept is limited, however the text comes. */
export class LineSplitter {
  /** Pieces of the line that has not ended yet, without its middle. */
  private start: string[] = []
  private startLength = 0
  private end: string[] = []
  private endLength = 0
  private omitted = 0
  private endsWithReturn = false

  constructor(private readonly onLine: (line: string) => void) {}

  /** Characters that are kept. */
  get kept(): number {
    return this.startLength + this.endLength
  }

  /** Lines end with \n, \r\n or \r, as those of progress bars do. */
  push(chunk: string): void {
    if (chunk === '') return
    const text = this.endsWithReturn && chunk.startsWith('\n') ? chunk.slice(1) : chunk
    this.endsWithReturn = chunk.endsWith('\r')
    const [rest = '', ...lines] = text.split(/\r\n|\n|\r/).reverse()
    for (const line of lines.reverse()) {
      this.add(line)
      this.finish()
    }
    this.add(rest)
  }

  /** Hands over a last line without an end. */
  close(): void {
    if (this.kept > 0) this.finish()
  }

  private add(text: string): void {
    if (text === '') return
    const room = longestStart - this.startLength
    if (room > 0) {
      this.start.push(text.slice(0, room))
      this.startLength += Math.min(room, text.length)
    }
    if (text.length <= room) return
    const rest = text.slice(Math.max(room, 0))
    this.end.push(rest)
    this.endLength += rest.length
    // Halved at once, so that each character is copied a few times at most.
    if (this.endLength > 2 * longestEnd) this.shorten()
  }

  private shorten(): void {
    const whole = this.end.join('')
    this.end = [whole.slice(-longestEnd)]
    this.omitted += whole.length - longestEnd
    this.endLength = longestEnd
  }

  private finish(): void {
    if (this.endLength > longestEnd) this.shorten()
    const [start, end] = [this.start.join(''), this.end.join('')]
    const line = this.omitted === 0 ? start + end : shortenMiddle(start, end, this.omitted)
    this.start = []
    this.end = []
    this.startLength = this.endLength = this.omitted = 0
    this.onLine(line)
  }
}
