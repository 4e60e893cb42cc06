/** Describes the properties that a change sets, replaces or removes, with their values before and after. */
import type { ResourceReport, StateChange } from './events.ts'
import { plain, printableJson } from './printable.ts'

/** Characters of a value. */
const longestValue = 60
/** Characters of equal text that a shortened value keeps in front of the first difference. */
const keptBefore = 12
const nothing = '(none)'

export interface ChangedProperty {
  /** Path in the state, such as `mode` or `env.LANG`. */
  readonly name: string
  /** Null where it is not known: a host with an earlier version of converge does not report it. */
  readonly before: string | null
  readonly after: string
}

export type ChangeKind = 'create' | 'change' | 'remove'

/** Decides whether the resource did not exist before, or does not exist afterwards. */
export function kindOfChange(patch: readonly StateChange[]): ChangeKind {
  for (const change of patch) {
    const { path, before } = change
    const value: unknown = 'value' in change ? change.value : undefined
    if (path === '/kind') {
      if (value === 'absent') return 'remove'
      if (before === undefined || before === 'absent') return 'create'
    }
    if (path === '/exists' && typeof before === 'boolean') return value === true ? 'create' : 'remove'
  }
  return 'change'
}

/**
 * Lists the properties of a change in the order of the state.
 * @param isComplete also the middle of long values; default: false
 */
export function changedProperties(report: ResourceReport, isComplete = false): ChangedProperty[] {
  const { patch = [] } = report
  const kind = kindOfChange(patch)
  if (kind === 'remove') return []
  return inOrder(patch.filter((change) => isDisplayed(change, report, kind))).map((change) => {
    const after = valueText('value' in change ? change.value : null)
    const isKnown = change.op === 'add' || 'before' in change
    const before = isKnown ? valueText(change.before) : null
    return { name: nameOf(change.path), ...(isComplete ? { before, after } : shortenValues(before, after)) }
  })
}

function isDisplayed(change: StateChange, report: ResourceReport, kind: ChangeKind): boolean {
  const { path, before } = change
  const value: unknown = 'value' in change ? change.value : null
  // The digest of the triggering changes means nothing to a person, nor does a first digest.
  if (path === '/cause' || (isDigest(value) && !isDigest(before))) return false
  // A sensitive content has no diff.
  if ((path === '/content' && report.texts) ?? report.diff ?? report.words) return false
  if (kind === 'create')
    return (
      report.words === undefined && !['/kind', '/exists'].includes(path) && value !== null && value !== '(sensitive)'
    )
  if (report.words === undefined) return true
  // The words name what did not exist before.
  return before !== undefined && !isHash(value) && before !== null && before !== false && before !== 'absent'
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{64}(~[0-9a-f]+)?$/.test(value)
}

/** A digest or a commit. */
function isHash(value: unknown): boolean {
  return isDigest(value) || (typeof value === 'string' && /^[0-9a-f]{40}$/.test(value))
}

/** The library lists properties from the last to the first, and the items of a list that it removes too. */
function inOrder(patch: readonly StateChange[]): StateChange[] {
  const reversed = patch.toReversed()
  const parents = [...new Set(reversed.map(({ path }) => groupOf(path)))]
  return reversed.sort(
    (a, b) => parents.indexOf(groupOf(a.path)) - parents.indexOf(groupOf(b.path)) || indexOf(a.path) - indexOf(b.path),
  )
}

function groupOf(path: string): string {
  return path.replace(/\/\d+$/, '/')
}

function indexOf(path: string): number {
  return Number(/\/(\d+)$/.exec(path)?.[1] ?? 0)
}

function nameOf(pointer: string): string {
  const keys = pointer.slice(1).split('/')
  return oneLine(keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~')).join('.'))
}

function oneLine(text: string): string {
  return plain(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t')
}

/** Text without signs that need quotes stays as it is; a long digest is shortened to its first part. */
function valueText(value: unknown): string {
  if (value === undefined || value === null) return nothing
  const text = typeof value === 'string' && isPlainWord(value) ? value : printableJson(value)
  return text.replace(/\b([0-9a-f]{8})[0-9a-f]{32,}\b/g, '$1')
}

function isPlainWord(text: string): boolean {
  return text !== '' && text !== nothing && text === text.trim() && !/^["'[{]|[\n\t]/.test(text) && plain(text) === text
}

/** Shortens two values around their first difference, with a mark in the place of what is left out. */
function shortenValues(before: string | null, after: string): Pick<ChangedProperty, 'before' | 'after'> {
  if (before === null) return { before, after: cut(after) }
  let equal = 0
  while (equal < before.length && before[equal] === after[equal]) equal++
  const isLong = Math.max(before.length, after.length) > longestValue
  const start = isLong && equal > keptBefore * 2 && before !== after ? equal - keptBefore : 0
  return { before: cut(before, start), after: cut(after, start) }
}

function cut(text: string, start = 0): string {
  const rest = start === 0 ? text : `…${text.slice(start)}`
  return rest.length > longestValue ? `${rest.slice(0, longestValue - 1)}…` : rest
}
