/**
 * Imitates a remote git repository, and the git calls of git_release on the in-memory host, in steps between which a
 * kill can happen.
 */
import { createHash } from 'node:crypto'
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'

type Files = Readonly<Record<string, string>>

/** The environment in which a command of the fake host runs. */
export interface Working {
  readonly host: VirtualHost
  /** The account that owns the files that the command creates. */
  readonly owner: string
  /** Called when half of the effect is done: a kill can happen here. */
  readonly step: (what: string) => void
}

const refused = (stderr: string): Partial<CommandResult> => ({ status: 128, stderr })

/** The repository to which all tests push. */
export class FakeRemote {
  readonly url = 'https://git.example.com/site.git'
  /** Whether the network allows connections. */
  reachable = true
  private readonly branches = new Map<string, string>()
  private readonly commits = new Map<string, Files>()

  /**
   * Adds a commit to a branch: the branch's files and these, without those that are null.
   * @returns the commit's id
   */
  push(changes: Readonly<Record<string, string | null>>, branch = 'main'): string {
    const files: Record<string, string> = { ...this.files(this.branches.get(branch) ?? '') }
    for (const [path, text] of Object.entries(changes)) {
      if (text === null) delete files[path]
      else files[path] = text
    }
    const commit = createHash('sha1')
      .update(JSON.stringify([this.commits.size, files]))
      .digest('hex')
    this.commits.set(commit, files)
    this.branches.set(branch, commit)
    return commit
  }

  /** Copies the repository with everything pushed so far. */
  fork(): FakeRemote {
    const copy = new FakeRemote()
    for (const [commit, files] of this.commits) copy.commits.set(commit, files)
    for (const [branch, commit] of this.branches) copy.branches.set(branch, commit)
    copy.reachable = this.reachable
    return copy
  }

  /** Moves a branch to an existing commit. */
  move(commit: string, branch = 'main'): void {
    this.branches.set(branch, commit)
  }

  tip(branch = 'main'): string {
    return this.branches.get(branch) ?? ''
  }

  files(commit: string): Files {
    return this.commits.get(commit) ?? {}
  }

  /**
   * Runs `git ARGS` on the host, without the `-c` settings.
   * @returns null for a call that the fake does not know
   */
  git(args: readonly string[], working: Working): Partial<CommandResult> | null {
    if (args[0] === 'ls-remote') return this.lsRemote(args)
    if (args[0] === 'init') return init(args.at(-1) ?? '', args.includes('--bare'), working)
    const gitDir = args[0]?.startsWith('--git-dir=') ? args[0].slice('--git-dir='.length) : undefined
    if (gitDir !== undefined) return this.inMirror(gitDir, args.slice(1), working)
    if (args[0] === '-C' && args[2] === 'checkout') return this.checkout(args[1] ?? '', args.at(-1) ?? '', working)
    if (args[0] === '-C' && args[2] === 'ls-tree') return { stdout: '' }
    if (args[0] === '-C' && args[2] === 'ls-files')
      return lsFiles(working.host, args[1] ?? '', args.slice(args.indexOf('--') + 1))
    return args[0] === '-C' && args[2] === 'update-index' ? {} : null
  }

  private lsRemote(args: readonly string[]): Partial<CommandResult> {
    if (!this.reachable) return refused(`fatal: unable to access '${this.url}/': Could not resolve host`)
    if (!args.includes(this.url)) return refused(`fatal: repository '${args.at(-1)}' not found`)
    if (args.includes('HEAD')) return { stdout: `${this.tip()}\tHEAD\n` }
    return { stdout: [...this.branches].map(([name, commit]) => `${commit}\trefs/heads/${name}\n`).join('') }
  }

  private inMirror(path: string, args: readonly string[], working: Working): Partial<CommandResult> | null {
    const { host } = working
    if (args[0] === 'cat-file' && args[1] === '-e')
      return { status: packed(host, path).has(args[2]?.slice(0, 40) ?? '') ? 0 : 1 }
    if (args[0] === 'for-each-ref') return { stdout: args.includes('refs/tags') ? '' : references(host, path) }
    return args[0] === 'fetch' ? this.fetch(path, working) : null
  }

