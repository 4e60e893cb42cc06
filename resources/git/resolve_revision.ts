/** Resolves a revision, as a person writes it, to one commit. */
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { nearest } from '../../core/model/nearest.ts'
import type { Context } from '../../core/model/resource.ts'
import type { Release } from '../releases/releases.ts'
import {
  commitsStarting,
  describeCommits,
  hasCommit,
  knownRefs,
  type Mirror,
  notedCommit,
  parseRefs,
  type Refs,
} from './mirror.ts'
import { gitFailure, type Remote, remoteGit } from './remote.ts'

const fullCommit = /^([0-9a-f]{40}|[0-9a-f]{64})$/i
const shortCommit = /^[0-9a-f]{7,39}$/i

/** Decides whether a revision, such as a branch, can mean another commit tomorrow. */
export function isMovableName(revision: string): boolean {
  return !fullCommit.test(revision) && !shortCommit.test(revision)
}

export interface Resolution {
  /** Null for a short commit that only a fetch can complete. */
  readonly commit: string | null
  /** Whether the remote named the commit in this run. */
  readonly asked: boolean
  /** Why the commit may be out of date: the remote could not be queried. */
  readonly unconfirmed?: string
}

/**
 * Returns the commit of a revision: `HEAD`, a branch, a tag, a full `refs/...` name, a full commit or at least 7 digits
 * of one. Asks the remote once per run; if it cannot be reached, uses the commit from the last time, with a warning.
 * @throws UNKNOWN_REVISION, AMBIGUOUS_REVISION, EMPTY_REPOSITORY, GIT_FAILED
 */
export async function resolveRevision(
  host: HostReader,
  mirror: Mirror,
  revision: string,
  releases: readonly Release[],
  context: Context,
): Promise<Resolution> {
  if (fullCommit.test(revision)) return { commit: revision.toLowerCase(), asked: false }
  const short = shortCommit.test(revision)
  if (short) {
    const commit = await resolveShort(host, mirror, revision, releases)
    if (commit !== null) return { commit, asked: false }
  }
  let refs: Refs
  try {
    refs = await askRemote(host, mirror.remote, revision)
  } catch (error) {
    if (!isGitFailure(error)) throw error
    const commit = await lastKnown(host, mirror, revision)
    if (commit === null) throw error
    const reason = `${error.message}: ${reasonIn(error)}`
    context.warn(
      `${reason}; using ${commit}, the last known commit of ${revision} (make the repository reachable, and run again for newer commits)`,
    )
    return { commit, asked: false, unconfirmed: reason }
  }
  const commit = commitOfName(refs, revision, mirror.remote.url)
  if (commit !== null) return { commit, asked: true }
  if (short) return { commit: await onlyTip(refs, revision), asked: false }
  throw await unknownRevision(host, mirror.remote, revision, refs)
}

/** Returns the one commit with this prefix that the releases or the mirror know; null if there is none. */
export async function resolveShort(
  host: HostReader,
  mirror: Mirror,
  revision: string,
  releases: readonly Release[],
): Promise<string | null> {
  const prefix = revision.toLowerCase()
  const used = new Set(releases.map(({ commit }) => commit).filter((commit) => commit?.startsWith(prefix)))
  const [only] = used
  if (used.size === 1 && only) return only
  const commits = await commitsStarting(host, mirror, prefix)
  if (commits.length <= 1) return commits[0] ?? null
  throw new ConvergeError(`${revision} may be any of ${commits.length} commits of ${mirror.remote.url}`, {
    code: 'AMBIGUOUS_REVISION',
    output: (await describeCommits(host, mirror, commits)).join('\n'),
    hint: 'give more digits of the commit',
  })
}

/** Returns the only tip with this prefix; null if there are several: the fetch, which is needed anyway, decides. */
async function onlyTip(refs: Refs, revision: string): Promise<string | null> {
  const tips = new Set([...refs.values()].filter((commit) => commit.startsWith(revision.toLowerCase())))
  const [only] = tips
  return tips.size === 1 && only !== undefined && isCommitTip(refs, only) ? only : null
}

/** Decides whether an object is a commit: the list of refs also contains the objects of annotated tags. */
function isCommitTip(refs: Refs, object: string): boolean {
  for (const [name, value] of refs) if (value === object && refs.has(`${name}^{}`)) return false
  return true
}

function askRemote(host: HostReader, remote: Remote, revision: string): Promise<Refs> {
  if (revision === 'HEAD' || revision.startsWith('refs/'))
    return listRemote(host, remote, ['--', remote.url, revision, `${revision}^{}`])
  return listRemote(host, remote, allNames(remote))
}

