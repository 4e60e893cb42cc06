/**
 * A host in memory, over nothing or over another host.
 *
 * Over nothing it makes unit tests fast and can be killed at any change. Over the real host it is the overlay of a dry run:
 * what earlier resources would write is there for later ones to read, and nothing reaches the disk.
 */
import { createHash } from 'node:crypto'
import { ConvergeError } from '../model/errors.ts'
import { NotYetKnown } from '../model/reference.ts'
import type { Duration } from '../model/units.ts'
import { parseAccounts, parseGroups } from './accounts.ts'
import { remember } from './answers.ts'
import { whereOf } from './request.ts'
import type {
  Account,
  CommandOptions,
  CommandResult,
  DownloadOptions,
  ExchangeOptions,
  FileKind,
  FileStat,
  Group,
  Host,
  HostReader,
  RequestOptions,
  Response,
  WriteOptions,
} from './types.ts'
import { join, normalise, split, systemError } from './virtual_paths.ts'

interface Entry {
  readonly kind: FileKind
  mode: string
  uid: number
  gid: number
  readonly content: Buffer | string
  readonly target: string
}

/** Answers a command of the tests' host; null: no such program. */
export type CommandHandler = (
  argv: readonly string[],
  options: CommandOptions,
  host: VirtualHost,
) => Partial<CommandResult> | null
export type RequestHandler = (options: RequestOptions, host: VirtualHost) => Response | null

/** Answers a text sent over a connection; null: nobody listens there. */
export type ExchangeHandler = (options: ExchangeOptions, host: VirtualHost) => string | null

export interface VirtualOptions {
  /** What lies below; default: an empty machine with root only. */
  readonly base?: HostReader | undefined
  readonly self?: Account | undefined
  readonly commands?: CommandHandler | undefined
  readonly requests?: RequestHandler | undefined
  readonly exchanges?: ExchangeHandler | undefined
  /** Called before each change with its number from 1; throwing there is a kill. */
  readonly beforeChange?: ((count: number, what: string) => void) | undefined
  /** Content served to `download`, by URL. */
  readonly downloads?: Readonly<Record<string, string | Buffer>> | undefined
}

const root: Account = { name: 'root', uid: 0, gid: 0, home: '/root', shell: '/bin/bash' }
const maxLinks = 40
/** Where packages put their files. */
const systemPath = /^\/(etc|usr|var|opt|run|lib\w*|s?bin)\//

export class VirtualHost implements Host {
  readonly self: Account
  readonly isRoot: boolean
  /** What was changed, in order; for tests. */
  readonly changes: string[] = []
  /** Seconds since 1970. */
  clock = 1_700_000_000
  private readonly entries = new Map<string, Entry | null>()
  private readonly children = new Map<string, Set<string>>()
  private readonly records = new Map<string, string>()
  private answers = new Map<string, Promise<unknown>>()
  private readonly onceAnswers = new Map<string, Promise<unknown>>()
  private readonly base: HostReader | undefined
  /** Paths whose content a dry run can't know, with the resource that decides it. */
  private readonly unknowns = new Map<string, string>()
  /** The resource after which there may be more on the system than there is. */
  private later: string | undefined
  private parsed: { text: string; accounts: Account[] } | undefined
  private parsedGroups: { text: string; groups: Group[] } | undefined

  constructor(private readonly options: VirtualOptions = {}) {
    this.base = options.base
    this.self = options.self ?? options.base?.self ?? root
    this.isRoot = this.self.uid === 0
    if (this.base) return
    for (const path of ['/', '/etc', '/var', '/var/lib', '/tmp', '/usr', '/usr/bin', '/srv', '/root', '/home', '/run'])
      this.put(path, 'directory', '0755')
    this.put('/var/lib/dpkg', 'directory', '0755')
    this.put('/var/lib/dpkg/status', 'file', '0644')
    this.put('/etc/passwd', 'file', '0644', 'root:x:0:0:root:/root:/bin/bash\n')
    this.put('/etc/group', 'file', '0644', 'root:x:0:\n')
  }

