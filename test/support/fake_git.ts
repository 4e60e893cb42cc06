/** A git repository elsewhere, and the git of the host in memory: as far as git_release calls it, in steps between which it may be killed. */
import { createHash } from 'node:crypto'
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'

type Files = Readonly<Record<string, string>>

/** What a command of the fake host works with. */
export interface Working {
  readonly host: VirtualHost
  /** Account whose files it makes. */
  readonly owner: string
  /** Half of the effect is there: a kill may come now. */
  readonly step: (what: string) => void
}

const refused = (stderr: string): Partial<CommandResult> => ({ status: 128, stderr })

/** The repository everybody pushes to. */
export class FakeRemote {
  readonly url = 'https://git.example.com/site.git'
  /** Whether the network lets anybody in. */
  reachable = true
  private readonly branches = new Map<string, string>()
  private readonly commits = new Map<string, Files>()

  /** A commit on top of a branch: its files and these, without those that are null. Gives its name. */
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

  /** Another one with all that was pushed so far. */
  fork(): FakeRemote {
    const copy = new FakeRemote()
    for (const [commit, files] of this.commits) copy.commits.set(commit, files)
    for (const [branch, commit] of this.branches) copy.branches.set(branch, commit)
    copy.reachable = this.reachable
    return copy
  }

  /** Moves a branch to a commit that is there. */
  move(commit: string, branch = 'main'): void {
    this.branches.set(branch, commit)
  }

  tip(branch = 'main'): string {
    return this.branches.get(branch) ?? ''
  }

  files(commit: string): Files {
    return this.commits.get(commit) ?? {}
  }

  /** What `git ARGS` does on the host, `-c` settings left out; null: a call nobody taught it. */
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

/** The directories above a file, as the account's own. */
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
  // Asked once what was purged is gone; only its name tells that it was part of the commit.
  return {
    stdout: paths
      .map((path) => `${directory}/${path}`)
      .filter((path) => host.lstat(path) !== null)
      .join('\0'),
  }
}