/**
 * Returns arguments for heads and tags only: the server sends no other refs, and the error for a missing name can list
 * similar ones.
 */
const allNames = (remote: Remote) => ['--heads', '--tags', '--', remote.url]

/**
 * Asks the remote for its branches and tags, once per run.
 * @throws GIT_FAILED
 */
export async function askNames(host: HostReader, remote: Remote): Promise<void> {
  await listRemote(host, remote, allNames(remote))
}

function listRemote(host: HostReader, remote: Remote, args: readonly string[]): Promise<Refs> {
  return host.once(`git ls-remote ${digestOf([args, remote])}`, async () => {
    const { argv, options } = remoteGit(host, remote, ['ls-remote', '--quiet', ...args])
    try {
      return parseRefs((await queryAsExistingAccount(host, argv, options)).stdout)
    } catch (error) {
      throw gitFailure(error, `cannot list the branches and tags of ${remote.url}`)
    }
  })
}

/**
 * Runs a query as the given account. In a dry run that account may only be planned: the account of the run queries
 * instead.
 */
async function queryAsExistingAccount(host: HostReader, ...[argv, options]: Parameters<HostReader['query']>) {
  try {
    return await host.query(argv, options)
  } catch (error) {
    const planned = options?.user !== undefined && host.account(options.user) !== null
    if (!planned || !(error instanceof ConvergeError) || error.code !== 'NO_ACCOUNT') throw error
    return host.query(argv, { ...options, user: undefined, group: undefined })
  }
}

/** Returns the commit of an exact name; an annotated tag counts as the commit that it points to. */
export function commitOfName(refs: Refs, revision: string, url: string): string | null {
  const exact = (name: string) => refs.get(`${name}^{}`) ?? refs.get(name) ?? null
  if (revision === 'HEAD' || revision.startsWith('refs/')) return exact(revision)
  const [branch, tag] = [exact(`refs/heads/${revision}`), exact(`refs/tags/${revision}`)]
  if (branch !== null && tag !== null && branch !== tag)
    throw new ConvergeError(`${revision} is both a branch and a tag of ${url}, with different commits`, {
      code: 'AMBIGUOUS_REVISION',
      output: `refs/heads/${revision}  ${branch}\nrefs/tags/${revision}  ${tag}`,
      hint: `write refs/heads/${revision} or refs/tags/${revision}`,
    })
  return branch ?? tag
}

async function unknownRevision(host: HostReader, remote: Remote, revision: string, got: Refs): Promise<ConvergeError> {
  const all =
    revision === 'HEAD' || revision.startsWith('refs/') ? await listRemote(host, remote, allNames(remote)) : got
  const refs = [...all.keys()].filter((name) => !name.endsWith('^{}'))
  if (refs.length === 0)
    return new ConvergeError(`${remote.url} is empty: it has no branch, no tag and no commit`, {
      code: 'EMPTY_REPOSITORY',
      hint: 'push a commit first',
    })
  const names = revision.startsWith('refs/') ? refs : refs.map((name) => name.replace(/^refs\/(heads|tags)\//, ''))
  if (revision === 'HEAD')
    return new ConvergeError(`HEAD of ${remote.url} is a branch that is not there`, {
      code: 'UNKNOWN_REVISION',
      hint: `name one: ${listSome(names)}`,
    })
  return new ConvergeError(`${remote.url} has no branch, tag or commit ${revision}`, {
    code: 'UNKNOWN_REVISION',
    hint: nearest(revision, names) ?? `it has: ${listSome(names)}`,
  })
}

function listSome(names: readonly string[]): string {
  return names.length > 12 ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more` : names.join(', ')
}

async function lastKnown(host: HostReader, mirror: Mirror, revision: string): Promise<string | null> {
  const noted =
    notedCommit(host, mirror, revision) ?? commitOfName(await knownRefs(host, mirror), revision, mirror.remote.url)
  return noted !== null && (await hasCommit(host, mirror, noted)) ? noted : null
}

function isGitFailure(error: unknown): error is ConvergeError {
  return error instanceof ConvergeError && error.code === 'GIT_FAILED'
}

/** Returns the line with the reason; git continues in the next line after a colon. */
function reasonIn(error: ConvergeError): string {
  const lines = (error.output ?? '').split('\n').filter((line) => line.trim() !== '')
  const first = lines.findIndex((line) => /^(fatal|ssh|error)/.test(line))
  const line = lines.at(first) ?? 'no answer'
  const next = first === -1 ? undefined : lines[first + 1]
  return line.endsWith(':') && next !== undefined ? `${line} ${next.trim()}` : line
}
