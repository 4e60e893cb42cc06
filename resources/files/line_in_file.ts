/** Manages one line of a text file that others edit too. */
import * as z from 'zod'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { desiredOwnership, noOwnership, ownershipState } from './ownership.ts'
import {
  editedFileProps,
  fileOwnership,
  insertionIndex,
  isOnePosition,
  lineEditor,
  linePattern,
  matchingLines,
  numbers,
  oneLine,
  readLines,
  requireFile,
  severalPositions,
  type TextLines,
} from './text_lines.ts'

const props = z
  .strictObject({
    path: absolutePath.describe('Path of the file'),
    line: oneLine.min(1).describe('The whole line, without its line break'),
    match: linePattern
      .optional()
      .describe(
        'Regular expression for the line that is replaced, in any spelling; it must not match several lines. Default: a line that is equal',
      ),
    absent: z.boolean().optional().describe('Remove all lines that match, or are equal, instead; default false'),
    ...editedFileProps,
  })
  .refine(isOnePosition, severalPositions)
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  /** The lines that match or are equal. */
  lines: z.array(z.string()),
  ...ownershipState,
})
type State = z.output<typeof state>

function indicesOf({ lines }: TextLines, { line, match }: Props): number[] {
  const matching = match === undefined ? [] : matchingLines(lines, match)
  return lines.flatMap((one, index) => (one === line || matching.includes(index) ? [index] : []))
}

/** Returns the lines of the file after the change. */
function changedLines(file: TextLines, props: Props): string[] {
  const { lines } = file
  const found = indicesOf(file, props)
  if (props.absent) return lines.filter((_, index) => !found.includes(index))
  if (found.length > 0) return lines.map((line, index) => (found.includes(index) ? props.line : line))
  const at = insertionIndex(lines, props.path, props)
  return [...lines.slice(0, at), props.line, ...lines.slice(at)]
}

export const line_in_file = defineResource(
  {
    type: 'line_in_file',
    doc: 'Keeps one line in a text file whose other lines belong to others; or removes it. Of several lines that match it changes none.',
    mirrors: "Ansible's lineinfile",
    examples: [
      {
        path: '/etc/ssh/sshd_config',
        line: 'PermitRootLogin no',
        match: '^#?\\s*PermitRootLogin\\b',
        verify: { command: ['sshd', '-t', '-f', '%{path}'] },
      },
      { path: '/etc/modules', line: 'br_netfilter' },
      { path: '/etc/hosts.allow', line: 'ALL: ALL', absent: true },
    ],
    reach: 'paths',
    key: ({ path, line, match }) => `${path}: ${match ?? line}`,
    props,
    state,
  },
  {
    read(host, props): State {
      const file = readLines(host, props.path)
      const found = indicesOf(file, props)
      const lines = found.map((index) => file.lines[index] ?? '')
      if (found.length > 1 && !props.absent && lines.some((line) => line !== props.line))
        throw new ConvergeError(`several lines of ${props.path} match "${props.match}": ${numbers(found)}`, {
          code: 'AMBIGUOUS',
          hint: 'extend "match" until it matches one line only, or remove the other lines',
        })
      return { exists: file.exists, lines, ...fileOwnership(host, props, file.exists) }
    },
    desired(props, now): State {
      if (props.absent) return { ...now, lines: [], ...(now.exists ? desiredOwnership(props) : noOwnership) }
      if (!props.create) requireFile(now.exists, props.path)
      return {
        exists: true,
        lines: now.lines.length > 0 ? now.lines.map(() => props.line) : [props.line],
        ...desiredOwnership(props),
      }
    },
    ...lineEditor<Props, State>(changedLines),
  },
)
