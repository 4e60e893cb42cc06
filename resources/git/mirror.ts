/** Maintains the mirror: the bare copy of a repository in `shared/`, which all releases share objects with. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { inTheWay, readDisposable, writeDisposable } from '../../core/model/file_errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { shellWords } from '../../core/text/shell.ts'
import { irregularEntry, isRemainder } from './irregular_entries.ts'
import { asWriting, gitFailure, localGit, type Remote, remoteGit } from './remote.ts'

export interface Mirror {
  /** Absolute path of the bare repository. */
  readonly path: string
  readonly remote: Remote
  /** The owner of the files that converge writes beside git's own files. */
  readonly owner: Pick<WriteOptions, 'owner' | 'group'>
}

/** Names of refs with their objects; the commits of annotated tags are under `name^{}`. */
export type Refs = ReadonlyMap<string, string>

/** Packs of a mirror, from which it is repacked; each fetch adds one. */
const manyPacks = 40

const notesFile = z.object({
  /** The remote that named the commits in `revisions`. */
  url: z.string(),
  revisions: z.record(z.string(), z.string()),
  /** The remote whose branches and tags the mirror has. */
  fetched: z.string().nullable(),
})
type Notes = z.output<typeof notesFile>

/** The errors of servers that refuse to send a commit by its name. */
const missingRefPattern = /not our ref|unadvertised object|couldn't find remote ref/i

/** The file that exists while git writes into the mirror: a run that finds it follows one that was killed. */
const fetchMark = 'converge.fetching'

/** Decides whether the mirror exists, so that git can read it. */
export function mirrorExists(host: HostReader, { path }: Mirror): boolean {
  return host.lstat(`${path}/HEAD`)?.kind === 'file' && irregularEntry(host, path) === null
}

/** Decides whether the mirror has the commit and all its objects. */
export async function hasCommit(host: HostReader, mirror: Mirror, commit: string): Promise<boolean> {
  if (!mirrorExists(host, mirror)) return false
  return (await queryMirror(host, mirror, ['cat-file', '-e', `${commit}^{commit}`], 'any')).status === 0
}

/** Returns the branches and tags as of the last fetch. */
export async function knownRefs(host: HostReader, mirror: Mirror): Promise<Refs> {
  if (!mirrorExists(host, mirror) || readNotes(host, mirror).fetched !== mirror.remote.url) return new Map()
  const format = '--format=%(objectname)%09%(refname)%0a%(*objectname)%09%(refname)^{}'
  return parseRefs((await queryMirror(host, mirror, ['for-each-ref', format])).stdout)
}

/** Returns all commits whose name starts with a prefix. */
export async function commitsStarting(host: HostReader, mirror: Mirror, prefix: string): Promise<string[]> {
  if (!mirrorExists(host, mirror)) return []
  const objects = (await queryMirror(host, mirror, ['rev-parse', `--disambiguate=${prefix}`])).stdout
  if (objects === '') return []
  const kinds = (
    await queryMirror(host, mirror, ['cat-file', '--batch-check=%(objecttype) %(objectname)'], [0], objects)
  ).stdout
  return kinds
    .split('\n')
    .flatMap((line) => (line.startsWith('commit ') ? [line.slice(7)] : []))
    .sort()
}

/** Returns a line for each commit, with its date and subject. */
export async function describeCommits(host: HostReader, mirror: Mirror, commits: readonly string[]): Promise<string[]> {
  const args = ['log', '--no-walk', '--date=short', '--format=%H %ad %s', ...commits]
  return (await queryMirror(host, mirror, args)).stdout.trimEnd().split('\n')
}

/**
 * Returns the commit that the remote last named for a revision. It is newer than the mirror's own branches if no fetch
 * was needed for it.
 */
export function notedCommit(host: HostReader, mirror: Mirror, revision: string): string | null {
  const { url, revisions } = readNotes(host, mirror)
  return url === mirror.remote.url ? (revisions[revision] ?? null) : null
}

export function noteCommit(host: Host, mirror: Mirror, revision: string, commit: string): void {
  const { url } = mirror.remote
  const notes = readNotes(host, mirror)
  const known = notes.url === url ? notes.revisions : {}
  writeNotes(host, mirror, { ...notes, url, revisions: { ...known, [revision]: commit } })
}

