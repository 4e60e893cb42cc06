/** Computes the change from one state to another as an RFC 6902 patch, with secrets masked and long texts shortened. */
import { createHash } from 'node:crypto'
import type { Operation } from 'fast-json-patch'
import { lazy } from '../model/lazy.ts'
import { differenceMark, mask, type Secrets } from '../model/secrets.ts'
import type { StateChange } from '../report/events.ts'
import { replacedIn } from './former_secrets.ts'

const maxTextLength = 4096
const hidden = '(sensitive)'
/** Paths of a sensitive resource that may be displayed; all others count as its content. */
const displayablePaths = /^\/(kind|mode|owner|group|exists)$/

/** Decides whether the values of a property of a sensitive resource may be displayed. */
export function isDisplayable(path: string): boolean {
  return displayablePaths.test(path)
}

// A run without changes does not need it.
const loadJsonPatch = lazy(() => import('fast-json-patch'))

export class StatePatch {
  private constructor(
    readonly operations: readonly StateChange[],
    /** Contents before and after the change; null if they are sensitive or not text. */
    readonly texts: { readonly before: string; readonly after: string } | null,
  ) {}

  static async between(
    current: unknown,
    desired: unknown,
    options: { secrets: Secrets; sensitive: boolean; previous?: string | undefined },
  ): Promise<StatePatch> {
    const { default: jsonPatch } = await loadJsonPatch()
    const [before, after] = [asObject(current), asObject(desired)]
    const operations = withBefore(jsonPatch.compare(before, after, true)).map((change) => maskChange(change, options))
    return new StatePatch(operations, options.sensitive ? null : textsOf(before, after, options))
  }
}

function asObject(state: unknown): object {
  return typeof state === 'object' && state !== null ? state : { value: state }
}

/**
 * Returns the contents before and after a change.
 * @param previous text to compare the content of a new file with; default: none
 */
function textsOf(
  before: object,
  after: object,
  { secrets, previous = null }: { readonly secrets: Secrets; readonly previous?: string | null | undefined },
): StatePatch['texts'] {
  const [oldText, newText] = [contentOf(before) ?? previous, contentOf(after)]
  if (newText === null || oldText === newText) return null
  return maskTexts({ before: oldText ?? '', after: newText }, secrets)
}

/** Masks both texts of a change for a diff, so that it also shows lines whose secrets alone differ. */
export function maskTexts(
  { before, after }: { readonly before: string; readonly after: string },
  secrets: Secrets,
): { readonly before: string; readonly after: string } {
  return { before: maskOldText(before, after, secrets), after: secrets.maskForeign(after) }
}

/** Masks the old text. Marks lines that differ from the new text only in their secrets, because a diff would hide the change. */
function maskOldText(oldText: string, newText: string, secrets: Secrets): string {
  const masked = secrets.maskForeign(oldText).split('\n')
  const lines = oldText.split('\n')
  // The mask replaces all lines of a secret: then masked and unmasked lines do not correspond.
  if (masked.length !== lines.length) return masked.map((line) => markIfMasked(line)).join('\n')
  const newLines = new Set(newText.split('\n'))
  return masked.map((line, index) => (newLines.has(lines[index] ?? '') ? line : markIfMasked(line))).join('\n')
}

function markIfMasked(line: string): string {
  return line.includes(mask) ? `${line}${differenceMark}` : line
}

function contentOf(state: object): string | null {
  return 'content' in state && typeof state.content === 'string' ? state.content : null
}

/** Adds to each operation the value that it replaces or removes, which the operation `test` before it has. */
function withBefore(operations: readonly Operation[]): StateChange[] {
  return operations.flatMap((operation, index) => {
    if (operation.op === 'test') return []
    const previous = operations[index - 1]
    return [previous?.op === 'test' ? { ...operation, before: previous.value as unknown } : operation]
  })
}

interface Options {
  readonly secrets: Secrets
  readonly sensitive: boolean
}

/** Masks the values of an operation, and shortens them. */
function maskChange(change: StateChange, { secrets, sensitive }: Options): StateChange {
  const hasValue = 'value' in change
  const hasBefore = 'before' in change
  if (sensitive && !isDisplayable(change.path))
    return {
      ...change,
      ...(hasBefore ? { before: hidden } : {}),
      ...(hasValue ? { value: hidden } : {}),
    } as StateChange
  if (typeof change.before === 'string' && hasValue && typeof change.value === 'string')
    for (const old of replacedIn(change.before, change.value, secrets)) secrets.add(old)
  const isSecret = secrets.hasSecretName(lastKey(change.path))
  const value = hasValue ? { value: maskValue(change.value, secrets, isSecret) } : {}
  // A value that a secret replaces is probably a former secret, which the mask may not recognize.
  const replacesSecret = hasValue && JSON.stringify(value).includes(mask)
  const before = hasBefore ? { before: maskValue(change.before, secrets, isSecret, replacesSecret) } : {}
  return { ...change, ...before, ...value } as StateChange
}

function lastKey(pointer: string): string {
  const key = pointer.split('/').findLast((part) => !/^\d+$/.test(part)) ?? ''
  return key.replaceAll('~1', '/').replaceAll('~0', '~')
}

/**
 * Masks the texts in a value.
 * @param isSecret whether each text in the value is secret
 * @param replacesSecret whether a text without a recognized secret is one as a whole
 */
function maskValue(value: unknown, secrets: Secrets, isSecret: boolean, replacesSecret = false): unknown {
  const inside = (item: unknown, key?: string): unknown =>
    maskValue(item, secrets, isSecret || (key !== undefined && secrets.hasSecretName(key)), replacesSecret)
  if (typeof value === 'string') return maskedText(value, secrets, isSecret, replacesSecret)
  if (Array.isArray(value)) return value.map((item) => inside(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inside(item, key)]))
}

function maskedText(text: string, secrets: Secrets, isSecret: boolean, replacesSecret: boolean): string {
  if (text === '') return text
  const masked = secrets.maskForeign(text)
  // Former secrets in the lines of a file are already known.
  if (isSecret || (replacesSecret && !masked.includes(mask) && !text.includes('\n'))) return mask
  if (masked.length <= maxTextLength) return masked
  const digest = createHash('sha256').update(text).digest('hex')
  return `(${Buffer.byteLength(text)} bytes, sha256 ${digest})`
}
