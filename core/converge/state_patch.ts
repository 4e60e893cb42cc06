/** The change from one state to another as an RFC 6902 patch, fit to be shown and stored. */
import { createHash } from 'node:crypto'
import type { Operation } from 'fast-json-patch'
import { differs, mask, type Secrets } from '../model/secrets.ts'

const maxTextLength = 4096
/** Paths of a sensitive resource that may be displayed; all others count as its content. */
const displayablePaths = /^\/(kind|mode|owner|group|exists)$/

export class StatePatch {
  private constructor(
    readonly operations: readonly Operation[],
    /** Contents before and after the change; null if they are sensitive or not text. */
    readonly texts: { readonly before: string; readonly after: string } | null,
  ) {}

  static async between(
    now: unknown,
    desired: unknown,
    how: { secrets: Secrets; sensitive: boolean },
  ): Promise<StatePatch> {
    // Loaded with the first change: a run without changes does not need it.
    const { default: jsonPatch } = await import('fast-json-patch')
    const [before, after] = [asObject(now), asObject(desired)]
    const operations = jsonPatch.compare(before, after).map((operation) => presentable(operation, how))
    return new StatePatch(operations, how.sensitive ? null : texts(before, after, how.secrets))
  }
}

function asObject(state: unknown): object {
  return typeof state === 'object' && state !== null ? state : { value: state }
}

function texts(before: object, after: object, secrets: Secrets): StatePatch['texts'] {
  const [oldText, newText] = [contentOf(before), contentOf(after)]
  if (newText === null || oldText === newText) return null
  return { before: maskOldText(oldText ?? '', newText, secrets), after: secrets.maskForeign(newText) }
}

/** Masks the old text. Marks lines that differ from the new text only in their secrets, because a diff would hide the change. */
function maskOldText(old: string, young: string, secrets: Secrets): string {
  const masked = secrets.maskForeign(old).split('\n')
  const lines = old.split('\n')
  // A secret of several lines is one mask: then the lines of both do not correspond.
  if (masked.length !== lines.length) return masked.map((line) => markIfMasked(line)).join('\n')
  const same = new Set(young.split('\n'))
  return masked.map((line, index) => (same.has(lines[index] ?? '') ? line : markIfMasked(line))).join('\n')
}

function markIfMasked(line: string): string {
  return line.includes(mask) ? `${line}${differs}` : line
}

function contentOf(state: object): string | null {
  return 'content' in state && typeof state.content === 'string' ? state.content : null
}

function presentable(operation: Operation, how: { secrets: Secrets; sensitive: boolean }): Operation {
  if (!('value' in operation)) return operation
  const hidden = how.sensitive && !displayablePaths.test(operation.path)
  const value: unknown = hidden ? '(sensitive)' : shorten(operation.value, how.secrets)
  return { ...operation, value } as Operation
}

function shorten(value: unknown, secrets: Secrets): unknown {
  if (typeof value === 'string') {
    const masked = secrets.maskForeign(value)
    if (masked.length <= maxTextLength) return masked
    const digest = createHash('sha256').update(value).digest('hex')
    return `(${Buffer.byteLength(value)} bytes, sha256 ${digest})`
  }
  if (Array.isArray(value)) return value.map((item) => shorten(item, secrets))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shorten(item, secrets)]))
}