  /** Sets up a file (text), directory (null) or link for a test; its directories are made. Not counted as a change. */
  given(path: string, content: string | { readonly link: string } | null, mode?: string, owner?: string): this {
    for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1))
      if (this.entry(path.slice(0, at)) === null) this.put(path.slice(0, at), 'directory', '0755')
    const account = owner === undefined ? this.self : (this.account(owner) ?? this.self)
    const ids = [account.uid, account.gid] as const
    if (content === null) this.put(path, 'directory', mode ?? '0755', '', '', ...ids)
    else if (typeof content === 'string') this.put(path, 'file', mode ?? '0644', content, '', ...ids)
    else this.put(path, 'link', '0777', '', content.link, ...ids)
    return this
  }

  lstat(path: string): FileStat | null {
    const real = this.resolveParent(path)
    return real === null ? null : this.describe(real)
  }

  stat(path: string): FileStat | null {
    const real = this.resolve(path)
    return real === null ? null : this.describe(real)
  }

  readText(path: string): string | null {
    const bytes = this.readBytes(path)
    return bytes === null ? null : bytes.toString('utf8')
  }

  readBytes(path: string): Buffer | null {
    const real = this.resolve(path)
    if (real === null) return null
    const own = this.entries.get(real)
    if (own === undefined) return this.base?.readBytes(real) ?? null
    if (own === null) return null
    if (own.kind === 'directory') throw systemError('EISDIR', 'read', path)
    return Buffer.from(own.content)
  }

  readLink(path: string): string | null {
    const real = this.resolveParent(path)
    if (real === null) return null
    const own = this.entries.get(real)
    if (own === undefined) return this.base?.lstat(real)?.kind === 'link' ? (this.base.readLink(real) ?? null) : null
    if (own === null) return null
    if (own.kind !== 'link') throw systemError('EINVAL', 'readlink', path)
    return own.target
  }

  list(path: string): string[] {
    const real = this.resolve(path)
    if (real === null || this.describe(real)?.kind !== 'directory') return []
    // What was removed has an entry of its own that says so: whatever else the base has there is still there.
    const names = new Set(this.base?.list(real))
    for (const [path, after] of this.unknowns) {
      const [parent, name] = split(path)
      if (parent === real && !names.has(name)) throw new NotYetKnown(after)
    }
    for (const name of this.children.get(real) ?? []) {
      if (this.entries.get(join(real, name)) === null) names.delete(name)
      else names.add(name)
    }
    return [...names].sort()
  }

  writable(path: string): boolean {
    const real = this.resolve(path)
    if (real === null) return false
    if (this.entries.get(real) !== undefined || !this.base) return true
    return this.base.writable(real)
  }

  account(name: string): Account | null {
    const below = this.below('/etc/passwd')
    const found = below ? below.account(name) : this.accounts().find((account) => account.name === name)
    return found ?? this.notThere()
  }

  accountById(uid: number): Account | null {
    const below = this.below('/etc/passwd')
    return (below ? below.accountById(uid) : this.accounts().find((account) => account.uid === uid)) ?? null
  }

  groupNamed(name: string): Group | null {
    const below = this.below('/etc/group')
    const found = below ? below.groupNamed(name) : this.groups().find((group) => group.name === name)
    return found ?? this.notThere()
  }

  groupById(gid: number): Group | null {
    const below = this.below('/etc/group')
    return (below ? below.groupById(gid) : this.groups().find((group) => group.gid === gid)) ?? null
  }

  which(program: string): string | null {
    const candidates = program.includes('/')
      ? [program]
      : ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin'].map((d) => `${d}/${program}`)
    for (const path of candidates) if (this.stat(path)?.kind === 'file') return path
    return (program.includes('/') ? null : (this.base?.which(program) ?? null)) ?? this.notThere()
  }

  async query(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    if (!this.base) return this.command(argv, options)
    try {
      return await this.base.query(argv, options)
    } catch (error) {
      if (error instanceof ConvergeError && error.code === 'NO_PROGRAM') this.notThere()
      throw error
    }
  }

  request(options: RequestOptions): Promise<Response> {
    if (this.base) return this.base.request(options)
    return this.answer(options)
  }

  async ask(options: ExchangeOptions): Promise<string> {
    return this.base ? this.base.ask(options) : this.exchange(options)
  }

  listening(port: number, host?: string): Promise<boolean> {
    if (this.base) return this.base.listening(port, host)
    return this.answer({ port, host }).then(
      () => true,
      () => false,
    )
  }

  cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    // What is asked of the machine below holds for the whole dry run: nothing changes there.
    return this.base ? this.base.cached(key, ask) : remember(this.answers, key, ask)
  }

  once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return this.base ? this.base.once(key, ask) : remember(this.onceAnswers, key, ask)
  }

  recorded(key: string): string | null {
    return this.records.get(key) ?? this.base?.recorded(key) ?? null
  }

  now(): number {
    return this.base?.now() ?? this.clock
  }

  writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): void {
    const real = this.target(path, 'open')
    const before = this.describe(real)
    if (before?.kind === 'directory') throw systemError('EISDIR', 'rename', path)
    const [uid, gid] = this.ids(options)
    this.change(`write ${path}`)
    const kept = before?.kind === 'file' ? before : { mode: '0644', uid, gid }
    const owner = uid === -1 && this.isRoot ? kept.uid : uid
    const group = gid === -1 && this.isRoot ? kept.gid : gid
    this.put(real, 'file', options.mode ?? kept.mode, content, '', owner, group)
  }

  makeDirectory(path: string, options: WriteOptions = {}): void {
    const real = this.target(path, 'mkdir')
    if (this.describe(real) !== null) throw systemError('EEXIST', 'mkdir', path)
    const [uid, gid] = this.ids(options)
    this.change(`mkdir ${path}`)
    this.put(real, 'directory', options.mode ?? '0755', '', '', uid, gid)
  }

  replaceLink(path: string, target: string, options: Pick<WriteOptions, 'owner' | 'group'> = {}): void {
    const real = this.target(path, 'symlink')
    if (this.describe(real)?.kind === 'directory') throw systemError('EISDIR', 'rename', path)
    const [uid, gid] = this.ids(options)
    this.change(`link ${path} -> ${target}`)
    this.put(real, 'link', '0777', '', target, uid, gid)
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.target(from, 'rename'), this.target(to, 'rename')]
    const [moved, there] = [this.describe(source), this.describe(target)]
    if (moved === null) throw systemError('ENOENT', 'rename', from)
    if (there?.kind === 'directory' && moved.kind !== 'directory') throw systemError('EISDIR', 'rename', to)
    if (there && there.kind !== 'directory' && moved.kind === 'directory') throw systemError('ENOTDIR', 'rename', to)
    if (there?.kind === 'directory' && this.list(target).length > 0) throw systemError('ENOTEMPTY', 'rename', to)
    this.change(`rename ${from} -> ${to}`)
    this.move(source, target)
  }

  remove(path: string): void {
    const real = this.resolveParent(path)
    if (real === null || this.describe(real) === null) return
    this.change(`remove ${path}`)
    for (const unknown of [...this.unknowns.keys()]) if (unknown.startsWith(`${real}/`)) this.unknowns.delete(unknown)
    this.forget(real)
  }

  setMode(path: string, mode: string): void {
    const entry = this.own(this.resolve(path), path)
    this.change(`chmod ${mode} ${path}`)
    entry.mode = mode
  }

  setOwner(path: string, owner: string | undefined, group: string | undefined): void {
    const entry = this.own(this.resolveParent(path), path)
    const [uid, gid] = this.ids({ owner, group })
    this.change(`chown ${owner ?? ''}:${group ?? ''} ${path}`)
    if (owner !== undefined) entry.uid = uid
    if (group !== undefined) entry.gid = gid
  }

  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    if (this.base) throw notPredictable(argv.join(' '))
    this.change(`run ${argv.join(' ')}`)
    return this.command(argv, options)
  }

  async send(options: RequestOptions): Promise<Response> {
    if (this.base) throw notPredictable(`${options.method ?? 'GET'} ${options.path ?? '/'}`)
    this.change(`send ${options.method ?? 'GET'} ${options.path ?? '/'} ${options.body ?? ''}`)
    return this.answer(options)
  }

  async tell(options: ExchangeOptions): Promise<string> {
    const what = `tell ${whereOf(options)} ${options.text.trimEnd()}`
    if (this.base) throw notPredictable(what)
    this.change(what)
    return this.exchange(options)
  }

  async sleep(time: Duration): Promise<void> {
    this.clock += time.ms / 1000
  }

  locked<T>(_path: string, _wait: Duration, work: () => Promise<T>): Promise<T> {
    return work()
  }

  record(key: string, value: string): void {
    this.change(`record ${key}`)
    this.records.set(key, value)
  }

  async download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
    if (this.base) throw notPredictable(`fetch ${url}`)
    const content = this.options.downloads?.[url]
    if (content === undefined)
      throw new ConvergeError(`cannot fetch ${url}: the server answered 404`, { code: 'DOWNLOAD_FAILED' })
    const digest = createHash('sha256').update(content).digest('hex')
    if (options.sha256 !== undefined && options.sha256 !== digest)
      throw new ConvergeError(`${url} has the sha256 ${digest}, not ${options.sha256}`, { code: 'CHECKSUM_MISMATCH' })
    this.writeFile(path, content, options)
  }

  unknown(path: string, after: string): void {
    let real: string | null
    try {
      real = this.resolveParent(path)
    } catch (error) {
      if (error instanceof NotYetKnown) return
      throw error
    }
    // Whoever makes it makes the directories it needs.
    if (real === null) return this.unknown(split(path)[0], after)
    for (const known of [...this.entries.keys()])
      if (known === real || known.startsWith(`${real}/`)) this.entries.delete(known)
    this.unknowns.set(real, after)
  }

  mayBring(after: string, paths: readonly string[]): void {
    this.later = undefined
    for (const path of paths) if (this.isMissing(path)) this.unknown(path, after)
    this.later = after
  }

  private isMissing(path: string): boolean {
    try {
      return this.lstat(path) === null
    } catch (error) {
      if (error instanceof NotYetKnown) return false
      throw error
    }
  }

  private change(what: string): void {
    this.answers = new Map()
    this.changes.push(what)
    this.options.beforeChange?.(this.changes.length, what)
  }

  private async command(argv: readonly string[], options: CommandOptions): Promise<CommandResult> {
    const result = this.options.commands?.(argv, options, this) ?? null
    if (result === null) throw new ConvergeError(`cannot run ${argv[0]}: no such program`, { code: 'NO_PROGRAM' })
    const complete = { status: 0, stdout: '', stderr: '', ...result }
    const accepted = options.accept ?? [0]
    if (accepted !== 'any' && !accepted.includes(complete.status))
      throw new ConvergeError(`${argv.join(' ')} exited with status ${complete.status}`, {
        code: 'COMMAND_FAILED',
        output: complete.stdout + complete.stderr,
      })
    return complete
  }

  private async answer(options: RequestOptions): Promise<Response> {
    const response = this.options.requests?.(options, this) ?? null
    if (response === null) throw new ConvergeError(`cannot talk to ${whereOf(options)}`, { code: 'ECONNREFUSED' })
    return response
  }

  private exchange(options: ExchangeOptions): string {
    const answer = this.options.exchanges?.(options, this) ?? null
    if (answer === null) throw new ConvergeError(`cannot talk to ${whereOf(options)}`, { code: 'ECONNREFUSED' })
    return answer
  }

  private put(
    path: string,
    kind: FileKind,
    mode: string,
    content: Buffer | string = '',
    target = '',
    uid = this.self.uid,
    gid = this.self.gid,
  ): void {
    this.entries.set(path, {
      kind,
      mode,
      uid: uid === -1 ? this.self.uid : uid,
      gid: gid === -1 ? this.self.gid : gid,
      content,
      target,
    })
    this.listed(path)
  }

  private listed(path: string): void {
    if (path === '/') return
    const [parent, name] = split(path)
    const names = this.children.get(parent)
    if (names) names.add(name)
    else this.children.set(parent, new Set([name]))
  }

  private forget(path: string): void {
    // A link is only a name: what it points to stays.
    if (this.describe(path)?.kind === 'directory') for (const name of this.list(path)) this.forget(join(path, name))
    this.entries.set(path, null)
    this.listed(path)
  }

  private move(from: string, to: string): void {
    const entry = this.own(from, from)
    const names = entry.kind === 'directory' ? this.list(from) : []
    this.entries.set(to, { ...entry })
    this.listed(to)
    for (const name of names) this.move(join(from, name), join(to, name))
    this.entries.set(from, null)
    this.listed(from)
  }

  /** The entry to change, brought up from the base if it is still there. */
  private own(real: string | null, path: string): Entry {
    const entry = real === null ? null : this.entries.get(real)
    if (entry) return entry
    const stat = real === null || entry === null ? null : (this.base?.lstat(real) ?? null)
    if (real === null || stat === null) throw systemError('ENOENT', 'open', path)
    const made: Entry = {
      kind: stat.kind,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      content: stat.kind === 'file' ? (this.base?.readBytes(real) ?? '') : '',
      target: stat.kind === 'link' ? (this.base?.readLink(real) ?? '') : '',
    }
    this.entries.set(real, made)
    this.listed(real)
    return made
  }

  private describe(real: string): FileStat | null {
    const entry = this.entries.get(real)
    if (entry === undefined) {
      if (this.unknowns.size > 0) this.refuseUnknown(real)
      return this.base?.lstat(real) ?? null
    }
    if (entry === null) return null
    const { kind, mode, uid, gid, content } = entry
    return { kind, mode, uid, gid, size: Buffer.byteLength(content) }
  }

  private entry(real: string): FileStat | null {
    return this.describe(real)
  }

  private refuseUnknown(real: string): void {
    for (let at = real; at !== '/'; at = split(at)[0]) {
      const after = this.unknowns.get(at)
      if (after !== undefined) throw new NotYetKnown(after)
    }
  }

  /** What is not there for certain; where packages are still to come, nobody can tell. */
  private notThere(): null {
    if (this.later !== undefined) throw new NotYetKnown(this.later)
    return null
  }

  /** The path with links in its directories followed, or null where a directory is missing. */
  private resolveParent(path: string, depth = 0): string | null {
    if (path === '/') return '/'
    const [parent, name] = split(path)
    const real = this.resolve(parent, depth)
    if (name === '.') return real
    if (real === null) return systemPath.test(parent) ? this.notThere() : null
    return join(real, name)
  }

  private resolve(path: string, depth = 0): string | null {
    if (depth > maxLinks) throw systemError('ELOOP', 'open', path)
    const real = this.resolveParent(path, depth)
    if (real === null) return null
    const stat = this.describe(real)
    if (stat === null) return null
    if (stat.kind !== 'link') return real
    const entry = this.entries.get(real)
    const target = entry ? entry.target : (this.base?.readLink(real) ?? '')
    return this.resolve(normalise(target.startsWith('/') ? target : join(split(real)[0], target)), depth + 1)
  }

  private target(path: string, call: string): string {
    const real = this.resolveParent(path)
    const parent = real === null ? null : this.describe(split(real)[0])
    if (real === null || parent === null) throw systemError('ENOENT', call, path)
    if (parent.kind !== 'directory') throw systemError('ENOTDIR', call, path)
    if (
      this.base &&
      !this.isRoot &&
      this.entries.get(split(real)[0]) === undefined &&
      !this.base.writable(split(real)[0])
    )
      throw systemError('EACCES', call, path)
    return real
  }

  /** The host below, where it is still the one that knows the file. */
  private below(path: string): HostReader | undefined {
    return this.entries.get(path) === undefined ? this.base : undefined
  }

  private accounts(): Account[] {
    const text = this.readText('/etc/passwd') ?? ''
    if (this.parsed?.text !== text) this.parsed = { text, accounts: parseAccounts(text) }
    return this.parsed.accounts
  }

  private groups(): Group[] {
    const text = this.readText('/etc/group') ?? ''
    if (this.parsedGroups?.text !== text) this.parsedGroups = { text, groups: parseGroups(text) }
    return this.parsedGroups.groups
  }

  private ids(options: Pick<WriteOptions, 'owner' | 'group'>): [number, number] {
    const uid = options.owner === undefined ? -1 : this.account(options.owner)?.uid
    const gid = options.group === undefined ? -1 : this.groupNamed(options.group)?.gid
    if (uid === undefined)
      throw new ConvergeError(`there is no account ${options.owner} on this host`, {
        code: 'NO_ACCOUNT',
        hint: 'declare it with user() before',
      })
    if (gid === undefined)
      throw new ConvergeError(`there is no group ${options.group} on this host`, {
        code: 'NO_GROUP',
        hint: 'declare it with group() before',
      })
    if (!this.isRoot && uid !== -1 && uid !== this.self.uid) throw systemError('EPERM', 'chown', options.owner ?? '')
    return [uid, gid]
  }
}

function notPredictable(what: string): ConvergeError {
  return new ConvergeError(`a dry run may not do this: ${what}`, {
    code: 'NOT_PREDICTABLE',
    hint: "a resource whose apply runs commands needs a 'predict' that says what is known of their effects",
  })
}
