/** Keeps a directory as it is in the directory of a recipe, with all files below it. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { FileKind, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { describeFileKind } from '../../core/model/file_errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath, fileMode } from '../../core/model/units.ts'
import { applyOwnership, desiredOwnership, ownershipProps, ownershipState, readOwnership } from './ownership.ts'
import { readRecipeFile, recipeDirectoryProp } from './recipe_files.ts'
import { digestOfBytes } from './sha256.ts'

const props = z.strictObject({
  path: absolutePath.describe('Path of the directory; its parent must exist'),
  source: recipeDirectoryProp.meta({
    description: "Directory of the recipe: recipeDirectory(import.meta.url, 'files/shop.d')",
    hint: "write source: recipeDirectory(import.meta.url, 'NAME'); for an archive at a URL, use archive(r, { url, into })",
  }),
  purge: z.boolean().default(false).describe('Remove what is below the path and not in the source; default false'),
  mode: fileMode.optional().describe('Mode of the files; default: 0755 for executable files of the recipe, else 0644'),
  directoryMode: fileMode.default('0755').describe('Mode of the directories; default 0755'),
  owner: ownershipProps.owner,
  group: ownershipProps.group,
})
type Props = z.output<typeof props>

const kind = z.enum(['absent', 'file', 'directory', 'link', 'other'])

const state = z.strictObject({
  directories: z.record(z.string(), z.strictObject({ kind, ...ownershipState })),
  files: z.record(z.string(), z.strictObject({ kind, sha256: z.string().nullable(), ...ownershipState })),
  /** Files, links and directories that the recipe does not have, if `purge` removes them. */
  surplus: z.array(z.string()),
})
type State = z.output<typeof state>

const nothing = { mode: null, owner: null, group: null }

/** Returns the directories of the source; the first one is the whole, with the empty name. */
function directoriesOf({ source }: Props): string[] {
  const found = new Set([''])
  for (const file of Object.keys(source.files))
    for (let parent = posix.dirname(file); parent !== '.'; parent = posix.dirname(parent)) found.add(parent)
  return [...found].sort()
}

const placeOf = ({ path }: Props, name: string) => (name === '' ? path : `${path}/${name}`)

function directoryProps({ directoryMode: mode, owner, group }: Props) {
  return { mode, owner, group }
}

function fileProps({ mode, owner, group, source }: Props, name: string) {
  return { mode: mode ?? (source.files[name]?.executable ? '0755' : '0644'), owner, group }
}

function read(host: HostReader, props: Props): State {
  const directories = directoriesOf(props).map((name) => {
    const stat = host.lstat(placeOf(props, name))
    if (stat?.kind !== 'directory') return [name, { kind: stat?.kind ?? 'absent', ...nothing }] as const
    return [name, { kind: 'directory', ...readOwnership(host, directoryProps(props), stat) }] as const
  })
  const files = Object.keys(props.source.files).map((name) => {
    const path = placeOf(props, name)
    const stat = host.lstat(path)
    if (stat?.kind !== 'file') return [name, { kind: stat?.kind ?? 'absent', sha256: null, ...nothing }] as const
    const sha256 = digestOfBytes(host.readBytes(path) ?? Buffer.alloc(0))
    return [name, { kind: 'file', sha256, ...readOwnership(host, fileProps(props, name), stat) }] as const
  })
  return {
    directories: Object.fromEntries(directories),
    files: Object.fromEntries(files),
    surplus: props.purge ? surplusOf(host, props, '') : [],
  }
}

/** Returns what the source does not have; of a whole directory only its own name. */
function surplusOf(host: HostReader, props: Props, below: string): string[] {
  const directories = directoriesOf(props)
  const path = placeOf(props, below)
  if (host.lstat(path)?.kind !== 'directory') return []
  return host.list(path).flatMap((entry) => {
    const name = below === '' ? entry : `${below}/${entry}`
    if (Object.hasOwn(props.source.files, name)) return []
    return directories.includes(name) ? surplusOf(host, props, name) : [name]
  })
}

function desired(props: Props, now: State): State {
  for (const [name, found] of Object.entries(now.directories))
    if (found.kind !== 'absent' && found.kind !== 'directory')
      throw inTheWay(placeOf(props, name), found.kind, 'directory')
  for (const [name, found] of Object.entries(now.files))
    if (found.kind === 'directory' || found.kind === 'other') throw inTheWay(placeOf(props, name), found.kind, 'file')
  const directory = { kind: 'directory', ...desiredOwnership(directoryProps(props)) } as const
  return {
    directories: Object.fromEntries(directoriesOf(props).map((name) => [name, directory])),
    files: Object.fromEntries(
      Object.entries(props.source.files).map(([name, { sha256 }]) => [
        name,
        { kind: 'file', sha256, ...desiredOwnership(fileProps(props, name)) },
      ]),
    ),
    surplus: [],
  }
}

function inTheWay(path: string, kind: FileKind, declared: 'file' | 'directory'): ConvergeError {
  return new ConvergeError(`${path} is ${describeFileKind(kind)}, but a ${declared} was declared`, {
    code: 'IN_THE_WAY',
    hint: `check whether it is still needed, then move it away: mv ${path} ${path}.old`,
  })
}

function apply(host: Host, props: Props, { now, desired }: { readonly now: State; readonly desired: State }): void {
  for (const name of directoriesOf(props)) {
    const [path, found] = [placeOf(props, name), now.directories[name] ?? { kind: 'absent', ...nothing }]
    if (found.kind === 'directory') applyOwnership(host, path, found, directoryProps(props))
    else host.makeDirectory(path, directoryProps(props))
  }
  for (const [name, file] of Object.entries(desired.files)) {
    const [path, found] = [placeOf(props, name), now.files[name]]
    const ownership = fileProps(props, name)
    if (found?.kind === 'file' && found.sha256 === file.sha256) applyOwnership(host, path, found, ownership)
    else host.writeFile(path, readRecipeFile(`${props.source.recipeDirectory}/${name}`), ownership)
  }
  for (const name of now.surplus) host.remove(placeOf(props, name))
}

const listed = 5

function describe(label: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length > listed ? `, and ${names.length - listed} more` : ''
  return [`${label} ${names.slice(0, listed).join(', ')}${more}`]
}

export const remote_directory = defineResource(
  {
    type: 'remote_directory',
    doc: 'Keeps a directory with all files of a directory of the recipe, each replaced atomically; with purge, without any others.',
    mirrors: "Chef's remote_directory resource, Ansible's copy",
    examples: [
      {
        path: '/etc/shop.d',
        source: {
          recipeDirectory: '/srv/recipes/files/shop.d',
          files: {
            'mail.conf': {
              sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
              executable: false,
            },
          },
        },
        purge: true,
        owner: 'deploy',
      },
    ],
    reach: 'paths',
    key: ({ path }) => path,
    props,
    state,
  },
  {
    read,
    desired,
    apply,
    paths: ({ path }) => [path],
    words(_, { now, desired }) {
      const names = Object.keys(desired.files)
      const changed = names.filter((name) => now.files[name]?.sha256 !== desired.files[name]?.sha256)
      const isNew = (name: string) => now.files[name]?.kind === 'absent'
      const parts = [
        ...describe('add', changed.filter(isNew)),
        ...describe(
          'replace',
          changed.filter((name) => !isNew(name)),
        ),
        ...describe('remove', now.surplus),
      ]
      return parts.length > 0 ? parts.join('; ') : 'owner or mode'
    },
  },
)
