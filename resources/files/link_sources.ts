/** Ensures that the targets of a release's links exist: creates missing directories, and refuses missing files. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { ownershipProps } from './ownership.ts'

const names = z.array(z.string().min(1)).default([])
const props = z.strictObject({
  app: z.string().min(1).describe('Name of the app'),
  shared: absolutePath.describe('Directory of what outlives releases'),
  files: names.describe('Files below it that a release links to; a missing one is an error'),
  directories: names.describe('Directories below it that a release links to; a file is accepted in the place of one'),
  ...ownershipProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  missingDirectories: z.array(z.string()),
  missingFiles: z.array(z.string()),
  /** Links whose target does not exist, such as on a disk that is not mounted. */
  dangling: z.array(z.string()),
})
type State = z.output<typeof state>

function read(host: HostReader, { shared, files, directories }: Props): State {
  const isMissing = (name: string) => host.stat(`${shared}/${name}`) === null
  const isLink = (name: string) => host.lstat(`${shared}/${name}`) !== null
  return {
    missingDirectories: directories.filter((name) => isMissing(name) && !isLink(name)),
    missingFiles: files.filter((name) => isMissing(name) && !isLink(name)),
    dangling: [...files, ...directories].filter((name) => isMissing(name) && isLink(name)),
  }
}

function desired({ app, shared }: Props, { missingFiles, dangling }: State): State {
  const listed = (some: readonly string[]) => some.map((name) => `${shared}/${name}`).join(', ')
  if (dangling.length > 0)
    throw new ConvergeError(`${app} links to what does not exist: ${listed(dangling)} is a link that points nowhere`, {
      code: 'MISSING_LINKED_FILE',
      hint: `mount or create what it points to: readlink ${shared}/${dangling[0]}`,
    })
  if (missingFiles.length > 0)
    throw new ConvergeError(`${app} links to shared files that do not exist: ${listed(missingFiles)}`, {
      code: 'MISSING_LINKED_FILE',
      hint: `create them; where one is a directory, list it in deploy.${app}.create_dirs_before_symlink`,
    })
  return { missingDirectories: [], missingFiles: [], dangling: [] }
}

function createDirectory(host: Host, path: string, { mode, owner, group }: Props): void {
  if (host.stat(path) !== null) return
  createDirectory(host, posix.dirname(path), { mode: '0755', owner, group } as Props)
  host.makeDirectory(path, { mode, owner, group })
}

export const link_sources = defineResource(
  {
    type: 'link_sources',
    doc: 'Makes sure that what releases link to below `shared` exists: makes missing directories, and refuses missing files before anything is built.',
    mirrors: "Capistrano's linked_files and linked_dirs",
    examples: [{ app: 'site', shared: '/srv/www/site/shared', files: ['config/.env'], directories: ['uploads'] }],
    reach: 'paths',
    key: ({ shared }) => shared,
    props,
    state,
  },
  {
    read,
    desired,
    apply(host, props, { now }) {
      for (const name of now.missingDirectories) createDirectory(host, `${props.shared}/${name}`, props)
    },
    words: (_, { now }) => `make ${now.missingDirectories.join(', ')}`,
  },
)
