/** Finds the newest version of a program that is installed in several versions, such as /usr/sbin/php-fpm8.4. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type DefaultedQuery, defineQuery } from '../../core/model/query.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePathPrefix } from '../../core/model/units.ts'

const props = z.strictObject({
  path: absolutePathPrefix.describe(
    'Path of the program without its version, such as /usr/sbin/php-fpm, or a directory of versions, such as /etc/postgresql/',
  ),
})

const state = z.strictObject({
  /** Null if none is installed. */
  version: z.string().nullable(),
})

export const versioned_program = defineResource(
  {
    type: 'versioned_program',
    doc: 'Finds the newest installed version of a program that has its version at the end of its name. Changes nothing.',
    examples: [{ path: '/usr/sbin/php-fpm' }],
    reach: 'paths',
    key: ({ path }) => path,
    props,
    state,
    constant: true,
  },
  {
    read: (host, { path }) => ({ version: newestVersion(host, path) }),
    desired({ path }, now) {
      if (now.version === null)
        throw new ConvergeError(`no version of ${path} is installed`, {
          code: 'NO_PROGRAM',
          hint: 'run setup first, or declare its package with packages() before this',
        })
      return now
    },
    apply: () => undefined,
    outputs: (_, { version }) => ({ version: version ?? '' }),
    placeholders: () => ({ version: 'VERSION' }),
  },
)

/** The newest version of a program, where it decides the names of resources; null if none is installed. */
export function newestVersionOf(path: string): DefaultedQuery<string | null> {
  return defineQuery({ name: `the newest ${path}`, read: (host) => newestVersion(host, path), unread: null })
}

/** Returns the newest version of a program; null if none is installed. */
export function newestVersion(host: HostReader, path: string): string | null {
  const [directory, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
  const versions = host
    .list(directory)
    .flatMap((entry) => (entry.startsWith(name) && /^\d+(\.\d+)*$/.test(entry.slice(name.length)) ? [entry] : []))
    .map((entry) => entry.slice(name.length))
  return versions.sort(compareVersions).at(-1) ?? null
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? -1) - (right[at] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}
