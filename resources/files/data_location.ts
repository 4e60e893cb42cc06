/** Fails a run before its first change if data is in another directory than that of the attributes. */
import * as z from 'zod'
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type DefaultedQuery, defineQuery } from '../../core/model/query.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { shellWords } from '../../core/text/shell.ts'

const props = z.strictObject({
  what: z.string().min(1).describe('The data, for messages: `database`'),
  path: absolutePath.describe('Directory that the data belongs in'),
  others: z.array(absolutePath).describe('Directories where it may lie instead'),
  file: z.string().min(1).optional().describe('A file that shows that the directory has data; default: any file'),
  attribute: z.string().min(1).describe('The attribute that names the directory'),
  link: absolutePath.optional().describe('If this link leads to the directory, data in other places does not matter'),
})
type Props = z.output<typeof props>

const state = z.strictObject({ elsewhere: z.string().nullable() })

/** Decides whether a directory contains data. */
export function containsData(host: HostReader, directory: string, file?: string): boolean {
  if (file !== undefined) return host.stat(`${directory}/${file}`) !== null
  if (host.stat(directory)?.kind !== 'directory') return false
  return host.list(directory).some((name) => {
    const path = `${directory}/${name}`
    return host.lstat(path)?.kind === 'directory' ? containsData(host, path) : true
  })
}

export interface DataLocations {
  /** Directory with the data, if only that one has any, and a link leads to it; null for none. */
  readonly linked: string | null
  /** Whether the link is a directory of its own, and whether that has data. */
  readonly contentOfLink: 'nothing' | 'directory' | 'data'
  /** Whether the directory from the attribute has data. */
  readonly isAtPath: boolean
}

/**
 * Where the data of a host is.
 * @param place.link path at which programs find the data
 */
export function dataLocationsOf({
  path,
  others,
  file,
  link,
}: Pick<Props, 'path' | 'others' | 'file'> & { readonly link: string }): DefaultedQuery<DataLocations> {
  return defineQuery({
    name: `where ${link} leads`,
    read(host) {
      const isAtPath = containsData(host, path, file)
      const kind = host.lstat(link)?.kind
      const target = kind === 'link' ? host.readLink(link) : null
      const linked = others.find((other) => other === target && !isAtPath && containsData(host, other, file)) ?? null
      const kindOfLink = kind === 'directory' ? 'directory' : 'nothing'
      return {
        linked,
        contentOfLink: kindOfLink === 'directory' && containsData(host, link) ? 'data' : kindOfLink,
        isAtPath,
      }
    },
    unread: { linked: null, contentOfLink: 'nothing', isAtPath: false },
  })
}

function findElsewhere(host: HostReader, { path, others, file, link }: Props): string | null {
  if (link !== undefined && resolvedPath(host, link) === resolvedPath(host, path)) return null
  const ownPath = resolvedPath(host, path)
  return others.find((other) => resolvedPath(host, other) !== ownPath && containsData(host, other, file)) ?? null
}

function refuseLocation(host: HostReader, { what, path, file, attribute }: Props, other: string): never {
  const both = containsData(host, path, file)
  const away = shellWords(['mv', path, `${path}.old`])
  throw new ConvergeError(
    both
      ? `there is a ${what} in ${path}, as ${attribute} says, and another one in ${other}`
      : `the ${what} is in ${other}, not in ${path}, as ${attribute} says`,
    {
      code: 'DATA_ELSEWHERE',
      attribute,
      hint: both
        ? `find out which one is the site's: to use ${other}, set ${attribute} to it; to use ${path}, set ${attribute} to ${path}`
        : `set ${attribute} to ${other}, or stop what uses it and move it: ${existsHint(host, path, away)}${shellWords(['mv', other, path])}`,
    },
  )
}

function existsHint(host: HostReader, path: string, away: string): string {
  return host.lstat(path) === null ? '' : `${away} && `
}

export const data_location = defineResource(
  {
    type: 'data_location',
    doc: 'Fails where data, such as a database, lies in another directory than the attributes say, or in both; it moves nothing.',
    examples: [
      {
        what: 'database',
        path: '/mnt/shared/zodb/filestorage',
        others: ['/shared/zodb/filestorage'],
        file: 'Data.fs',
        attribute: 'plone_zeoserver.filestorage_dir',
      },
    ],
    reach: 'paths',
    key: ({ attribute }) => attribute,
    props,
    state,
  },
  {
    precheck(host, props) {
      const other = findElsewhere(host, props)
      if (other !== null) refuseLocation(host, props, other)
    },
    read: (host, props) => ({ elsewhere: findElsewhere(host, props) }),
    desired: (_, now) => now,
    apply: () => undefined,
  },
)
