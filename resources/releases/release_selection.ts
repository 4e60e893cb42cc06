/** Selects releases of a list: for a deploy, a rollback and a cleanup. */
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { nearest } from '../../core/model/nearest.ts'
import { leftovers, type Release } from './releases.ts'

export interface ReleaseRequest {
  readonly identity: string
  /** Whether every run makes a new one, unless the last is incomplete. */
  readonly always: boolean
  /** `any`: also a complete one that is older than the current one. */
  readonly reuse: 'newer' | 'any'
}

/**
 * Returns the existing release for an identity: the newest one, if it is current, or newer than the current one (built
 * ahead, incomplete, or rolled back). Null if a new one must be created. An incomplete release must be newer than all
 * complete ones: else the next cleanup would remove it before its deploy.
 * @param boot the current boot of the host; an incomplete release of an earlier boot is not trusted
 */
export function releaseFor(
  releases: readonly Release[],
  { identity, always, reuse }: ReleaseRequest,
  boot: string | null,
): Release | null {
  const newestFirst = releases.filter((release) => release.isManaged).reverse()
  const lastComplete = newestFirst.find((release) => release.complete)?.id ?? ''
  const trusted = ({ boot: ofRelease, id }: Release) => ofRelease === boot && id > lastComplete
  const fits = (release: Release) =>
    release.identity === identity && (release.complete || release.current || trusted(release))
  if (always) {
    const newest = newestFirst[0]
    return newest !== undefined && !newest.complete && fits(newest) ? newest : null
  }
  const current = newestFirst.find((release) => release.current)
  const found = newestFirst.find(fits)
  if (found === undefined) return null
  const isUsable =
    found.current || current === undefined || found.id > current.id || (reuse === 'any' && found.complete)
  return isUsable ? found : null
}

/**
 * Returns the names in `into` to remove: complete releases beyond the newest `keep`, incomplete ones older than the
 * newest complete one, and the rest of killed runs. Never the current release, the target of a rollback, or the newest
 * complete one.
 */
export function surplusReleases(host: HostReader, into: string, releases: readonly Release[], keep: number): string[] {
  const known = releases.filter((release) => release.isManaged)
  const complete = known.filter((release) => release.complete)
  const newest = complete.at(-1)
  const retained = new Set<Release | undefined>([...complete.slice(-keep), newest, releaseBefore(releases)])
  const mayGo = (release: Release) =>
    !release.current && !retained.has(release) && (release.complete || (newest !== undefined && release.id < newest.id))
  return [...leftovers(host, into), ...known.filter(mayGo).map((release) => release.id)].sort()
}

/** Returns the release that a rollback selects. */
export function releaseBefore(releases: readonly Release[]): Release | undefined {
  return releases.find((release) => release.previous)
}

/**
 * Returns the release that an operator names for a rollback, which may be newer than the current one.
 * @param to an id, or the start of one or of its commit
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function rollbackTarget(releases: readonly Release[], to: string): Release {
  const complete = releases.filter((release) => release.isManaged && release.complete)
  const hint =
    complete.length === 0
      ? 'deploy the app first: it has no complete release'
      : `choose one that is complete: ${listNames(complete)}`
  const known = releases.filter((release) => release.isManaged)
  const exact = known.filter((release) => release.id === to)
  const fitting =
    exact.length > 0 ? exact : known.filter(({ id, commit }) => id.startsWith(to) || commit?.startsWith(to))
  const [target] = fitting
  if (target === undefined)
    throw new ConvergeError(`there is no release ${to}`, {
      code: 'NO_SUCH_RELEASE',
      hint:
        nearest(
          to,
          complete.map((release) => release.id),
        ) ?? hint,
      usage: true,
    })
  if (fitting.length > 1)
    throw new ConvergeError(`${to} may be any of ${listNames(fitting)}`, {
      code: 'AMBIGUOUS_RELEASE',
      hint: 'give the whole id',
      usage: true,
    })
  if (!target.complete)
    throw new ConvergeError(`the release ${target.id} was never finished`, {
      code: 'NOT_COMPLETE',
      hint,
      usage: true,
    })
  return target
}

function listNames(releases: readonly Release[]): string {
  return releases.map((release) => release.id).join(', ')
}
