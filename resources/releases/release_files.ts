/**
 * Writes configuration files into a release during its build; afterwards they belong to the release, as its code does.
 */
import { posix } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { readDisposable } from '../../core/model/file_errors.ts'
import { under } from '../../core/model/reference.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { relativePathProp } from '../git/props.ts'

const props = z.strictObject({
  release: absolutePath.describe('Directory of the release, as git_release gives it'),
  files: z.record(relativePathProp, z.string()).describe('Content of each file, by its path in the release'),
  current: absolutePath
    .optional()
    .describe('Link to the current release: reports say which of its files have another content; default: none'),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, { error: 'a mode of three octal digits, such as 0640' })
    .default('0640')
    .describe('Mode of the files; default 0640'),
  owner: z.string().min(1).optional().describe('Account that owns the files; default: that of the run'),
  group: z.string().min(1).optional().describe('Group of the files; default: that of the run'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Whether the build is done. */
  built: z.boolean(),
  files: z.record(z.string(), z.string().nullable()),
})
type State = z.output<typeof state>

/** A path below a release: the build creates this file last. */
export const builtMark = '.converge/built'

function read(host: HostReader, { release, files }: Props): State {
  const built = host.lstat(`${release}/${builtMark}`) !== null
  const contentOf = (path: string) =>
    host.lstat(`${release}/${path}`)?.kind === 'file' ? host.readText(`${release}/${path}`) : null
  return { built, files: Object.fromEntries(Object.keys(files).map((path) => [path, built ? null : contentOf(path)])) }
}

function apply(host: Host, { release, files, mode, owner, group }: Props): void {
  for (const [path, content] of Object.entries(files)) {
    makeParents(host, posix.dirname(`${release}/${path}`), { owner, group })
    host.writeFile(`${release}/${path}`, content, { mode, owner, group })
  }
}

/** Says what changes for the app, where the files themselves must not be displayed. */
function describeFiles(host: HostReader, { files, current }: Props): string | undefined {
  if (current === undefined || host.stat(current) === null) return undefined
  const names = Object.keys(files).map((path) => `${path} (${compared(host, `${current}/${path}`, files[path])})`)
  return `write ${names.join(', ')}`
}

function compared(host: HostReader, path: string, content: string | undefined): string {
  const text = readDisposable(host, path)
  if (text === null) return 'not in the current release'
  return text === content ? 'as in the current release' : 'differs from the current release'
}

function makeParents(host: Host, path: string, ownership: Pick<Props, 'owner' | 'group'>): void {
  if (host.stat(path) !== null) return
  makeParents(host, posix.dirname(path), ownership)
  host.makeDirectory(path, { mode: '0755', ...ownership })
}

export const release_files = defineResource(
  {
    type: 'release_files',
    doc: 'Writes configuration files into a release before its build; a release that is built keeps its files.',
    examples: [
      {
        release: '/srv/www/site/releases/000042-1a2b3c4d',
        files: { 'run/etc/realm.properties': 'admin: CRYPT:adpexzg3FUZAk,admin\n' },
        owner: 'deploy',
        group: 'www-data',
      },
    ],
    reach: 'paths',
    key: ({ release }) => release,
    props,
    state,
  },
  {
    read,
    desired: ({ files }, now): State => (now.built ? now : { built: false, files }),
    apply: (host, props) => apply(host, props),
    replaces: describeFiles,
    words: ({ files }) => `write ${Object.keys(files).join(', ')}`,
    paths: ({ release, files }) => Object.keys(files).map((path) => under(release, path)),
  },
)
