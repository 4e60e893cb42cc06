/**
 * A host in memory, over nothing or over another host.
 *
 * Over nothing it makes unit tests fast and can be killed at any change. Over the real host it is the overlay of a dry run:
 * later resources read what earlier ones would write, and nothing reaches the disk.
 */
import { createHash } from 'node:crypto'
import { ConvergeError } from '../model/errors.ts'
import { NotYetKnown } from '../model/reference.ts'
import type { Duration } from '../model/units.ts'
import { memoize } from './memoize.ts'
import { readMounts } from './network_mounts.ts'
import { endpointName } from './request.ts'
import {
  ScriptedAnswers,
  type ScriptedCommand,
  type ScriptedExchange,
  type ScriptedRequest,
  type Scripts,
} from './scripted_answers.ts'
import { SilentMounts } from './silent_mounts.ts'
import type {
  Account,
  CommandOptions,
  CommandResult,
  DownloadOptions,
  ExchangeOptions,
  FileStat,
  Group,
  Host,
  HostReader,
  ReadOptions,
  RequestOptions,
  Response,
  SilentMountList,
  WriteOptions,
} from './types.ts'
import { VirtualAccounts } from './virtual_accounts.ts'
import { systemError } from './virtual_paths.ts'
import { VirtualTree } from './virtual_tree.ts'

export type CommandHandler = ScriptedCommand<VirtualHost>
export type RequestHandler = ScriptedRequest<VirtualHost>
export type ExchangeHandler = ScriptedExchange<VirtualHost>

export interface VirtualOptions extends Scripts<VirtualHost> {
  /** The host below; default: an empty host with root only. */
  readonly base?: HostReader | undefined
  readonly self?: Account | undefined
  /** Called before each change with its number from 1; throwing there is a kill. */
  readonly beforeChange?: ((count: number, change: string) => void) | undefined
  /** Called with each path before it is read, without links; throwing there is a read that fails. */
  readonly beforeRead?: ((path: string) => void) | undefined
  /** Content served to `download`, by URL. */
  readonly downloads?: Readonly<Record<string, string | Buffer>> | undefined
}

export type Given = string | Buffer | { readonly link: string } | { readonly other: true } | null

const root: Account = { name: 'root', uid: 0, gid: 0, home: '/root', shell: '/bin/bash' }
export class VirtualHost implements Host {
  readonly self: Account
  readonly isRoot: boolean
  readonly silentMounts: SilentMountList
  /** The changed paths, in order; for tests. */
  readonly changes: string[] = []
  /** Seconds since 1970. */
  clock = 1_700_000_000
  private readonly overlay: VirtualTree
  private readonly accounts: VirtualAccounts
  private readonly scripted: ScriptedAnswers<VirtualHost>
  private readonly records = new Map<string, string>()
  private answers = new Map<string, Promise<unknown>>()
  private readonly onceAnswers = new Map<string, Promise<unknown>>()
  private readonly base: HostReader | undefined
  /** Without a host below. */
  private readonly own: SilentMounts | undefined
  /** The resource after which further programs may be on the PATH. */
  private installs: string | undefined

  constructor(private readonly options: VirtualOptions = {}) {
    this.base = options.base
    const own = new SilentMounts(() => readMounts(this))
    this.own = options.base === undefined ? own : undefined
    this.silentMounts = options.base?.silentMounts ?? own
    this.self = options.self ?? options.base?.self ?? root
    this.isRoot = this.self.uid === 0
    this.overlay = new VirtualTree(this.base, this.self, (path) => this.beforeRead(path))
    this.accounts = new VirtualAccounts(this.base, this.overlay, this.self)
    this.scripted = new ScriptedAnswers<VirtualHost>(options, this)
    if (this.base) return
    for (const path of ['/', '/etc', '/var', '/var/lib', '/tmp', '/usr', '/usr/bin', '/srv', '/root', '/home', '/run'])
      this.overlay.put(path, 'directory', '0755')
    this.overlay.put('/var/lib/dpkg', 'directory', '0755')
    this.overlay.put('/var/lib/dpkg/status', 'file', '0644')
    this.overlay.put('/etc/passwd', 'file', '0644', 'root:x:0:0:root:/root:/bin/bash\n')
    this.overlay.put('/etc/group', 'file', '0644', 'root:x:0:\n')
  }