function writeNotes(host: Host, { path, owner }: Mirror, notes: Notes): void {
  writeDisposable(host, `${path}/converge.json`, `${JSON.stringify(notes, null, 2)}\n`, { mode: '0644', ...owner })
}

function readNotes(host: HostReader, { path, remote }: Mirror): Notes {
  const none = { url: remote.url, revisions: {}, fetched: null }
  const text = readDisposable(host, `${path}/converge.json`)
  if (text === null) return none
  try {
    const notes = notesFile.safeParse(JSON.parse(text))
    return notes.success ? notes.data : none
  } catch (error) {
    // A file that a crash of the host truncated counts as missing.
    if (!(error instanceof SyntaxError)) throw error
    return none
  }
}

/** Creates the mirror if it is missing, completely or not at all. Replaces a damaged one: it is a cache. */
export async function ensureMirror(host: Host, mirror: Mirror, context: Context): Promise<void> {
  const { path, remote } = mirror
  if (host.lstat(`${path}/HEAD`) !== null || isRemainder(host, path)) {
    checkOwner(host, mirror)
    const irregular = irregularEntry(host, path)
    const problem = irregular === null ? await findDamage(host, mirror) : `${irregular} is not a file of git`
    if (problem === null) return
    context.warn(`the mirror ${path} is damaged and will be rebuilt: ${problem} (check the disk of this host)`)
    host.remove(path)
  }
  const fresh = `${posix.dirname(path)}/.${posix.basename(path)}.new`
  host.remove(fresh)
  // The data of someone else.
  if (host.lstat(path) !== null)
    throw inTheWay(`${path} is not a git repository, but the mirror of ${remote.url} belongs there`, path)
  const { argv, options } = asWriting(localGit(remote, ['init', '--quiet', '--bare', '--template=', fresh]))
  try {
    await host.run(argv, options)
  } catch (error) {
    throw gitFailure(error, `cannot make the mirror ${path}`)
  }
  // Git does not flush these files: after a power cut they would exist and be empty.
  await host.run(['sync', '-f', fresh])
  host.rename(fresh, path)
}

/** Returns git's error for a repository with damaged files, such as after a power cut; null if git can read it. */
async function findDamage(host: HostReader, { path, remote }: Mirror): Promise<string | null> {
  const { argv, options } = localGit(remote, [`--git-dir=${path}`, 'for-each-ref', '--format=%(refname)'])
  const { status, stderr } = await host.query(argv, { ...options, accept: 'any' })
  const problem = /^(?:fatal|error|warning): (.*)/m.exec(stderr)?.[1]
  return status === 0 && problem === undefined ? null : (problem ?? `git ended with status ${status}`)
}

/** Checks the owner of the mirror. Git has the same check, but skips it when the command line names the directory. */
function checkOwner(host: HostReader, { path, remote }: Mirror): void {
  const runner = remote.user === undefined ? host.self : host.account(remote.user)
  const stat = host.stat(path)
  if (runner === null || stat === null || stat.uid === runner.uid) return
  const owner = host.accountById(stat.uid)?.name ?? stat.uid
  throw new ConvergeError(`${path} belongs to ${owner}, and git is run as ${runner.name}`, {
    code: 'WRONG_OWNER',
    hint: `check that nothing else uses it, then run: ${shellWords(['chown', '-R', runner.name, path])}`,
  })
}

/**
 * Ensures that the mirror has the commit; asks the remote only if it is missing.
 * @param refs full names to fetch beside branches and tags
 * @throws UNKNOWN_REVISION if the remote does not have it, GIT_FAILED if the remote cannot be reached
 */
export async function ensureCommit(
  host: Host,
  mirror: Mirror,
  commit: string,
  context: Context,
  refs: readonly string[] = [],
): Promise<void> {
  if (await hasCommit(host, mirror, commit)) return
  await fetchAll(host, mirror, context, refs)
  if (await hasCommit(host, mirror, commit)) return
  // The commit is on no branch and under no tag, or no longer: servers send it to those who know its name.
  try {
    await fetchRefs(host, mirror, context, [`+${commit}:refs/converge/${commit}`])
  } catch (error) {
    if (error instanceof ConvergeError && missingRefPattern.test(error.output ?? ''))
      throw missingCommitError(mirror.remote, commit)
    throw error
  }
  if (!(await hasCommit(host, mirror, commit))) throw missingCommitError(mirror.remote, commit)
}

