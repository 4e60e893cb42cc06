/**
 * Recognizes secrets that have been replaced or removed: a file still holds the old value, which no attribute names any
 * more. Where a run writes content with secrets, it records their positions, and the digest of that content;
 * a later run that finds the same content finds the old values by their positions. The values themselves are not recorded.
 */
import { createHash } from 'node:crypto'
import type { Host } from '../host/types.ts'
import { isObject } from '../model/json.ts'
import type { Secrets, Span } from '../model/secrets.ts'

/** Content that was written, and where secrets stand in it. */
interface Written {
  readonly digest: string
  readonly spans: readonly Span[]
}

/** The content before the last one is kept too: a run that is killed before it writes leaves that in place. */
const storedContents = 2

export class FormerSecrets {
  constructor(
    private readonly host: Host,
    private readonly secrets: Secrets,
  ) {}

  /**
   * Adds the former secrets in a state to those that are masked.
   * @param name of the resource, as in reports
   */
  learn(name: string, current: unknown, desired: unknown): void {
    const before = contentOf(current)
    if (before === null || before === '') return
    const written = this.readRecord(name).find(({ digest }) => digest === digestOf(before))
    for (const { start, end } of written?.spans ?? []) this.secrets.add(before.slice(start, end))
    const after = contentOf(desired)
    if (after !== null) for (const value of replacedIn(before, after, this.secrets)) this.secrets.add(value)
  }

  /** Records where secrets stand in a state; to be called before it is applied. */
  remember(name: string, desired: unknown): void {
    const content = contentOf(desired)
    if (content === null) return
    const spans = this.secrets.spans(content)
    const before = this.readRecord(name)
    const digest = digestOf(content)
    if ((spans.length === 0 && before.length === 0) || before[0]?.digest === digest) return
    const entries = [{ digest, spans }, ...before.filter((entry) => entry.digest !== digest)].slice(0, storedContents)
    this.host.record(recordKey(name), JSON.stringify(entries))
  }

  private readRecord(name: string): readonly Written[] {
    const text = this.host.recorded(recordKey(name))
    if (text === null) return []
    try {
      const entries: unknown = JSON.parse(text)
      return Array.isArray(entries) ? entries.filter(isWritten) : []
    } catch (error) {
      if (error instanceof SyntaxError) return []
      throw error
    }
  }
}

function recordKey(name: string): string {
  return `secrets in ${name}`
}

/** Finds replaced secrets: each stood on a line that has a secret in the new content, with the same text around it. */
export function replacedIn(before: string, after: string, secrets: Secrets): string[] {
  const lines = new Set(after.split('\n'))
  const old = before.split('\n').filter((line) => line !== '' && !lines.has(line))
  if (old.length === 0) return []
  const patterns = [...lines].flatMap((line) => patternAround(line, secrets.spans(line)) ?? [])
  return old.flatMap((line) => patterns.flatMap((pattern) => pattern.exec(line)?.slice(1) ?? []))
}

/** Matches a line that differs only in its secrets; null where too little text stands around them. */
function patternAround(line: string, spans: readonly Span[]): RegExp | null {
  if (spans.length === 0) return null
  const ends = [0, ...spans.map(({ end }) => end)]
  const starts = [...spans.map(({ start }) => start), line.length]
  const parts = ends.map((end, index) => line.slice(end, starts[index]))
  if (parts.join('').trim().length < 2) return null
  return new RegExp(`^${parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('(.*?)')}$`, 's')
}

function contentOf(state: unknown): string | null {
  return isObject(state) && typeof state.content === 'string' ? state.content : null
}

function digestOf(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

function isWritten(value: unknown): value is Written {
  return isObject(value) && typeof value.digest === 'string' && Array.isArray(value.spans) && value.spans.every(isSpan)
}

function isSpan(value: unknown): value is Span {
  return isObject(value) && Number.isSafeInteger(value.start) && Number.isSafeInteger(value.end)
}
