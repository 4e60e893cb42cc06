/** Manages one file with a given content, mode and owner; or its absence. */

import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { inTheWay } from '../../core/model/file_errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import type { UnlessAbsent } from '../../core/model/unless_absent.ts'
import {
  applyOwnership,
  desiredOwnership,
  type OwnershipProps,
  ownershipProps,
  ownershipState,
  readOwnership,
} from './ownership.ts'
import { isPackagedOriginal, keepOriginal, originalPath } from './packaged_file.ts'
import { readRecipeFile, recipeFileProp } from './recipe_files.ts'
import { textOrDigest } from './sha256.ts'
import { type Verify, verifyContent, verifyProp } from './verify.ts'

export const fileState = z.strictObject({
  kind: z.enum(['absent', 'file', 'directory', 'link', 'other']),
  content: z.string().nullable(),
  ...ownershipState,
})

export type FileState = z.output<typeof fileState>

interface Target extends OwnershipProps {
  readonly path: string
}

const nothing = { content: null, mode: null, owner: null, group: null }

/** Returns the state of a file whose content matters. */
export function readFileState(
  host: HostReader,
  props: Target,
  contentAt: (path: string) => string | null = (path) => host.readText(path),
): FileState {
  const stat = host.lstat(props.path)
  if (stat === null) return { kind: 'absent', ...nothing }
  if (stat.kind !== 'file') return { kind: stat.kind, ...nothing }
  return { kind: 'file', content: contentAt(props.path), ...readOwnership(host, props, stat) }
}

export function desiredFileState(props: Target, content: string, now: FileState): FileState {
  if (now.kind === 'directory') throw inTheWay(`${props.path} is a directory, but a file was declared`, props.path)
  return { kind: 'file', content, ...desiredOwnership(props) }
}

/** @param bytes to write if the content describes them only */
export function applyFileState(
  host: Host,
  props: Target,
  content: string,
  now: FileState,
  bytes: string | Buffer = content,
): void {
  if (now.kind === 'file' && now.content === content) applyOwnership(host, props.path, now, props)
  else {
    keepOriginal(host, props.path)
    host.writeFile(props.path, bytes, props)
  }
}

/** Describes the replacement of a file from a package, instead of a diff that no one reads. */
export function replacedOriginal(
  host: HostReader,
  { path }: Target,
  { now, desired }: { readonly now: FileState; readonly desired: FileState },
): string | undefined {
  if (now.content === desired.content || !isPackagedOriginal(host, path)) return undefined
  return `${desired.kind === 'absent' ? 'removes' : 'replaces'} the distribution's file, kept as ${originalPath(path)}`
}

/** The property `verify` of files. */
export const verifyFile = verifyProp
  .optional()
  .describe('A program that checks new content before it replaces the one in use; a failing check leaves that')

/** The property `previous` of files. */
export const previousFile = absolutePath
  .optional()
  .describe(
    'File that a new file replaces, such as the same file of the current release. Reports show the new file as a diff of it',
  )

interface Verified extends Target {
  readonly verify?: Verify | undefined
}

/** Writes new content after its check, or at once if there is no check. */
export function applyVerified(
  host: Host,
  props: Verified,
  content: string,
  now: FileState,
  context: Context,
  bytes: string | Buffer = content,
): Promise<void> | void {
  const { path, verify } = props
  const write = () => applyFileState(host, props, content, now, bytes)
  if (verify === undefined || (now.kind === 'file' && now.content === content)) return write()
  return verifyContent(host, { path, verify }, bytes, context).then(write)
}

function removeFile(host: Host, path: string): void {
  keepOriginal(host, path)
  host.remove(path)
}