  private fetch(path: string, { host, owner, step }: Working): Partial<CommandResult> {
    if (!this.reachable) return refused(`fatal: unable to access '${this.url}/': Could not resolve host`)
    const lock = `${path}/packed-refs.lock`
    if (host.lstat(lock) !== null) return refused(`error: Unable to create '${lock}': File exists.`)
    const packs = `${path}/objects/pack`
    const number = host.list(packs).filter((name) => name.endsWith('.pack')).length
    host.given(`${packs}/tmp_pack_1`, '', '0444', owner)
    step('half of the objects')
    host.remove(`${packs}/tmp_pack_1`)
    host.given(`${packs}/pack-${number}.pack`, JSON.stringify([...this.commits.keys()]), '0444', owner)
    host.given(lock, '', '0644', owner)
    step('objects, and no refs')
    const refs = [...this.branches].map(([name, commit]) => `${commit}\trefs/heads/${name}\n`).join('')
    host.given(`${path}/packed-refs`, refs, '0644', owner)
    host.remove(lock)
    return {}
  }

  private checkout(directory: string, commit: string, working: Working): Partial<CommandResult> {
    const { host, owner, step } = working
    const alternates = host.readText(`${directory}/.git/objects/info/alternates`)?.trim() ?? ''
    const mirror = new URL(alternates, `file://${directory}/.git/objects/`).pathname
    if (!packed(host, mirror.replace(/\/objects$/, '')).has(commit)) return refused(`fatal: unable to read ${commit}`)
    host.given(`${directory}/.git/index.lock`, '', '0644', owner)
    for (const [path, text] of Object.entries(this.files(commit))) {
      step(`checkout before ${path}`)
      giveTree(host, directory, path, owner)
      host.given(`${directory}/${path}`, text, text.startsWith('#!') ? '0755' : '0644', owner)
    }
    host.remove(`${directory}/.git/index.lock`)
    host.given(`${directory}/.git/HEAD`, `${commit}\n`, '0644', owner)
    return {}
  }
}

function init(path: string, bare: boolean, { host, owner, step }: Working): Partial<CommandResult> {
  const git = bare ? path : `${path}/.git`
  if (host.lstat(path) === null) host.given(path, null, '0755', owner)
  if (!bare) host.given(git, null, '0755', owner)
  for (const name of ['objects', 'objects/pack', 'objects/info', 'refs', 'refs/heads'])
    host.given(`${git}/${name}`, null, '0755', owner)
  step('without a HEAD')
  host.given(`${git}/HEAD`, 'ref: refs/heads/main\n', '0644', owner)
  return {}
}

/** Creates the directories above a file, owned by the account. */
export function giveTree(host: VirtualHost, root: string, path: string, owner: string): void {
  const parts = path.split('/').slice(0, -1)
  for (const [index] of parts.entries()) {
    const directory = `${root}/${parts.slice(0, index + 1).join('/')}`
    if (host.lstat(directory) === null) host.given(directory, null, '0755', owner)
  }
}

function packed(host: VirtualHost, path: string): Set<string> {
  const packs = host.list(`${path}/objects/pack`).filter((name) => name.endsWith('.pack'))
  return new Set(packs.flatMap((name) => JSON.parse(host.readText(`${path}/objects/pack/${name}`) ?? '[]') as string[]))
}

function references(host: VirtualHost, path: string): string {
  return host.readText(`${path}/packed-refs`) ?? ''
}

function lsFiles(host: VirtualHost, directory: string, paths: readonly string[]): Partial<CommandResult> {
  // The engine asks this after it has purged the file: only the name shows that the commit contained it.
  return {
    stdout: paths
      .map((path) => `${directory}/${path}`)
      .filter((path) => host.lstat(path) !== null)
      .join('\0'),
  }
}
