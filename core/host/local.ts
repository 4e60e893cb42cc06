/** Implements the Host port for the host that converge runs on, with system calls. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { noAccount, onlyRoot } from '../model/account_errors.ts'
import { ConvergeError } from '../model/errors.ts'
import type { Duration } from '../model/units.ts'
import { CommandGuard } from './command_guard.ts'
import { type InteractiveOptions, runInteractive } from './interactive.ts'
import { LocalAccounts } from './local_accounts.ts'
import { fileStatOf, undefinedIfMissing, unlessMissing } from './local_files.ts'
import { LocalReader } from './local_reader.ts'
import { LocalTree } from './local_tree.ts'
import { acquireLock } from './lock.ts'
import { memoize } from './memoize.ts'
import { readMounts } from './network_mounts.ts'
import { type Identity, runCommand } from './process.ts'
import { listening, request } from './request.ts'
import { SilentMounts } from './silent_mounts.ts'
import { exchange } from './socket_exchange.ts'
import { makePrivateDirectories } from './state_directory.ts'
import type {
  Account,
  CommandOptions,
  CommandResult,
  DownloadOptions,
  ExchangeOptions,
  FileStat,
  Group,
  Host,
  ReadOptions,
  RequestOptions,
  Response,
  WriteOptions,
} from './types.ts'

export class LocalHost implements Host {
  readonly self: Account
  readonly isRoot: boolean
  readonly silentMounts = new SilentMounts(() => readMounts({ readText: (path) => fs.readFileSync(path, 'utf8') }))
  private readonly accounts = new LocalAccounts()
  private answers = new Map<string, Promise<unknown>>()
  private readonly onceAnswers = new Map<string, Promise<unknown>>()
  private readonly tree: LocalTree
  private readonly reader: LocalReader
  private readonly guard: CommandGuard

  constructor(readonly stateDirectory: string) {
    const uid = process.getuid?.() ?? 0
    this.isRoot = uid === 0
    this.self = this.accountById(uid) ?? {
      name: `${uid}`,
      uid,
      gid: process.getgid?.() ?? 0,
      home: process.env.HOME ?? '/',
      shell: '/bin/sh',
    }
    this.tree = new LocalTree(uid, this.self.gid, this.accounts)
    this.reader = new LocalReader(this.isRoot, (uid) => this.accounts.rightsOf(uid))
    this.guard = new CommandGuard(stateDirectory)
  }

  lstat(path: string): FileStat | null {
    this.refuseSilentMount(path, 'kept')
    return fileStatOf(unlessMissing(() => fs.lstatSync(path, undefinedIfMissing)))
  }

  stat(path: string): FileStat | null {
    this.refuseSilentMount(path)
    return fileStatOf(unlessMissing(() => fs.statSync(path, undefinedIfMissing)))
  }

  readText(path: string, options?: ReadOptions): string | null {
    return this.readBytes(path, options)?.toString('utf8') ?? null
  }

  readBytes(path: string, options?: ReadOptions): Buffer | null {
    this.refuseSilentMount(path)
    return this.reader.bytes(path, options)
  }

  readLink(path: string): string | null {
    this.refuseSilentMount(path, 'kept')
    try {
      return unlessMissing(() => fs.readlinkSync(path)) ?? null
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null
      throw error
    }
  }

  version(path: string): string | null {
    this.refuseSilentMount(path, 'kept')
    const stat = unlessMissing(() => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }))
    // Not the inode: on some file systems it differs after a boot.
    return stat?.isFile() || stat?.isSymbolicLink() ? `${stat.ctimeNs}` : null
  }

  list(path: string, options?: Pick<ReadOptions, 'origin'>): string[] {
    this.refuseSilentMount(path)
    return this.reader.names(path, options)
  }

  writable(path: string): boolean {
    this.refuseSilentMount(path)
    try {
      fs.accessSync(path, fs.constants.W_OK)
      return true
    } catch {
      return false
    }
  }

  account(name: string): Account | null {
    return this.accounts.account(name)
  }

  accountById(uid: number): Account | null {
    return this.accounts.account(uid)
  }

  groupNamed(name: string): Group | null {
    return this.accounts.group(name)
  }

  groupById(gid: number): Group | null {
    return this.accounts.group(gid)
  }

  which(program: string): string | null {
    if (program.includes('/')) return this.executable(program) ? program : null
    for (const directory of `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':'))
      if (directory !== '' && this.executable(`${directory}/${program}`)) return `${directory}/${program}`
    return null
  }

  async query(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    this.refuseSilentMount(options.cwd ?? '/')
    return runCommand(argv, this.identity(options), options)
  }

  request(options: RequestOptions): Promise<Response> {
    return request(options)
  }

  querySocket(options: ExchangeOptions): Promise<string> {
    return exchange(options)
  }

  listening(port: number, host?: string): Promise<boolean> {
    return listening(port, host)
  }

  cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return memoize(this.answers, key, ask)
  }

  once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return memoize(this.onceAnswers, key, ask)
  }

  recorded(key: string): string | null {
    const path = this.recordPath(key)
    // Most keys have no record, and stat is much faster than a read that fails.
    const text = this.stat(path) === null ? null : this.readText(path)
    if (text === null) return null
    try {
      const entry: unknown = JSON.parse(text)
      if (typeof entry === 'object' && entry !== null && 'value' in entry && typeof entry.value === 'string')
        return entry.value
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
    // A record that a crash has truncated counts as missing: its work is done again.
    return null
  }

  now(): number {
    return Date.now() / 1000
  }

  writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): void {
    this.refuseSilentMount(path, 'kept')
    this.invalidateAnswers()
    this.tree.writeFile(path, content, options)
  }

  makeDirectory(path: string, options: WriteOptions = {}): void {
    this.refuseSilentMount(path, 'kept')
    this.invalidateCaches()
    this.tree.makeDirectory(path, options)
  }

  replaceLink(path: string, target: string, options: Pick<WriteOptions, 'owner' | 'group'> = {}): void {
    this.refuseSilentMount(path, 'kept')
    this.invalidateCaches()
    this.tree.replaceLink(path, target, options)
  }

  rename(from: string, to: string): void {
    for (const path of [from, to]) this.refuseSilentMount(path, 'kept')
    this.invalidateCaches()
    this.tree.rename(from, to)
  }

  remove(path: string): void {
    this.refuseSilentMount(path, 'kept')
    this.invalidateCaches()
    this.tree.remove(path)
  }

  setMode(path: string, mode: string): void {
    this.refuseSilentMount(path)
    this.invalidateCaches()
    this.tree.setMode(path, mode)
  }

  setOwner(path: string, owner: string | undefined, group: string | undefined): void {
    this.refuseSilentMount(path, 'kept')
    this.invalidateCaches()
    this.tree.setOwner(path, owner, group)
  }

  async download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
    this.refuseSilentMount(path, 'kept')
    this.invalidateCaches()
    try {
      await this.tree.download(url, path, options)
    } finally {
      this.invalidateCaches()
    }
  }

  flush(): void {
    this.tree.flush()
  }

  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    this.refuseSilentMount(options.cwd ?? '/')
    const identity = this.identity(options)
    this.invalidateCaches()
    const guarded = this.guard.begin(options.outlivesRun === true)
    // A command that could not be killed stays registered: the next run waits for it.
    let hasEnded = true
    try {
      return await runCommand(argv, identity, options, guarded)
    } catch (error) {
      hasEnded = !(error instanceof ConvergeError && error.code === 'STILL_RUNNING')
      throw error
    } finally {
      this.invalidateCaches()
      // The command may have created an account.
      this.accounts.invalidate()
      if (hasEnded) guarded?.ended()
    }
  }

  /** Ends the helper process that guards commands. */
  close(): Promise<void> {
    return this.guard.close()
  }

  async send(options: RequestOptions): Promise<Response> {
    this.invalidateCaches()
    try {
      return await request(options)
    } finally {
      this.invalidateCaches()
    }
  }

  async sendToSocket(options: ExchangeOptions): Promise<string> {
    this.invalidateCaches()
    try {
      return await exchange(options)
    } finally {
      this.invalidateCaches()
    }
  }

  async sleep(time: Duration): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, time.timer))
    // The host may have changed in the meantime; this run changed nothing.
    this.invalidateAnswers()
  }

  async locked<T>(path: string, wait: Duration, work: () => Promise<T>): Promise<T> {
    // Not beside the locked path: the owner of its directory could put a link there, and root would write through it.
    const name = createHash('sha256').update(path).digest('hex').slice(0, 32)
    makePrivateDirectories(this.stateDirectory)
    const lock = await acquireLock(`${this.stateDirectory}/locks/${name}`, 'converge', wait, undefined, path)
    try {
      return await work()
    } finally {
      lock.release()
    }
  }

  record(key: string, value: string): void {
    // Flush the changes before their record: otherwise a power cut leaves a record of changes that were lost.
    this.flush()
    const path = this.recordPath(key)
    makePrivateDirectories(this.stateDirectory, 'records')
    // Without the key, which may be a command with all its words: the file is found by its digest.
    this.writeFile(path, `${JSON.stringify({ value })}\n`, { mode: '0600' })
    this.flush()
  }

  unknown(path: string): void {
    throw new ConvergeError(`${path} cannot be unknown on a real host`, { code: 'INTERNAL' })
  }

  mayCreate(after: string): void {
    throw new ConvergeError(`${after} is only predicted on a real host`, { code: 'INTERNAL' })
  }

  mayInstall(after: string): void {
    this.mayCreate(after)
  }

  /** Discards cached answers and decisions: a change may have made them wrong. */
  private invalidateCaches(): void {
    this.invalidateAnswers()
    this.tree.invalidateTrust()
    this.reader.invalidateTrust()
  }

  private invalidateAnswers(): void {
    if (this.answers.size > 0) this.answers = new Map()
  }

  /** @throws MOUNT_UNREACHABLE */
  private refuseSilentMount(path: string, last?: 'followed' | 'kept'): void {
    this.silentMounts.refuse(path, linkTarget, last)
  }

  private recordPath(key: string): string {
    return `${this.stateDirectory}/records/${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`
  }

  /** Runs a command that reads from the terminal of the operator; see {@link runInteractive}. */
  interact(
    command: readonly string[],
    options: InteractiveOptions & Pick<CommandOptions, 'user' | 'group'>,
  ): Promise<number> {
    return runInteractive(command, this.identity(options), options)
  }

  private identity(options: CommandOptions): Identity {
    const { user, group } = options
    if ((user === undefined || user === this.self.name) && (group === undefined || !this.isRoot))
      return { account: this.self }
    const account = user === undefined ? this.self : this.account(user)
    if (account === null) throw noAccount(`${user}`)
    if (!this.isRoot) throw onlyRoot(account.name)
    const [, gid] = this.accounts.ids(undefined, group)
    return { account, uid: account.uid, gid: gid === -1 ? account.gid : gid }
  }

  private executable(path: string): boolean {
    this.refuseSilentMount(path)
    try {
      fs.accessSync(path, fs.constants.X_OK)
      return fs.statSync(path).isFile()
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      // Any other error does not mean that the program is missing.
      if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG'].includes(code)) return false
      throw error
    }
  }
}

function linkTarget(path: string): string | null {
  try {
    return fs.readlinkSync(path)
  } catch {
    // No link, or one that the read itself reports.
    return null
  }
}