const schema = z
  .strictObject({
    path: absolutePath.describe('Path of the file; its directory must exist'),
    content: z.string().optional().describe('Its whole content, as UTF-8; required unless absent, or with source'),
    source: recipeFileProp.optional().meta({
      description:
        "File of the recipe in the place of content, also a binary one: recipeFile(import.meta.url, 'logo.png'). For a URL, use remote_file",
      hint: "for a URL, use remote_file(r, { path, url, sha256 }); for a file of the recipe, source: recipeFile(import.meta.url, 'NAME')",
    }),
    absent: z.boolean().optional().describe('Remove the file instead; default false'),
    ...ownershipProps,
    verify: verifyFile,
    previous: previousFile,
    verifiedCopy: absolutePath
      .optional()
      .describe(
        'Another file, with the text that was verified last. If that text is the content and this file differs, this file is damaged. The run repairs it first, so that it fails no check of another app',
      ),
  })
  .refine(({ absent, content, source }) => absent === true || content !== undefined || source !== undefined, {
    error: 'content is required unless absent is true',
    path: ['content'],
  })
  .refine(({ content, source }) => content === undefined || source === undefined, {
    error: 'content and source exclude each other',
    path: ['source'],
  })
type Props = z.output<typeof schema>
type Input = z.input<typeof schema>
const props: z.ZodType<Props, UnlessAbsent<Input, 'content', 'source'>> = schema as never

interface Content {
  /** For reports and comparison: the text, or what describes bytes that are no text. */
  readonly text: string
  readonly bytes: string | Buffer
}

function contentOf({ content = '', source }: Props): Content {
  if (source === undefined) return { text: content, bytes: content }
  const bytes = readRecipeFile(source.recipeFile)
  return { text: textOrDigest(bytes), bytes }
}

function read(host: HostReader, props: Props): FileState {
  if (props.source === undefined) return readFileState(host, props)
  return readFileState(host, props, (path) => {
    const bytes = host.readBytes(path)
    return bytes === null ? null : textOrDigest(bytes)
  })
}

export const file = defineResource(
  {
    type: 'file',
    doc: 'Keeps one file with the declared content, mode and owner, replaced atomically; or removes it.',
    mirrors: "Chef's file resource",
    examples: [
      { path: '/etc/motd', content: 'Managed by converge.\n' },
      { path: '/srv/site/shared/secret', content: 's3cret', mode: '0600', owner: 'deploy', group: 'www-data' },
      { path: '/etc/nginx/sites-enabled/default', absent: true },
      {
        path: '/etc/nginx/sites-available/site',
        content: 'server { listen 80; }\n',
        verify: { command: ['nginx', '-t', '-c', '%{path}'], inside: 'events {}\nhttp { include %{path}; }\n' },
      },
    ],
    reach: 'paths',
    key: (props) => props.path,
    props,
    state: fileState,
  },
  {
    isBroken(host, { path, content, verifiedCopy }) {
      if (typeof path !== 'string' || typeof verifiedCopy !== 'string') return false
      const found = host.readText(path)
      return found !== null && found !== content && host.readText(verifiedCopy) === content
    },
    read,
    desired(props, now): FileState {
      if (props.absent !== true) return desiredFileState(props, contentOf(props).text, now)
      if (now.kind === 'directory') desiredFileState(props, '', now)
      return { kind: 'absent', ...nothing }
    },
    apply(host, props, { now }, context) {
      if (props.absent === true) return removeFile(host, props.path)
      const { text, bytes } = contentOf(props)
      return applyVerified(host, props, text, now, context, bytes)
    },
    predict(host, props, { now }) {
      if (props.absent === true) return removeFile(host, props.path)
      const { text, bytes } = contentOf(props)
      applyFileState(host, props, text, now, bytes)
    },
    previous: (props) => props.previous,
    replaces: replacedOriginal,
    paths: (props) => [props.path],
    files: (props) =>
      props.absent
        ? []
        : [
            {
              path: props.path,
              content: contentOf(props).text,
              mode: props.mode,
              owner: props.owner,
              group: props.group,
            },
          ],
  },
)
