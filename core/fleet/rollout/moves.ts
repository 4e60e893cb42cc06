/** Computes which release each host changes from and to, and groups hosts with the same change. */
import type { GroupedMove, LiveRelease, Move, Phase, ReleaseName } from '../types.ts'
import type { AppReleases } from './answers.ts'
import type { Targets } from './back.ts'
import type { Member, Ports } from './request.ts'

export interface HostMove extends Move {
  readonly host: string
}

/** @param targets id of the release that each app goes to */
export function movesTo(releases: readonly AppReleases[], targets: Targets): Move[] {
  return releases.flatMap(({ name, releases }) => {
    const goal = releases.find(({ id }) => id === targets.get(name))
    if (goal === undefined) return []
    const current = releases.find((release) => release.current)
    return [{ app: name, from: current === undefined ? null : nameOf(current), to: nameOf(goal) }]
  })
}

function nameOf({ id, commit, subject }: AppReleases['releases'][number]): ReleaseName {
  return { release: id, commit, ...(subject === undefined ? {} : { subject }) }
}

/** Computes the changes of releases between two inspections of a host. */
export function movesBetween(before: readonly LiveRelease[], after: readonly LiveRelease[]): Move[] {
  return after.flatMap(({ app, ...to }) => {
    const from = currentIn(before, app)
    return to.release === null || to.release === from?.release ? [] : [{ app, from, to }]
  })
}

/** Returns the current release of an app; null where it has none. */
export function currentIn(live: readonly LiveRelease[], app: string): ReleaseName | null {
  const found = live.find((one) => one.app === app)
  if (found === undefined || found.release === null) return null
  const { app: _, ...name } = found
  return name
}

/** Computes what a deploy changes on a host: from its current releases to the commits of this deployment. */
export function movesOfDeploy(
  { name, apps }: Member,
  live: readonly LiveRelease[],
  commitOf: (app: string) => string | null,
): HostMove[] {
  return apps.flatMap((app) => {
    const commit = commitOf(app)
    return commit === null ? [] : [{ host: name, app, from: currentIn(live, app), to: { release: null, commit } }]
  })
}

/** Decides whether the host gets another release, as far as that is known. */
export function isChange({ from, to }: Move): boolean {
  return to.release === null ? from?.commit !== to.commit : from?.release !== to.release
}

export function groupMoves(moves: readonly HostMove[]): GroupedMove[] {
  const groups = new Map<string, { readonly move: Move; readonly hosts: string[] }>()
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
export async function tellMoves(
  moves: readonly HostMove[],
  phase: Phase,
  { tell, commitsBetween }: Pick<Ports, 'tell' | 'commitsBetween'>,
): Promise<void> {
  if (moves.length === 0) return
  const grouped = await Promise.all(
    groupMoves(moves).map(async (move): Promise<GroupedMove> => {
      const [from, to] = [move.from?.commit ?? null, move.to.commit]
      const commits = from === null || to === null || from === to ? null : await commitsBetween?.(from, to)
      return commits ? { ...move, commits } : move
    }),
  )
  tell({ event: 'moves', phase, moves: grouped })
}
