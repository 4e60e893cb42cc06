/** Reads and writes single lines of a text file, whose other lines stay as they are. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind, inTheWay } from '../../core/model/file_errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { utf8Text } from '../../core/model/utf8.ts'
import { verifyFile } from './file.ts'
import {
  applyOwnership,
  noOwnership,
  type OwnershipProps,
  type OwnershipState,
  ownershipProps,
  readOwnership,
} from './ownership.ts'
import { keepOriginal } from './packaged_file.ts'
import { type Verify, verifyContent } from './verify.ts'

export interface TextLines {
  readonly exists: boolean
  readonly lines: readonly string[]
  readonly lineEnd: '\n' | '\r\n'
}

/**
 * @throws IN_THE_WAY for anything but a regular file, NOT_UTF8 for other encodings, which a new text would damage
 */
export function readLines(host: HostReader, path: string): TextLines {
  const stat = host.lstat(path)
  if (stat === null) return { exists: false, lines: [], lineEnd: '\n' }
  if (stat.kind === 'link')
    throw new ConvergeError(`${path} is a link, and a change would replace it by a file`, {
      code: 'IN_THE_WAY',
      hint: `declare the path of the file itself, which this shows: readlink -f ${path}`,
    })
  if (stat.kind !== 'file')
    throw inTheWay(`${path} is ${describeFileKind(stat.kind)}, but a text file was declared`, path)
  const text = utf8Text(host.readBytes(path) ?? Buffer.alloc(0), path)
  const lineEnd = /\r\n/.test(text) && !/(^|[^\r])\n/.test(text) ? '\r\n' : '\n'
  const lines = text.split(lineEnd)
  if (lines.at(-1) === '') lines.pop()
  return { exists: true, lines, lineEnd }
}

interface Target extends OwnershipProps {
  readonly path: string
  readonly verify?: Verify | undefined
}

/** Writes the lines if they differ, and applies mode and owner. A check, if there is one, comes first. */
async function applyLines(
  host: Host,
  props: Target,
  change: { readonly before: TextLines; readonly lines: readonly string[]; readonly ownership: OwnershipState },
  context: Context,
): Promise<void> {
  const { path, verify } = props
  const text = changedText(change)
  if (text !== null && verify !== undefined) await verifyContent(host, { path, verify }, text, context)
  predictLines(host, props, change)
}

/** The same without the check, for a dry run. */
export function predictLines(
  host: Host,
  props: Target,
  change: { readonly before: TextLines; readonly lines: readonly string[]; readonly ownership: OwnershipState },
): void {
  const text = changedText(change)
  if (text === null) return applyOwnership(host, props.path, change.ownership, props)
  keepOriginal(host, props.path)
  host.writeFile(props.path, text, props)
}

/**
 * Returns the parts that the resources share which edit lines of a file.
 * @param changedLines returns all lines of the file after the change
 */
export function lineEditor<P extends Target, S extends OwnershipState>(
  changedLines: (file: TextLines, props: P) => readonly string[],
) {
  const change = (host: HostReader, props: P, ownership: OwnershipState) => {
    const before = readLines(host, props.path)
    return { before, lines: changedLines(before, props), ownership }
  }
  return {
    apply: (host: Host, props: P, { now }: { readonly now: S }, context: Context) =>
      applyLines(host, props, change(host, props, now), context),
    predict: (host: Host, props: P, { now }: { readonly now: S }) =>
      predictLines(host, props, change(host, props, now)),
    paths: ({ path }: P) => [path],
  }
}

/** Returns the owner and mode of a file whose lines a resource reads. */
export function fileOwnership(host: HostReader, props: Target, exists: boolean): OwnershipState {
  const stat = exists ? host.lstat(props.path) : null
  return stat ? readOwnership(host, props, stat) : noOwnership
}

function changedText(change: { readonly before: TextLines; readonly lines: readonly string[] }): string | null {
  const { before, lines } = change
  const isSame = before.lines.length === lines.length && before.lines.every((line, at) => line === lines[at])
  if (before.exists && isSame) return null
  return lines.map((line) => `${line}${before.lineEnd}`).join('')
}

/** A property that takes one line. */
export const oneLine = z.string().regex(/^[^\n\r\0]*$/, { error: 'a text on one line' })

/** A property that takes a regular expression. */
export const linePattern = z
  .string()
  .min(1)
  .superRefine((pattern, issues) => {
    try {
      new RegExp(pattern)
    } catch (error) {
      issues.addIssue({ code: 'custom', message: `a regular expression (${(error as Error).message})` })
    }
  })

const insertProps = {
  insertAfter: linePattern
    .optional()
    .describe('Regular expression for the line after which a new line is inserted; it must match one line'),
  insertBefore: linePattern
    .optional()
    .describe('Regular expression for the line before which a new line is inserted; it must match one line'),
  insertAt: z.enum(['start', 'end']).optional().describe('Insert at this end of the file; default: end'),
}

/** The properties that types for parts of a text file share. */
export const editedFileProps = {
  ...insertProps,
  create: z.boolean().optional().describe('Create the file if it is missing; default false'),
  ...ownershipProps,
  verify: verifyFile,
}

export interface InsertPosition {
  readonly insertAfter?: string | undefined
  readonly insertBefore?: string | undefined
  readonly insertAt?: 'start' | 'end' | undefined
}

export const isOnePosition = ({ insertAfter, insertBefore, insertAt }: InsertPosition): boolean =>
  [insertAfter, insertBefore, insertAt].filter((position) => position !== undefined).length <= 1

/** The problem of properties that name several positions. */
export const severalPositions = { error: 'only one of insertAfter, insertBefore and insertAt', path: ['insertAfter'] }

/**
 * Returns the index at which a new line belongs.
 * @throws NO_ANCHOR or AMBIGUOUS unless `insertAfter` or `insertBefore` matches one line
 */
export function insertionIndex(lines: readonly string[], path: string, position: InsertPosition): number {
  const [name, pattern] =
    position.insertAfter === undefined ? ['insertBefore', position.insertBefore] : ['insertAfter', position.insertAfter]
  if (pattern === undefined) return position.insertAt === 'start' ? 0 : lines.length
  const matching = matchingLines(lines, pattern)
  const [index] = matching
  if (index === undefined)
    throw new ConvergeError(`no line of ${path} matches "${name}": ${pattern}`, {
      code: 'NO_ANCHOR',
      hint: `correct "${name}", or remove it to insert at the end of the file`,
    })
  if (matching.length > 1)
    throw new ConvergeError(`${matching.length} lines of ${path} match "${name}" (${numbers(matching)}): ${pattern}`, {
      code: 'AMBIGUOUS',
      hint: `extend "${name}" until it matches one line only`,
    })
  return name === 'insertAfter' ? index + 1 : index
}

/** Returns the indices of the lines that a regular expression matches. */
export function matchingLines(lines: readonly string[], pattern: string): number[] {
  const expression = new RegExp(pattern)
  return lines.flatMap((line, index) => (expression.test(line) ? [index] : []))
}

/** Names lines in a message, by their numbers from 1. */
export function numbers(indices: readonly number[]): string {
  return `line ${indices.map((index) => index + 1).join(', ')}`
}

/** @throws NO_FILE for a file that is missing and that the resource does not create */
export function requireFile(exists: boolean, path: string): void {
  if (!exists)
    throw new ConvergeError(`the file ${path} does not exist`, {
      code: 'NO_FILE',
      hint: 'set create to true, or declare what creates the file before this',
    })
}
