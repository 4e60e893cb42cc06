/** Removes releases that are no longer needed, and the rest of killed runs. */
import * as z from 'zod'
import { mountsAtOrBelow } from '../../core/host/mounts.ts'
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { surplusReleases } from './release_selection.ts'
import { listReleases, metadataDirectory } from './releases.ts'
import { releasesInUse } from './releases_in_use.ts'

const state = z.strictObject({ surplus: z.array(z.string()) })

export const release_cleanup = defineResource(
  {
    type: 'release_cleanup',
    doc: 'Keeps the newest complete releases, the current one, the one before it, and those in which a process works, and removes the others.',
    mirrors: "keep_releases of Chef's deploy resource",
    examples: [{ into: '/srv/www/site/releases', current: '/srv/www/site/current', keep: 5 }],
    reach: 'paths',
    key: ({ into }) => into,
    props: z.strictObject({
      into: absolutePath.describe('Directory that holds the releases; those of other tools in it are left alone'),
      current: absolutePath.describe('The link to the current release'),
      keep: z
        .number()
        .int()
        .min(2, { error: '2 or more: the current release and the one to roll back to' })
        .default(5)
        .describe('How many complete releases stay; default 5'),
    }),
    state,
  },
  {
    read(host, { into, current, keep }, context) {
      const surplus = unusedReleases(host, into, surplusReleases(host, into, listReleases(host, into, current), keep))
      const stuck = stuckNames(host, into).filter((name) => surplus.includes(name))
      if (stuck.length > 0)
        context.warn(
          `${stuck.join(', ')} in ${into} could not be removed (check what prevents the removal; the next cleanup retries)`,
        )
      // A release that cannot be removed is retried only when there is something else to remove.
      return { surplus: tried.has(context) || stuck.length === surplus.length ? [] : surplus }
    },
    desired: () => ({ surplus: [] }),
    words: (_, { now }) => `remove ${now.surplus.join(', ')}`,
    apply(host, { into }, { now }, context) {
      const stuck = now.surplus.filter((name) => !tryRemove(host, into, name, context))
      if (stuck.length > 0 || stuckNames(host, into).length > 0) host.record(recordName(into), JSON.stringify(stuck))
      tried.add(context)
    },
    predict(host, { into }, { now }) {
      for (const name of now.surplus) host.remove(`${into}/${name}`)
    },
  },
)

/**
 * Returns the releases that no program uses. A program that no later deploy restarted needs the files of its release.
 */
function unusedReleases(host: HostReader, into: string, surplus: readonly string[]): string[] {
  const inUse = surplus.length === 0 ? new Set() : releasesInUse(host, into)
  return surplus.filter((name) => !inUse.has(name))
}

/** Contexts of completed cleanups: a release that could not be removed does not fail the run. */
const tried = new WeakSet<Context>()

function recordName(into: string): string {
  return `release_cleanup ${into}`
}

/** Returns the names that an earlier cleanup could not remove; a release is renamed first. */
function stuckNames(host: HostReader, into: string): string[] {
  try {
    const names: unknown = JSON.parse(host.recorded(recordName(into)) ?? '[]')
    const texts = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
    return texts.flatMap((name) => [name, `.${name}.removing`])
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return []
  }
}

/** Removes a release; reports a failure as a warning, since no deploy depends on it. */
function tryRemove(host: Host, into: string, name: string, { warn }: Context): boolean {
  try {
    removeRelease(host, into, name)
    return true
  } catch (thrown) {
    const { code, message, output, hint } = asConvergeError(thrown)
    if (code === 'INTERNAL') throw thrown
    const reason = output?.split('\n')[0]
    warn([message, ...(reason === undefined ? [] : [reason]), ...(hint === undefined ? [] : [`(${hint})`])].join(': '))
    return false
  }
}

/** Removes a release in steps, so that an incomplete one never looks complete. */
function removeRelease(host: Host, into: string, name: string): void {
  let path = `${into}/${name}`
  const [mount] = mountsAtOrBelow(host.readText('/proc/self/mountinfo') ?? '', path)
  if (mount !== undefined)
    throw new ConvergeError(`${path} stays: something is mounted at ${mount}`, {
      code: 'CANNOT_REMOVE',
      hint: `umount ${mount}`,
    })
  if (!name.startsWith('.')) {
    host.remove(`${path}/${metadataDirectory}/complete`)
    const hidden = `${into}/.${name}.removing`
    // A killed run may have left an empty directory.
    host.remove(hidden)
    host.rename(path, hidden)
    path = hidden
  }
  host.remove(path)
}