/** Fetches all current branches and tags. */
export async function fetchAll(
  host: Host,
  mirror: Mirror,
  context: Context,
  refs: readonly string[] = [],
): Promise<void> {
  const refspecs = refs.filter((ref) => !/^refs\/(heads|tags)\//.test(ref)).map((ref) => `+${ref}:${ref}`)
  await fetchRefs(host, mirror, context, [
    '--prune',
    '+refs/heads/*:refs/heads/*',
    '+refs/tags/*:refs/tags/*',
    ...refspecs,
  ])
  const notes = readNotes(host, mirror)
  if (notes.fetched !== mirror.remote.url) writeNotes(host, mirror, { ...notes, fetched: mirror.remote.url })
  await packTogether(host, mirror, context)
}

async function fetchRefs(host: Host, mirror: Mirror, context: Context, refs: readonly string[]): Promise<void> {
  const { path, remote } = mirror
  const [flags, specs] = [refs.filter((ref) => ref.startsWith('--')), refs.filter((ref) => !ref.startsWith('--'))]
  const args = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', ...flags, '--', remote.url, ...specs]
  const { argv, options } = asWriting(remoteGit(host, remote, [`--git-dir=${path}`, ...args]))
  if (host.lstat(`${path}/${fetchMark}`) !== null) removeRemains(host, path)
  writeDisposable(host, `${path}/${fetchMark}`, '', { mode: '0644', ...mirror.owner })
  context.progress(`fetching ${remote.url}`)
  try {
    await host.run(argv, options)
  } catch (error) {
    throw gitFailure(error, `cannot fetch from ${remote.url}`)
  }
  host.remove(`${path}/${fetchMark}`)
}

/** Removes what a killed git left: locks and partly received data. No other run works on this mirror. */
function removeRemains(host: Host, path: string): void {
  for (const name of host.list(path)) if (name.endsWith('.lock')) host.remove(`${path}/${name}`)
  for (const name of host.list(`${path}/objects/pack`))
    if (/^\.?tmp[-_]/.test(name)) host.remove(`${path}/objects/pack/${name}`)
  removeLocks(host, `${path}/refs`)
}

function removeLocks(host: Host, directory: string): void {
  for (const name of host.list(directory)) {
    const path = `${directory}/${name}`
    if (host.lstat(path)?.kind === 'directory') removeLocks(host, path)
    else if (name.endsWith('.lock')) host.remove(path)
  }
}

/**
 * Repacks the mirror without losing objects: a commit that no branch reaches any more may still belong to a release.
 */
async function packTogether(host: Host, { path, remote }: Mirror, context: Context): Promise<void> {
  const packs = host.list(`${path}/objects/pack`).filter((name) => name.endsWith('.pack'))
  if (packs.length < manyPacks) return
  const args = [`--git-dir=${path}`, '-c', 'repack.writeBitmaps=false', 'repack', '-a', '-d', '-k', '-q']
  const { argv, options } = asWriting(localGit(remote, args))
  const { status, stderr } = await host.run(argv, { ...options, accept: 'any' })
  if (status !== 0) context.note(`${path} could not be packed together: ${stderr.trim().split('\n').at(-1) ?? ''}`)
}

function queryMirror(
  host: HostReader,
  { path, remote }: Mirror,
  args: readonly string[],
  accept: readonly number[] | 'any' = [0],
  input?: string,
) {
  const { argv, options } = localGit(remote, [`--git-dir=${path}`, ...args])
  return host.query(argv, { ...options, accept, input }).catch((error: unknown) => {
    throw gitFailure(error, `git cannot read ${path}`)
  })
}

export function parseRefs(text: string): Refs {
  const refs = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{40,64})\t(.+)$/.exec(line)
    if (match?.[1] && match[2]) refs.set(match[2], match[1])
  }
  return refs
}

export function missingCommitError(remote: Remote, revision: string): ConvergeError {
  return new ConvergeError(`${remote.url} has no commit ${revision}`, {
    code: 'UNKNOWN_REVISION',
    hint: 'push the commit to this repository; give a branch or a tag by its whole name',
  })
}
