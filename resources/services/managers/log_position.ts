/** Reads what was written to a log file after a certain moment, also across a rotation. */
import type { HostReader } from '../../../core/host/types.ts'
import { logLength, longestLogEnd, readFrom } from './types.ts'

/** Bytes before the position by which the same file is recognized after a rotation. */
const signatureLength = 256

/** A position in a log; the lines after it can be read later. */
export class LogPosition {
  /** The length of the log at that moment, in bytes. */
  readonly length: number
  /** The end of the log at that moment. Another file of the same name, or a truncated one, has other bytes there. */
  private readonly signature: string

  /** @param path of the log; it may be missing */
  constructor(
    private readonly host: HostReader,
    private readonly path: string,
  ) {
    this.length = logLength(this.host, path)
    this.signature = this.signatureIn(path)
  }

  /** Returns the text after the position, at most `longestLogEnd` bytes; empty if the log may not be read. */
  text(): string {
    if (this.continues(this.path)) return this.textFrom(this.path, this.length)
    // supervisord and logrotate rename the log, or copy and truncate it.
    const rotated = `${this.path}.1`
    const rest = this.continues(rotated) ? this.textFrom(rotated, this.length) : ''
    return `${rest}${this.textFrom(this.path, 0)}`
  }

  /** Returns the lines after the position. */
  lines(): readonly string[] {
    const text = this.text().trimEnd()
    return text === '' ? [] : text.split('\n')
  }

  /** Whether a file contains the log up to the position. */
  private continues(path: string): boolean {
    return logLength(this.host, path) >= this.length && this.signatureIn(path) === this.signature
  }

  private signatureIn(path: string): string {
    const limit = Math.min(signatureLength, this.length)
    return limit === 0 ? '' : readFrom(this.host, path, this.length - limit, limit)
  }

  private textFrom(path: string, begin: number): string {
    return readFrom(this.host, path, Math.max(begin, logLength(this.host, path) - longestLogEnd))
  }
}