  /**
   * Sets up a file (its content), directory (null), link, or something else such as a pipe for a test, with its directories. Does
   * not count as a change.
   */
  given(path: string, content: Given, mode?: string, owner?: string): this {
    for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1))
      if (this.overlay.describe(path.slice(0, at)) === null) this.overlay.put(path.slice(0, at), 'directory', '0755')
    const account = owner === undefined ? this.self : (this.account(owner) ?? this.self)
    const ids = [account.uid, account.gid] as const
    if (content === null) this.overlay.put(path, 'directory', mode ?? '0755', '', '', ...ids)
    else if (typeof content === 'string' || Buffer.isBuffer(content))
      this.overlay.put(path, 'file', mode ?? '0644', content, '', ...ids)
    else if ('other' in content) this.overlay.put(path, 'other', mode ?? '0644', '', '', ...ids)
    else this.overlay.put(path, 'link', '0777', '', content.link, ...ids)
    return this
  }

  /** Drops cached answers, as if another program had changed the host; for tests. */
  forgetAnswers(): void {
    this.answers = new Map()
  }

  lstat(path: string): FileStat | null {
    return this.overlay.lstat(path)
  }

  stat(path: string): FileStat | null {
    return this.overlay.stat(path)
  }

  readText(path: string, options?: ReadOptions): string | null {
    return this.readBytes(path, options)?.toString('utf8') ?? null
  }

  readBytes(path: string, options?: ReadOptions): Buffer | null {
    return this.overlay.readBytes(path, options)
  }

  readLink(path: string): string | null {
    return this.overlay.readLink(path)
  }

  version(path: string): string | null {
    return this.overlay.version(path)
  }

  list(path: string): string[] {
    return this.overlay.list(path)
  }

  /** Lists a directory without the names that a dry run cannot know. */
  listKnown(path: string): string[] {
    return this.overlay.listKnown(path)
  }

  writable(path: string): boolean {
    return this.overlay.writable(path)
  }

  account(name: string): Account | null {
    return this.accounts.account(name)
  }

  accountById(uid: number): Account | null {
    return this.accounts.accountById(uid)
  }

  groupNamed(name: string): Group | null {
    return this.accounts.groupNamed(name)
  }

  groupById(gid: number): Group | null {
    return this.accounts.groupById(gid)
  }

  which(program: string): string | null {
    const candidates = program.includes('/')
      ? [program]
      : ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin'].map((d) => `${d}/${program}`)
    for (const path of candidates) if (this.stat(path)?.kind === 'file') return path
    return (program.includes('/') ? null : (this.base?.which(program) ?? null)) ?? this.noProgram()
  }

  private noProgram(): null {
    if (this.installs !== undefined) throw new NotYetKnown(this.installs)
    return this.overlay.nullUnlessUnknown()
  }

  async query(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    if (!this.base) return this.scripted.command(argv, options)
    try {
      return await this.base.query(argv, options)
    } catch (error) {
      if (error instanceof ConvergeError && error.code === 'NO_PROGRAM') this.overlay.nullUnlessUnknown()
      throw error
    }
  }

  request(options: RequestOptions): Promise<Response> {
    if (this.base) return this.base.request(options)
    return this.scripted.response(options)
  }

  async querySocket(options: ExchangeOptions): Promise<string> {
    return this.base ? this.base.querySocket(options) : this.scripted.exchange(options)
  }

  listening(port: number, host?: string): Promise<boolean> {
    if (this.base) return this.base.listening(port, host)
    return this.scripted.response({ port, host }).then(
      () => true,
      () => false,
    )
  }

  cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    // Answers of the host below stay valid for the whole dry run, because nothing changes there.
    return this.base ? this.base.cached(key, ask) : memoize(this.answers, key, ask)
  }

  once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return this.base ? this.base.once(key, ask) : memoize(this.onceAnswers, key, ask)
  }

  recorded(key: string): string | null {
    return this.records.get(key) ?? this.base?.recorded(key) ?? null
  }

  now(): number {
    return this.base?.now() ?? this.clock
  }

  writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): void {
    const real = this.overlay.writeTarget(path, 'open')
    const before = this.overlay.describe(real)
    if (before?.kind === 'directory') throw systemError('EISDIR', 'rename', path)
    const [uid, gid] = this.accounts.ids(options)
    this.change(`write ${path}`)
    const metadata = before?.kind === 'file' ? before : { mode: '0644', uid, gid }
    const owner = uid === -1 && this.isRoot ? metadata.uid : uid
    const group = gid === -1 && this.isRoot ? metadata.gid : gid
    this.overlay.put(real, 'file', options.mode ?? metadata.mode, content, '', owner, group)
  }

  makeDirectory(path: string, options: WriteOptions = {}): void {
    const real = this.overlay.writeTarget(path, 'mkdir')
    if (this.overlay.describe(real) !== null) throw systemError('EEXIST', 'mkdir', path)
    const [uid, gid] = this.accounts.ids(options)
    this.change(`mkdir ${path}`)
    this.overlay.put(real, 'directory', options.mode ?? '0755', '', '', uid, gid)
  }

  replaceLink(path: string, target: string, options: Pick<WriteOptions, 'owner' | 'group'> = {}): void {
    const real = this.overlay.writeTarget(path, 'symlink')
    if (this.overlay.describe(real)?.kind === 'directory') throw systemError('EISDIR', 'rename', path)
    const [uid, gid] = this.accounts.ids(options)
    this.change(`link ${path} -> ${target}`)
    this.overlay.put(real, 'link', '0777', '', target, uid, gid)
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.overlay.writeTarget(from, 'rename'), this.overlay.writeTarget(to, 'rename')]
    const [moved, existing] = [this.overlay.describe(source), this.overlay.describe(target)]
    if (moved === null) throw systemError('ENOENT', 'rename', from)
    if (existing?.kind === 'directory' && moved.kind !== 'directory') throw systemError('EISDIR', 'rename', to)
    if (existing && existing.kind !== 'directory' && moved.kind === 'directory')
      throw systemError('ENOTDIR', 'rename', to)
    if (existing?.kind === 'directory' && this.list(target).length > 0) throw systemError('ENOTEMPTY', 'rename', to)
    this.change(`rename ${from} -> ${to}`)
    this.overlay.move(source, target)
  }

  remove(path: string): void {
    const real = this.overlay.resolveParent(path)
    if (real === null || this.overlay.describe(real) === null) return
    this.change(`remove ${path}`)
    this.overlay.remove(real)
  }

  setMode(path: string, mode: string): void {
    const entry = this.overlay.ownEntry(this.overlay.resolve(path), path)
    this.change(`chmod ${mode} ${path}`)
    entry.mode = mode
  }

  setOwner(path: string, owner: string | undefined, group: string | undefined): void {
    const entry = this.overlay.ownEntry(this.overlay.resolveParent(path), path)
    const [uid, gid] = this.accounts.ids({ owner, group })
    this.change(`chown ${owner ?? ''}:${group ?? ''} ${path}`)
    if (owner !== undefined) entry.uid = uid
    if (group !== undefined) entry.gid = gid
  }

  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    if (this.base) throw notPredictable(argv.join(' '))
    this.change(`run ${argv.join(' ')}`)
    return this.scripted.command(argv, options)
  }

  async send(options: RequestOptions): Promise<Response> {
    if (this.base) throw notPredictable(`${options.method ?? 'GET'} ${options.path ?? '/'}`)
    this.change(`send ${options.method ?? 'GET'} ${options.path ?? '/'} ${options.body ?? ''}`)
    return this.scripted.response(options)
  }

  async sendToSocket(options: ExchangeOptions): Promise<string> {
    const action = `tell ${endpointName(options)} ${options.text.trimEnd()}`
    if (this.base) throw notPredictable(action)
    this.change(action)
    return this.scripted.exchange(options)
  }

  async sleep(time: Duration): Promise<void> {
    this.clock += time.ms / 1000
    this.answers = new Map()
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
    this.overlay.markUnknown(path, after)
  }

  mayCreate(after: string, paths: readonly string[]): void {
    this.overlay.mayCreate(after, paths)
  }

  mayInstall(after: string): void {
    this.installs = after
  }

  private beforeRead(path: string): void {
    // The host below refuses its own paths. To refuse one, this reads the list of the mounts.
    if (!'/proc/self/mounts'.startsWith(path)) this.own?.refuse(path)
    this.options.beforeRead?.(path)
  }

  private change(description: string): void {
    this.answers = new Map()
    this.changes.push(description)
    this.options.beforeChange?.(this.changes.length, description)
  }
}

function notPredictable(action: string): ConvergeError {
  return new ConvergeError(`a dry run may not do this: ${action}`, {
    code: 'NOT_PREDICTABLE',
    hint: "give the resource type, whose apply runs commands, a 'predict' function that states their known effects",
  })
}
