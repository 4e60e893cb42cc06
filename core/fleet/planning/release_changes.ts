/** Computes which release each host changes from and to, and groups hosts with the same change. */
import { omitUndefined } from '../../model/omit_undefined.ts'
import type { AppReleases } from '../host_answers.ts'
import type { RolloutPorts } from '../rollout/state/ports.ts'
import type { RolloutHost } from '../rollout/state/request.ts'
import type { CurrentRelease, GroupedReleaseChange, Phase, ReleaseChange, ReleaseName } from '../types.ts'
import type { Targets } from './rollback_targets.ts'

export interface HostReleaseChange extends ReleaseChange {
  readonly host: string
}

/**
 * Computes the changes of a host to target releases.
 * @param targets id of the release of each app
 */
export function changesTo(releases: readonly AppReleases[], targets: Targets): ReleaseChange[] {
  return releases.flatMap(({ name, releases }) => {
    const target = releases.find(({ id }) => id === targets.get(name))
    if (target === undefined) return []
    const current = releases.find((release) => release.current)
    return [{ app: name, from: current === undefined ? null : releaseName(current), to: releaseName(target) }]
  })
}

function releaseName({ id, commit, subject }: AppReleases['releases'][number]): ReleaseName {
  return { release: id, commit, ...omitUndefined({ subject }) }
}

/** Computes the changes of releases between two inspections of a host. */
export function changesBetween(before: readonly CurrentRelease[], after: readonly CurrentRelease[]): ReleaseChange[] {
  return after.flatMap(({ app, ...to }) => {
    const from = currentRelease(before, app)
    return to.release === null || to.release === from?.release ? [] : [{ app, from, to }]
  })
}

/** Returns the current release of an app; null where it has none. */
export function currentRelease(releases: readonly CurrentRelease[], app: string): ReleaseName | null {
  const found = releases.find((one) => one.app === app)
  if (found === undefined || found.release === null) return null
  const { app: _, ...name } = found
  return name
}

/** Computes what a deploy changes on a host: from its current releases to the commits of this deployment. */
export function changesOfDeploy(
  { name, apps }: RolloutHost,
  current: readonly CurrentRelease[],
  commitOf: (app: string) => string | null,
): HostReleaseChange[] {
  return apps.flatMap((app) => {
    const commit = commitOf(app)
    return commit === null
      ? []
      : [{ host: name, app, from: currentRelease(current, app), to: { release: null, commit } }]
  })
}

/** Decides whether the host gets another release, as far as that is known. */
export function isChange({ from, to }: ReleaseChange): boolean {
  return to.release === null ? from?.commit !== to.commit : from?.release !== to.release
}

export function groupReleaseChanges(moves: readonly HostReleaseChange[]): GroupedReleaseChange[] {
  const groups = new Map<string, { readonly move: ReleaseChange; readonly hosts: string[] }>()
  for (const { host, ...move } of moves) {
    const { app, from, to } = move
    const key = JSON.stringify([app, from?.release, from?.commit, to.release, to.commit])
    const group = groups.get(key) ?? { move, hosts: [] }
    group.hosts.push(host)
    groups.set(key, group)
  }
  return [...groups.values()].map(({ move, hosts }) => ({ ...move, hosts }))
}

/** Reports the changes of a phase before it begins, with the commits in between where a local clone has them. */
export async function emitReleaseChanges(
  moves: readonly HostReleaseChange[],
  phase: Phase,
  { emit, commitsBetween }: Pick<RolloutPorts, 'emit' | 'commitsBetween'>,
): Promise<void> {
  if (moves.length === 0) return
  const grouped = await Promise.all(
    groupReleaseChanges(moves).map(async (move): Promise<GroupedReleaseChange> => {
      const [from, to] = [move.from?.commit ?? null, move.to.commit]
      const commits = from === null || to === null || from === to ? null : await commitsBetween?.(from, to)
      return commits ? { ...move, commits } : move
    }),
  )
  emit({ event: 'moves', phase, moves: grouped })
}
