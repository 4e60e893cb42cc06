/** Reads files of a repository at the commit that a deploy would use, without a checkout. */
import { posix } from 'node:path'
import type { HostReader } from '../../core/host/types.ts'
import { seconds } from '../../core/model/units.ts'
import { listReleases } from '../releases/releases.ts'
import { hasCommit, type Mirror } from './mirror.ts'
import type { GitReleaseProps } from './props.ts'
import { queryContext } from './query_context.ts'
import { localGit, remoteGit } from './remote.ts'
import { askNames } from './resolve_revision.ts'
import { createMirror, desiredCommit, sourceDirectory } from './source.ts'

export interface Contents {
  /** The source of the files: a revision with its commit, or a directory. */
  readonly description: string
  /** Reads a file; null if the repository does not have it. */
  file(path: string): Promise<string | null>
  /**
   * Asks the repository, also where its commit is known already, as on a host of a stack.
   * @throws as git_release does if the repository cannot be reached
   */
  ask(): Promise<void>
}

/**
 * Returns a reader of the files that the next deploy would use.
 * @throws as git_release does if the repository cannot be reached, or has no such revision
 */
export async function openContents(host: HostReader, declared: GitReleaseProps): Promise<Contents> {
  // Before setup the account does not exist yet: the account of the run reads the repository instead.
  const absent = declared.user !== undefined && host.account(declared.user) === null
  const props = absent ? { ...declared, user: undefined, group: undefined } : declared
  if (props.scmType === 'directory') return directoryContents(host, sourceDirectory(props))
  const warnings: string[] = []
  const context = queryContext({ warn: (text) => void warnings.push(text) })
  const { commit } = await desiredCommit(host, props, listReleases(host, props.into, props.current), context)
  const description = commit === null ? props.revision : `${props.revision} is ${commit.slice(0, 12)}`
  const mirror = createMirror(host, props, context)
  const reader = commit === null ? null : await mirrorReader(host, mirror, commit)
  return {
    description: [description, ...warnings].join('; '),
    file: (path) => {
      if (reader === null) throw new Error(`${mirror.remote.url} must be fetched first, which a deploy does`)
      return reader(path)
    },
    ask: () => askNames(host, mirror.remote),
  }
}

function directoryContents(host: HostReader, directory: string): Contents {
  if (host.stat(directory)?.kind !== 'directory') throw new Error(`the directory ${directory} does not exist`)
  return {
    description: `directory ${directory}`,
    file: (path) => Promise.resolve(isInside(path) ? host.readText(`${directory}/${path}`) : null),
    ask: () => Promise.resolve(),
  }
}

/**
 * Decides whether a path stays inside the repository: a file may name others beside it, but none above the repository.
 */
function isInside(path: string): boolean {
  return !/^\.\.(\/|$)/.test(posix.normalize(path))
}

type Reader = (path: string) => Promise<string | null>

/** Returns a reader of the mirror, of a repository on this host, or else of a temporary copy of that one commit. */
async function mirrorReader(host: HostReader, mirror: Mirror, commit: string): Promise<Reader | null> {
  const { remote } = mirror
  const inside =
    (directory: string): Reader =>
    async (path) => {
      const { argv, options } = localGit(remote, [
        ...['-c', 'safe.directory=*', `--git-dir=${directory}`, 'cat-file', 'blob', `${commit}:${path}`],
      ])
      const { status, stdout } = await host.query(argv, { ...options, accept: 'any' })
      return status === 0 ? stdout : null
    }
  if (await hasCommit(host, mirror, commit)) return inside(mirror.path)
  if (remote.local !== null) {
    const directory = [`${remote.local}/.git`, remote.local, `${remote.local}.git`].find(
      (path) => host.stat(`${path}/HEAD`) !== null,
    )
    return directory === undefined ? null : inside(directory)
  }
  return (path) => fetchedFile(host, mirror, commit, path)
}

/** Fetches this commit without its large files into a temporary repository, and returns one file of it. */
async function fetchedFile(host: HostReader, { remote }: Mirror, commit: string, path: string): Promise<string | null> {
  const fetch = remoteGit(host, remote, [
    ...['fetch', '--quiet', '--depth=1', '--no-tags', '--filter=blob:limit=200k', '--', remote.url, commit],
  ])
  const { status, stdout, stderr } = await host.query(
    [
      'sh',
      '-c',
      'at=$(mktemp -d) && trap \'rm -rf "$at"\' EXIT && cd "$at" && git init --quiet --bare . && name=$1 && shift && "$@" && { git cat-file blob "$name" || exit 3; }',
      'sh',
      `${commit}:${path}`,
      ...fetch.argv,
    ],
    { ...fetch.options, accept: 'any', timeout: seconds(20) },
  )
  if (status === 0) return stdout
  if (status === 3) return null
  throw new Error(`${remote.url} cannot be read: ${stderr.trim().split('\n').at(-1) ?? ''}`)
}
