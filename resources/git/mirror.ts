/** The bare copy of a repository in `shared/`, which all releases share objects with. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { readDisposable } from '../../core/model/unreadable.ts'
import { shellWords } from '../../core/text/shell.ts'
import { irregularEntry, isRemainder } from './irregular.ts'
import { gitFailure, localGit, type Remote, remoteGit, writing } from './remote.ts'

export interface Mirror {
  /** Absolute path of the bare repository. */
  readonly path: string
  readonly remote: Remote
  /** Who owns what is written beside git's own files. */
  readonly owner: Pick<WriteOptions, 'owner' | 'group'>
}

/** Names of refs with their objects, and the commits of annotated tags under `name^{}`. */
export type Refs = ReadonlyMap<string, string>

/** Each fetch brings a pack; so many of them are made one. */
const manyPacks = 40

const notesFile = z.object({
  /** The remote that said what `revisions` holds. */
  url: z.string(),
  revisions: z.record(z.string(), z.string()),
  /** The remote whose branches and tags the mirror has. */
  fetched: z.string().nullable(),
})
type Notes = z.output<typeof notesFile>

/** How servers refuse a commit by its name. */
const notThere = /not our ref|unadvertised object|couldn't find remote ref/i

/** There while git writes into the mirror: a run that finds it comes after one that was killed. */
const underWay = 'converge.fetching'

/** Whether there is a mirror that git can be asked about. */
export function mirrorExists(host: HostReader, { path }: Mirror): boolean {
  return host.lstat(`${path}/HEAD`)?.kind === 'file' && irregularEntry(host, path) === null
}

/** Whether the commit, and with it all it is made of, is in the mirror. */
export async function hasCommit(host: HostReader, mirror: Mirror, commit: string): Promise<boolean> {
  if (!mirrorExists(host, mirror)) return false
  return (await ask(host, mirror, ['cat-file', '-e', `${commit}^{commit}`], 'any')).status === 0
}

/** Branches and tags as of the last fetch. */
export async function knownRefs(host: HostReader, mirror: Mirror): Promise<Refs> {
  if (!mirrorExists(host, mirror) || readNotes(host, mirror).fetched !== mirror.remote.url) return new Map()
  const format = '--format=%(objectname)%09%(refname)%0a%(*objectname)%09%(refname)^{}'
  return parseRefs((await ask(host, mirror, ['for-each-ref', format])).stdout)
}

/** All commits whose name starts so. */
export async function commitsStarting(host: HostReader, mirror: Mirror, prefix: string): Promise<string[]> {
  if (!mirrorExists(host, mirror)) return []
  const objects = (await ask(host, mirror, ['rev-parse', `--disambiguate=${prefix}`])).stdout
  if (objects === '') return []
  const kinds = (await ask(host, mirror, ['cat-file', '--batch-check=%(objecttype) %(objectname)'], [0], objects))
    .stdout
  return kinds
    .split('\n')
    .flatMap((line) => (line.startsWith('commit ') ? [line.slice(7)] : []))
    .sort()
}

/** Each commit with its date and subject. */
export async function describeCommits(host: HostReader, mirror: Mirror, commits: readonly string[]): Promise<string[]> {
  const args = ['log', '--no-walk', '--date=short', '--format=%H %ad %s', ...commits]
  return (await ask(host, mirror, args)).stdout.trimEnd().split('\n')
}

/** What the remote last said a revision is: newer than the mirror's own branches where no fetch was needed for it. */
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
  host.writeFile(`${path}/converge.json`, `${JSON.stringify(notes, null, 2)}\n`, { mode: '0644', ...owner })
}

function readNotes(host: HostReader, { path, remote }: Mirror): Notes {
  const none = { url: remote.url, revisions: {}, fetched: null }
  const text = readDisposable(host, `${path}/converge.json`)
  if (text === null) return none
  try {
    const notes = notesFile.safeParse(JSON.parse(text))
    return notes.success ? notes.data : none
  } catch (error) {
    // Cut short by a crash of the machine: as good as none.
    if (!(error instanceof SyntaxError)) throw error
    return none
  }
}

