/** Queries of the releases of an app, for recipes whose declarations depend on them. */
import { readDisposable } from '../../core/model/file_errors.ts'
import { type DefaultedQuery, defineQuery, type Query } from '../../core/model/query.ts'
import { listReleases, type Release } from './releases.ts'

interface ReleasePaths {
  /** Directory of the releases. */
  readonly releases: string
  /** Link to the current release. */
  readonly current: string
}

/** The releases of an app, oldest first. */
export function releasesOf({ releases, current }: ReleasePaths): DefaultedQuery<readonly Release[]> {
  return defineQuery({
    name: `the releases in ${releases}`,
    read: (host) => listReleases(host, releases, current),
    unread: [],
  })
}

/** The current release of an app; undefined before its first deploy. */
export function currentReleaseOf(paths: ReleasePaths): DefaultedQuery<Release | undefined> {
  return defineQuery({
    name: `the current release in ${paths.releases}`,
    read: (host) =>
      releasesOf(paths)
        .read(host)
        .find(({ current }) => current),
    unread: undefined,
  })
}

export interface RollbackState {
  readonly releases: readonly Release[]
  /** Id of the target of a rollback that was interrupted; null for none. */
  readonly unfinished: string | null
}

/**
 * The releases to which an app can return.
 * @param record path of the link that names the target of a rollback under way
 */
export function rollbackStateOf(paths: ReleasePaths, record: string): Query<RollbackState> {
  return defineQuery({
    name: `the releases in ${paths.releases}`,
    read: (host) => ({ releases: releasesOf(paths).read(host), unfinished: host.readLink(record) }),
  })
}

/**
 * A file of a release, which the app's account can write; null if it is missing or unusable.
 * @param limit in bytes
 */
export function releaseFileOf(path: string, limit: number): Query<string | null> {
  return defineQuery({ name: `the text of ${path}`, read: (host) => readDisposable(host, path, { limit }) })
}
