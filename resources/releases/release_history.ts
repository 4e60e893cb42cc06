/** Records which releases were current, one after the other, so that a rollback selects the one before. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { writeDisposable } from '../../core/model/file_errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import { historyPath, moveToEnd, readHistory, truncateAfter } from './history.ts'
import { listReleases, wereCurrent } from './releases.ts'

const props = z.strictObject({
  into: absolutePath.describe('Directory that holds the releases; the history is kept in it'),
  current: absolutePath.describe('The link to the current release'),
  release: absolutePath.describe('The release that the run switches to'),
  step: z
    .enum(['before', 'after'])
    .describe('before the switch of a rollback: forget what came after the release; after a switch: add the release'),
  from: z.string().min(1).optional().describe('Id of the release that was current before this run; default: none'),
  owner: z.string().min(1).optional().describe('Account that owns the history; default: that of the run'),
  group: z.string().min(1).optional().describe('Group that owns the history; default: that of the run'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** Ids of releases, the last one is current; null if none is recorded. */
  recorded: z.array(z.string()).nullable(),
  /** Releases that an earlier version of converge, which recorded no history, left for a rollback. */
  earlier: z.array(z.string()),
})
type State = z.output<typeof state>

export const release_history = defineResource(
  {
    type: 'release_history',
    doc: 'Records which releases were current, one after the other; a rollback goes to the one before the current one.',
    examples: [
      {
        into: '/srv/www/site/releases',
        current: '/srv/www/site/current',
        release: '/srv/www/site/releases/000042-1a2b3c4d',
        step: 'after' as const,
      },
    ],
    reach: 'paths',
    key: ({ into, step }) => `${into} ${step} the switch`,
    props,
    state,
  },
  {
    read: (host, props): State => ({
      recorded: readHistory(host, props.into)?.slice() ?? null,
      earlier: earlierThan(host, props),
    }),
    desired({ release, step, from }, now): State {
      const id = releaseId(release)
      // A host of an earlier version gets its history at the first switch.
      if (now.recorded === null && (id === from || (step === 'before' && now.earlier.length === 0))) return now
      const history = now.recorded ?? now.earlier
      return { ...now, recorded: step === 'before' ? truncateAfter(history, id) : moveToEnd(history, id) }
    },
    apply(host, { into, owner, group }, { desired }) {
      if (desired.recorded === null) return
      const text = desired.recorded.map((id) => `${id}\n`).join('')
      writeDisposable(host, historyPath(into), text, { mode: '0644', owner, group })
    },
    words({ release, step, from }) {
      const to = releaseId(release)
      if (from === undefined || from === to) return `${to} is the current release`
      return step === 'before' ? `roll back from ${from} to ${to}` : `switch from ${from} to ${to}`
    },
  },
)

function releaseId(release: string): string {
  return release.slice(release.lastIndexOf('/') + 1)
}

/** Returns the releases before `from`, by their marks; none if a history exists, which takes precedence. */
function earlierThan(host: HostReader, { into, current, from }: Props): string[] {
  if (from === undefined || readHistory(host, into) !== null) return []
  const releases = listReleases(host, into, current).map((release) => ({ ...release, current: release.id === from }))
  return [...wereCurrent(releases).map(({ id }) => id), from]
}
