/** Determines where the code of a release comes from, and which commit to check out. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { fileOwner } from '../files/ownership.ts'
import type { Release } from '../releases/releases.ts'
import { directoryDigest } from './directory_source.ts'
import { type Mirror, notedCommit } from './mirror.ts'
import type { GitReleaseProps } from './props.ts'
import { createRemote } from './remote.ts'
import { isMovableName, type Resolution, resolveRevision } from './resolve_revision.ts'

/** The desired release; all fields are null if only a fetch can determine it. */
export interface DesiredRelease {
  readonly id: string | null
  readonly commit: string | null
  readonly identity: string | null
}

export interface DesiredCommit {
  readonly commit: string | null
  /** Whether the remote was queried, now or by the operator's computer. */
  readonly wasQueried: boolean
  /** The commit that the mirror has recorded for the revision; null if it does not matter. */
  readonly recordedCommit: string | null
  /** Why the commit may be out of date: the remote could not be queried. */
  readonly unconfirmed?: string | undefined
}

export function createMirror(host: HostReader, props: GitReleaseProps, context: Context): Mirror {
  const remote = createRemote(props, context.secret)
  return { path: `${props.shared}/repo.git`, remote, owner: fileOwner(host, props) }
}

export async function desiredCommit(
  host: HostReader,
  props: GitReleaseProps,
  releases: readonly Release[],
  context: Context,
): Promise<DesiredCommit> {
  const withoutQuery = { wasQueried: false, recordedCommit: null }
  if (props.pin === 'current') return { ...withoutQuery, commit: currentCommit(releases, props.current) }
  if (props.scmType === 'directory') return { ...withoutQuery, commit: directoryDigest(host, sourceDirectory(props)) }
  const mirror = createMirror(host, props, context)
  const { commit, asked, unconfirmed }: Resolution =
    props.commit === undefined
      ? await resolveRevision(host, mirror, props.revision, releases, context)
      : // The operator's computer, which gave the commit, has asked the remote for all hosts.
        { commit: props.commit.toLowerCase(), asked: isMovableName(props.revision) }
  return {
    commit,
    wasQueried: asked,
    recordedCommit: asked ? notedCommit(host, mirror, props.revision) : null,
    unconfirmed,
  }
}

function currentCommit(releases: readonly Release[], link: string): string {
  const current = releases.find((release) => release.current)
  if (current !== undefined && current.commit !== null) return current.commit
  throw new ConvergeError(
    current === undefined
      ? `no current release at ${link} whose commit could be used`
      : `the current release ${current.path} has no record of its commit: converge did not create it`,
    { code: 'NO_CURRENT', hint: 'run a deploy first' },
  )
}

/** Returns the directory to copy; it must not contain the copies. */
export function sourceDirectory({ repository, into, shared }: GitReleaseProps): string {
  const path = repository.replace(/^file:\/\//, '').replace(/(?!^)\/+$/, '')
  const inner = [into, shared].find((below) => `${below}/`.startsWith(`${path}/`))
  if (inner === undefined) return path
  throw new ConvergeError(`${path} cannot be copied into itself: ${inner} is inside`, {
    code: 'INSIDE_ITSELF',
    hint: 'deploy to a directory outside',
    usage: true,
  })
}

/** Requires the directories that recipes make earlier: git would create them too, but with default modes. */
export function requireDirectories(host: Host, { into, shared }: GitReleaseProps): void {
  for (const path of [into, shared])
    if (host.stat(path)?.kind !== 'directory')
      throw new ConvergeError(`the directory ${path} does not exist`, {
        code: 'ENOENT',
        hint: 'declare it with directory() before the release',
      })
}