/** Makes the mirror where there is none, whole or not at all. A damaged one is made anew: it is a cache. */
export async function ensureMirror(host: Host, mirror: Mirror, context: Context): Promise<void> {
  const { path, remote } = mirror
  if (host.lstat(`${path}/HEAD`) !== null || isRemainder(host, path)) {
    checkOwner(host, mirror)
    const irregular = irregularEntry(host, path)
    const problem = irregular === null ? await damageOf(host, mirror) : `${irregular} is not a file of git`
    if (problem === null) return
    context.warn(`the mirror ${path} is damaged and will be rebuilt: ${problem} (check the disk of this host)`)
    host.remove(path)
  }
  const fresh = `${posix.dirname(path)}/.${posix.basename(path)}.new`
  host.remove(fresh)
  // Somebody else's data.
  if (host.lstat(path) !== null)
    throw new ConvergeError(`${path} is no git repository, and the mirror of ${remote.url} is to be there`, {
      code: 'IN_THE_WAY',
      hint: `find out what it is, then move it away: mv ${path} ${path}.old`,
    })
  const { argv, options } = writing(localGit(remote, ['init', '--quiet', '--bare', '--template=', fresh]))
  try {
    await host.run(argv, options)
  } catch (error) {
    throw gitFailure(error, `cannot make the mirror ${path}`)
  }
  // Git does not flush these files: after a power cut they would be there and empty.
  await host.run(['sync', '-f', fresh])
  host.rename(fresh, path)
}

/** What git says of a repository whose files were damaged, such as by a power cut; null where it can be read. */
async function damageOf(host: HostReader, { path, remote }: Mirror): Promise<string | null> {
  const { argv, options } = localGit(remote, [`--git-dir=${path}`, 'for-each-ref', '--format=%(refname)'])
  const { status, stderr } = await host.query(argv, { ...options, accept: 'any' })
  const problem = /^(?:fatal|error|warning): (.*)/m.exec(stderr)?.[1]
  return status === 0 && problem === undefined ? null : (problem ?? `git ended with status ${status}`)
}

/** Git's own check, which it leaves out where it is told the directory. */
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
 * Brings the commit into the mirror; asks the remote only where it is not there.
 * @param refs full names to fetch beside branches and tags
 * @throws UNKNOWN_REVISION where the remote does not have it, GIT_FAILED where it cannot be asked
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
  // On no branch and under no tag, or no longer: servers give it to those who know its name.
  try {
    await fetchRefs(host, mirror, context, [`+${commit}:refs/converge/${commit}`])
  } catch (error) {
    if (error instanceof ConvergeError && notThere.test(error.output ?? '')) throw noSuchCommit(mirror.remote, commit)
    throw error
  }
  if (!(await hasCommit(host, mirror, commit))) throw noSuchCommit(mirror.remote, commit)
}

/** All branches and tags as they are there now. */
export async function fetchAll(
  host: Host,
  mirror: Mirror,
  context: Context,
  refs: readonly string[] = [],
): Promise<void> {
  const own = refs.filter((ref) => !/^refs\/(heads|tags)\//.test(ref)).map((ref) => `+${ref}:${ref}`)
  await fetchRefs(host, mirror, context, ['--prune', '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*', ...own])
  const notes = readNotes(host, mirror)
  if (notes.fetched !== mirror.remote.url) writeNotes(host, mirror, { ...notes, fetched: mirror.remote.url })
  await packTogether(host, mirror, context)
}

async function fetchRefs(host: Host, mirror: Mirror, context: Context, refs: readonly string[]): Promise<void> {
  const { path, remote } = mirror
  const [flags, specs] = [refs.filter((ref) => ref.startsWith('--')), refs.filter((ref) => !ref.startsWith('--'))]
  const args = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', ...flags, '--', remote.url, ...specs]
  const { argv, options } = writing(remoteGit(host, remote, [`--git-dir=${path}`, ...args]))
  if (host.lstat(`${path}/${underWay}`) !== null) repair(host, path)
  host.writeFile(`${path}/${underWay}`, '', { mode: '0644', ...mirror.owner })
  context.progress(`fetching ${remote.url}`)
  try {
    await host.run(argv, options)
  } catch (error) {
    throw gitFailure(error, `cannot fetch from ${remote.url}`)
  }
  host.remove(`${path}/${underWay}`)
}

/** A killed git leaves its locks and what it had received so far; no other run works on this mirror. */
function repair(host: Host, path: string): void {
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

/** Housekeeping that loses nothing: what no branch leads to any more may still be a release's. */
async function packTogether(host: Host, { path, remote }: Mirror, context: Context): Promise<void> {
  const packs = host.list(`${path}/objects/pack`).filter((name) => name.endsWith('.pack'))
  if (packs.length < manyPacks) return
  const args = [`--git-dir=${path}`, '-c', 'repack.writeBitmaps=false', 'repack', '-a', '-d', '-k', '-q']
  const { argv, options } = writing(localGit(remote, args))
  const { status, stderr } = await host.run(argv, { ...options, accept: 'any' })
  if (status !== 0) context.note(`${path} could not be packed together: ${stderr.trim().split('\n').at(-1) ?? ''}`)
}

function ask(
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

export function noSuchCommit(remote: Remote, revision: string): ConvergeError {
  return new ConvergeError(`${remote.url} has no commit ${revision}`, {
    code: 'UNKNOWN_REVISION',
    hint: 'push the commit to this repository; give a branch or a tag by its whole name',
  })
}
