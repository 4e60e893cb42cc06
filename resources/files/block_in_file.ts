/** Manages a marked block of lines in a text file that others edit too. */
import * as z from 'zod'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { requiredUnlessAbsent } from '../../core/model/unless_absent.ts'
import { desiredOwnership, noOwnership, ownershipState } from './ownership.ts'
import {
  editedFileProps,
  fileOwnership,
  insertionIndex,
  isOnePosition,
  lineEditor,
  oneLine,
  readLines,
  requireFile,
  severalPositions,
  type TextLines,
} from './text_lines.ts'

const props = requiredUnlessAbsent(
  z.strictObject({
    path: absolutePath.describe('Path of the file'),
    name: oneLine
      .regex(/^\S(.*\S)?$/, { error: 'a name without spaces around it' })
      .describe('Name of the block, which the two marker lines contain'),
    block: z
      .string()
      .regex(/^[^\r\0]*$/, { error: 'lines of text that end in \\n' })
      .optional()
      .describe('The lines between the markers; required unless absent'),
    comment: oneLine.min(1).default('#').describe('The beginning of a comment in this file; default #'),
    commentEnd: oneLine.default('').describe('The end of a comment, such as -->; default: the end of the line'),
    absent: z.boolean().optional().describe('Remove the block with its markers instead; default false'),
    ...editedFileProps,
  }),
  'block',
)
  .refine(isOnePosition, severalPositions)
  .refine((props) => !blockLines(props).some((line) => Object.values(markersOf(props)).includes(line)), {
    error: 'a block without its own marker lines',
    path: ['block'],
  })
type Props = z.output<typeof props>

interface Marked {
  readonly name: string
  readonly comment: string
  readonly commentEnd: string
}

function markersOf({ name, comment, commentEnd }: Marked): { begin: string; end: string } {
  const [open, close] = [`${comment} `, commentEnd === '' ? '' : ` ${commentEnd}`]
  return { begin: `${open}BEGIN converge: ${name}${close}`, end: `${open}END converge: ${name}${close}` }
}

function blockLines({ block = '' }: { readonly block?: string | undefined }): string[] {
  const text = block.endsWith('\n') ? block.slice(0, -1) : block
  return text === '' ? [] : text.split('\n')
}

/** Finds the marker lines; null if there is no block. */
function findBlock({ lines }: TextLines, props: Props): { begin: number; end: number } | null {
  const { begin, end } = markersOf(props)
  const positions = (marker: string) => lines.flatMap((line, index) => (line === marker ? [index] : []))
  const [begins, ends] = [positions(begin), positions(end)]
  const [from = -1, to = -1] = [begins[0], ends[0]]
  if (begins.length === 0 && ends.length === 0) return null
  if (begins.length === 1 && ends.length === 1 && from < to) return { begin: from, end: to }
  const found = [...begins, ...ends].sort((a, b) => a - b).map((index) => index + 1)
  throw new ConvergeError(
    `the markers of the block "${props.name}" in ${props.path} are damaged: line ${found.join(', ')}`,
    {
      code: 'DAMAGED_BLOCK',
      hint: `edit ${props.path}: keep one line "${begin}" before one line "${end}", or remove all of them`,
    },
  )
}

function changedLines(file: TextLines, props: Props): readonly string[] {
  const { lines } = file
  const block = findBlock(file, props)
  const { begin, end } = markersOf(props)
  if (props.absent) return block ? [...lines.slice(0, block.begin), ...lines.slice(block.end + 1)] : lines
  const at = block ? block.begin : insertionIndex(lines, props.path, props)
  return [...lines.slice(0, at), begin, ...blockLines(props), end, ...lines.slice(block ? block.end + 1 : at)]
}

const state = z.strictObject({
  exists: z.boolean(),
  /** The text between the markers; null without a block. */
  content: z.string().nullable(),
  ...ownershipState,
})
type State = z.output<typeof state>

const contentOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

export const block_in_file = defineResource(
  {
    type: 'block_in_file',
    doc: 'Keeps a block of lines between two marker lines in a text file whose other lines belong to others; or removes it.',
    mirrors: "Ansible's blockinfile",
    examples: [
      {
        path: '/etc/ssh/sshd_config',
        name: 'sftp',
        block: 'Match Group sftp\n  ForceCommand internal-sftp\n',
        verify: { command: ['sshd', '-t', '-f', '%{path}'] },
      },
      { path: '/srv/www/site.html', name: 'banner', block: '<p>Closed</p>\n', comment: '<!--', commentEnd: '-->' },
    ],
    reach: 'paths',
    key: ({ path, name }) => `${name} in ${path}`,
    props,
    state,
  },
  {
    read(host, props): State {
      const file = readLines(host, props.path)
      const found = findBlock(file, props)
      const content = found ? contentOf(file.lines.slice(found.begin + 1, found.end)) : null
      return { exists: file.exists, content, ...fileOwnership(host, props, file.exists) }
    },
    desired(props, now): State {
      if (props.absent) return { ...now, content: null, ...(now.exists ? desiredOwnership(props) : noOwnership) }
      if (!props.create) requireFile(now.exists, props.path)
      return { exists: true, content: contentOf(blockLines(props)), ...desiredOwnership(props) }
    },
    ...lineEditor<Props, State>(changedLines),
  },
)
