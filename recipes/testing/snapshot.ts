/** Formats a run as text for a reviewer, and compares it with a stored text. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import picocolors from 'picocolors'
import { maskTexts } from '../../core/converge/state_patch.ts'
import type { Secrets } from '../../core/model/secrets.ts'
import { describeChange, title } from '../../core/report/describe.ts'
import type { DiffOf } from '../../core/report/diff.ts'
import type { ResourceReport, StateChange } from '../../core/report/events.ts'
import type { TreeEntry } from './file_tree.ts'
import { failAssertion } from './host.ts'
import type { TestRun } from './test_run.ts'

/** The environment variable that makes `assertSnapshot` store the actual text. */
export const updateVariable = 'CONVERGE_UPDATE_SNAPSHOTS'

const plainText = picocolors.createColors(false)
const longestValue = 100

/** Files that imitated programs write for themselves. */
const ownFiles = /^\/var\/lib\/(dpkg|apt)(\/|$)/

interface SnapshotParts {
  readonly mode: 'run' | 'plan'
  readonly roles: readonly string[]
  readonly events: readonly string[]
  /** Each resource in order; a report is absent if the run did not reach it. */
  readonly resources: readonly { readonly name: string; readonly report: ResourceReport | undefined }[]
  readonly warnings: readonly string[]
  readonly before: Readonly<Record<string, TreeEntry>>
  readonly after: Readonly<Record<string, TreeEntry>>
  readonly diff: DiffOf
  readonly secrets: Secrets
}

/**
 * Formats a run: its resources with their changes, its warnings, and the files that differ afterwards. The files of a test
 * may be copies of real ones, whose secrets nobody has declared.
 */
export function snapshotText(parts: SnapshotParts): string {
  const { mode, roles, events, resources, warnings } = parts
  const head = `${mode} of ${roles.join(', ')}: ${events.join(', ')}`
  const sections = [
    head,
    resources.flatMap(({ name, report }) => resourceLines(name, report)).join('\n'),
    warnings.map((warning) => `warning: ${warning}`).join('\n'),
    ...fileSections(parts),
  ]
  return parts.secrets.mask(`${sections.filter((section) => section !== '').join('\n\n')}\n`)
}

function resourceLines(name: string, report: ResourceReport | undefined): string[] {
  if (report === undefined) return [`. ${title(name)} (not reached)`]
  const { outcome, reason, failure } = report
  if (outcome === 'unchanged') return [`= ${title(name)}`]
  if (outcome === 'skipped') return [`. ${title(name)} (skipped: ${reason ?? ''})`]
  if (outcome === 'failed') return [`! ${title(name)} (failed: ${failure?.message ?? ''})`]
  const patch = (report.patch ?? []).filter(({ path }) => path !== '/kind' && path !== '/content' && path !== '/cause')
  const values = patch.map((change) => `    ${change.path.slice(1)}: ${changeText(change)}`)
  return [
    ...describeChange({ ...report, patch: [], words: report.words ?? '' }, plainText).map((line) =>
      line.replace('~', symbolOf(report)),
    ),
    ...values,
  ]
}

/** A resource that did not exist has a `+`, one that goes away a `-`. */
function symbolOf({ patch = [] }: ResourceReport): string {
  const kind = patch.find(({ path }) => path === '/kind')
  if (kind === undefined) return '~'
  return 'value' in kind && kind.value === 'absent' ? '-' : '+'
}

/** A value that did not exist before stands alone. */
function changeText(change: StateChange): string {
  const after = valueText('value' in change ? change.value : null)
  return (change.before ?? null) === null ? after : `${valueText(change.before)} -> ${after}`
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? 'none'
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text
}

function fileSections({ before, after, diff, secrets }: SnapshotParts): string[] {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return paths.flatMap((path) => {
    if (ownFiles.test(path)) return []
    const [old, current] = [before[path], after[path]]
    if (JSON.stringify(old) === JSON.stringify(current)) return []
    if (current === undefined) return [`${path}: removed`]
    if (current.kind === 'unknown') return [`${path}: known only in the run`]
    const head = `${path}: ${old === undefined ? 'new ' : ''}${describeEntry(current)}`
    const lines = current.kind === 'file' ? contentLines(old, current, { diff, secrets }) : []
    return [[head, ...lines].join('\n')]
  })
}

function describeEntry({ kind, mode, owner, group, content }: TreeEntry): string {
  return kind === 'link' ? `link to ${content}` : `${kind} ${mode} ${owner}:${group}`
}

function contentLines(
  old: TreeEntry | undefined,
  now: TreeEntry,
  { diff, secrets }: Pick<SnapshotParts, 'diff' | 'secrets'>,
): string[] {
  if (old?.kind === 'file')
    return diff(maskTexts({ before: old.content, after: now.content }, secrets)).map((line) => `  ${line}`)
  const lines = secrets.maskForeign(now.content).split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `  | ${line}`.trimEnd())
}

/**
 * Compares a run with the text that a file stores, so that a reviewer sees each change of a role as a change of that file.
 *
 * `converge test --update-snapshots` stores the actual text instead; with other test runners, set
 * `CONVERGE_UPDATE_SNAPSHOTS=1`.
 *
 * @param run result of `plan`, `converge` or `verify`, or any text
 * @param file URL of the stored text, such as `new URL('motd.snapshot.txt', import.meta.url)`
 * @throws AssertionError with the difference, or if the file does not exist
 */
export function assertSnapshot(run: TestRun | string, file: URL): void {
  const text = typeof run === 'string' ? run : run.snapshot()
  const path = fileURLToPath(file)
  if (process.env[updateVariable] === '1') return writeFileSync(path, text)
  const how = `store it with converge test --update-snapshots, or with ${updateVariable}=1`
  if (!existsSync(path)) failAssertion(`the snapshot ${path} does not exist; ${how}`, text, null)
  const stored = readFileSync(path, 'utf8')
  if (stored !== text) failAssertion(`the run differs from ${path}; if the change is intended, ${how}`, text, stored)
}
