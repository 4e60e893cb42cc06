/** The machine converge runs on: straight to system calls. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { ConvergeError } from '../model/errors.ts'
import type { Duration } from '../model/units.ts'
import { remember } from './answers.ts'
import { exchange } from './exchange.ts'
import { LocalAccounts } from './local_accounts.ts'
import {
  alive,
  describe,
  orUndefined,
  quietly,
  refuseHardLink,
  renamed,
  temporaryStem,
  unlessGone,
} from './local_files.ts'
import { acquireLock } from './lock.ts'
import { pin, rootsOwn, Spot, unsafe } from './place.ts'
import { type Identity, runCommand, securePath } from './process.ts'
import { fetchInto, listening, request } from './request.ts'
import { makePrivate } from './state_files.ts'
import type {
  Account,
  CommandOptions,
  CommandResult,
  DownloadOptions,
  ExchangeOptions,
  FileStat,
  Group,
  Host,
  RequestOptions,
  Response,
  WriteOptions,
} from './types.ts'

const asText = { encoding: 'utf8', flag: 'r' } as const

export class LocalHost implements Host {
  readonly self: Account
  readonly isRoot: boolean
  private readonly accounts = new LocalAccounts()
  private answers = new Map<string, Promise<unknown>>()
  private readonly onceAnswers = new Map<string, Promise<unknown>>()
  private temporary = 0
  /** Files written and not yet flushed to the disk, see `flush`. */
  private unflushed: string[] = []

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
  }

  lstat(path: string): FileStat | null {
    return describe(quietly(() => fs.lstatSync(path, orUndefined)))
  }

  stat(path: string): FileStat | null {
    return describe(quietly(() => fs.statSync(path, orUndefined)))
  }

  readText(path: string): string | null {
    return quietly(() => fs.readFileSync(path, asText)) ?? null
  }

  readBytes(path: string): Buffer | null {
    return quietly(() => fs.readFileSync(path)) ?? null
  }

  readLink(path: string): string | null {
    return quietly(() => fs.readlinkSync(path)) ?? null
  }

  list(path: string): string[] {
    return (quietly(() => fs.readdirSync(path)) ?? []).sort()
  }

  writable(path: string): boolean {
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

  query(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(argv, this.identity(options), options)
  }

  request(options: RequestOptions): Promise<Response> {
    return request(options)
  }

  ask(options: ExchangeOptions): Promise<string> {
    return exchange(options)
  }

  listening(port: number, host?: string): Promise<boolean> {
    return listening(port, host)
  }

  cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return remember(this.answers, key, ask)
  }

  once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return remember(this.onceAnswers, key, ask)
  }

  recorded(key: string): string | null {
    const text = this.readText(this.recordPath(key))
    if (text === null) return null
    try {
      const entry: unknown = JSON.parse(text)
      if (typeof entry === 'object' && entry !== null && 'value' in entry && typeof entry.value === 'string')
        return entry.value
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
    // Cut short by a crash of the machine: as good as none, what it stood for is done again.
    return null
  }

  now(): number {
    return Date.now() / 1000
  }

  writeFile(path: string, content: string | Buffer, options: WriteOptions = {}): void {
    this.answersAreOld()
    this.at(path, (spot) =>
      this.beside(spot, (temporary) => {
        const file = spot.act(() => fs.openSync(temporary, 'wx', 0o600))
        try {
          fs.writeFileSync(file, content)
          const found = describe(quietly(() => fs.lstatSync(spot.path, orUndefined)))
          const before = found?.kind === 'file' ? found : null
          // Where others can put a file first, that file says no more than who may read and write the new one.
          const kept = Number.parseInt(before?.mode ?? '0644', 8) & (spot.pinned === null ? 0o7777 : 0o777)
          const [uid, gid] = this.accounts.ids(options.owner, options.group)
          if (before) this.keepOwner(file, before, uid, gid)
          if (uid !== -1 || gid !== -1) fs.fchownSync(file, uid, gid)
          // After chown, which takes away setuid and setgid.
          fs.fchmodSync(file, options.mode === undefined ? kept : Number.parseInt(options.mode, 8))
        } finally {
          fs.closeSync(file)
        }
        spot.act(() => fs.renameSync(temporary, spot.path))
      }),
    )
    this.unflushed.push(path)
  }

  /** What nobody asks to change stays as it was; an ordinary user can only keep what he could give. */
  private keepOwner(file: number, before: FileStat, uid: number, gid: number): void {
    const made = fs.fstatSync(file)
    const keepUid = uid === -1 && before.uid !== made.uid ? before.uid : -1
    const keepGid = gid === -1 && before.gid !== made.gid ? before.gid : -1
    if (keepUid === -1 && keepGid === -1) return
    try {
      fs.fchownSync(file, keepUid, keepGid)
    } catch (error) {
      if (this.isRoot || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    }
  }

  makeDirectory(path: string, options: WriteOptions = {}): void {
    this.changing()
    const [uid, gid] = this.accounts.ids(options.owner, options.group)
    const mode = Number.parseInt(options.mode ?? '0755', 8)
    this.at(path, (spot) => {
      // What is there already is mkdir's to refuse.
      if (quietly(() => fs.lstatSync(spot.path, orUndefined)) !== undefined) fs.mkdirSync(spot.path)
      this.beside(spot, (temporary) => {
        if (spot.pinned !== null) this.makeAmongOthers(spot, temporary, mode, uid, gid)
        else {
          fs.mkdirSync(temporary, { mode: 0o700 })
          if (uid !== -1 || gid !== -1) fs.chownSync(temporary, uid, gid)
          fs.chmodSync(temporary, mode)
        }
        spot.act(() => fs.renameSync(temporary, spot.path))
      })
    })
  }

  /** The owner of the directory makes it: what he puts in its place meanwhile is his own as well, or refused. */
  private makeAmongOthers(spot: Spot, temporary: string, mode: number, uid: number, gid: number): void {
    const parent = spot.pinned?.stat
    const maker = spot.rights ?? (parent === undefined || parent.uid === 0 ? null : this.accounts.rightsOf(parent.uid))
    spot.act(() => fs.mkdirSync(temporary, { mode: 0o700 }), maker)
    const made = fs.openSync(temporary, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW)
    try {
      if (fs.fstatSync(made).uid !== (maker?.uid ?? this.self.uid))
        throw unsafe(spot.named, 'another directory has taken its place while it was made')
      // Without a word about it it belongs to the account of the run, but for a group that the parent hands on.
      const handedOn = ((parent?.mode ?? 0) & 0o2000) !== 0
      fs.fchownSync(made, uid === -1 ? this.self.uid : uid, gid === -1 && !handedOn ? this.self.gid : gid)
      fs.fchmodSync(made, mode)
    } finally {
      fs.closeSync(made)
    }
  }

  replaceLink(path: string, target: string, options: Pick<WriteOptions, 'owner' | 'group'> = {}): void {
    this.changing()
    const [uid, gid] = this.accounts.ids(options.owner, options.group)
    this.at(path, (spot) =>
      this.beside(spot, (temporary) => {
        spot.act(() => fs.symlinkSync(target, temporary))
        if (uid !== -1 || gid !== -1)
          if (spot.pinned === null) fs.lchownSync(temporary, uid, gid)
          else
            spot.grasped(({ at, stat }) => {
              if (!stat.isSymbolicLink()) throw unsafe(path, 'something else has taken its place while it was made')
              fs.chownSync(at, uid, gid)
            }, temporary)
        spot.act(() => fs.renameSync(temporary, spot.path))
      }),
    )
  }

  rename(from: string, to: string): void {
    this.changing()
    this.at(from, (one) =>
      this.at(to, (other) => {
        const rights = one.rights ?? other.rights
        if (rights !== null && other.rights !== null && rights.uid !== other.rights.uid)
          throw unsafe(to, 'one account decides where it is, another one where it comes from')
        one.act(() => fs.renameSync(one.path, other.path), rights)
      }),
    )
  }

  remove(path: string): void {
    this.changing()
    quietly(() => this.at(path, (spot) => this.clear(spot, spot.path)))
  }

  /** Removes what is at the path in the spot's directory; nothing there is fine. */
  private clear(spot: Spot, path: string): void {
    if (!this.isRoot) return fs.rmSync(path, { recursive: true, force: true })
    const stat = fs.lstatSync(path, orUndefined)
    if (stat === undefined) return
    if (!stat.isDirectory()) return spot.act(() => fs.unlinkSync(path))
    // rm goes by descriptors and never through a link; by names, as Node does, root could be led elsewhere half way.
    const { status, stderr, error } = spawnSync(
      'rm',
      ['--recursive', '--force', '--one-file-system', '--', `./${path.slice(path.lastIndexOf('/') + 1)}`],
      {
        cwd: spot.directory,
        encoding: 'utf8',
        env: { PATH: securePath, LANG: 'C.UTF-8' },
        ...(spot.rights && { uid: spot.rights.uid, gid: spot.rights.gid }),
      },
    )
    if (error) throw error
    if (status !== 0)
      throw new ConvergeError(`${spot.named} cannot be removed`, {
        code: 'COMMAND_FAILED',
        output: stderr.trim().split('\n').slice(-10).join('\n'),
        hint: 'what is mounted below it stays: umount it, or move it away',
      })
  }

  setMode(path: string, mode: string): void {
    this.changing()
    const bits = Number.parseInt(mode, 8)
    this.at(path, (spot) => {
      if (spot.pinned === null) return fs.chmodSync(path, bits)
      spot.grasped(({ at, stat }) => {
        if (stat.isSymbolicLink()) throw unsafe(path, 'it is a link')
        // What others may have brought there by a hard link is theirs to change, or nobody's.
        if (stat.uid === 0 && spot.rights === null) refuseHardLink(path, stat)
        const owner = stat.uid === 0 ? null : this.accounts.rightsOf(stat.uid, stat.gid)
        spot.act(() => fs.chmodSync(at, bits), spot.rights ?? owner)
      })
    })
  }

  setOwner(path: string, owner: string | undefined, group: string | undefined): void {
    this.changing()
    const [uid, gid] = this.accounts.ids(owner, group)
    this.at(path, (spot) => {
      if (spot.pinned === null) {
        const mode = fs.lstatSync(path).mode
        fs.lchownSync(path, uid, gid)
        // chown takes setuid and setgid away; what was set before stays.
        if ((mode & 0o6000) !== 0) fs.chmodSync(path, mode & 0o7777)
        return
      }
      spot.grasped(({ at, stat }) => {
        if (stat.uid !== spot.pinned?.stat.uid) refuseHardLink(path, stat)
        spot.act(() => fs.chownSync(at, uid, gid))
        // A program that another account has put there does not become one that runs as its new owner.
        if (stat.isDirectory() && (stat.mode & 0o6000) !== 0) spot.act(() => fs.chmodSync(at, stat.mode & 0o7777))
      })
    })
  }

  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    this.changing()
    try {
      return await runCommand(argv, this.identity(options), options)
    } finally {
      this.changing()
      // It may have made an account.
      this.accounts.mayHaveChanged()
    }
  }

  async send(options: RequestOptions): Promise<Response> {
    this.changing()
    try {
      return await request(options)
    } finally {
      this.changing()
    }
  }

  async tell(options: ExchangeOptions): Promise<string> {
    this.changing()
    try {
      return await exchange(options)
    } finally {
      this.changing()
    }
  }

  sleep(time: Duration): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, time.ms))
  }

  async locked<T>(path: string, wait: Duration, work: () => Promise<T>): Promise<T> {
    // Never beside what is locked: who owns that directory could put a link there for root to write through.
    const name = createHash('sha256').update(path).digest('hex').slice(0, 32)
    makePrivate(this.stateDirectory)
    const lock = await acquireLock(`${this.stateDirectory}/locks/${name}`, 'converge', wait, undefined, path)
    try {
      return await work()
    } finally {
      lock.release()
    }
  }

  record(key: string, value: string): void {
    // What a record stands for has to be on the disk before the record is: else a power cut leaves a lie.
    this.flush()
    const path = this.recordPath(key)
    makePrivate(this.stateDirectory, 'records')
    this.writeFile(path, `${JSON.stringify({ key, value })}\n`, { mode: '0600' })
    this.flush()
  }

  async download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
    this.changing()
    const spot = this.spotOf(path)
    const temporary = this.temporaryName(spot)
    try {
      const file = spot.act(() => fs.openSync(temporary, 'wx', 0o600))
      try {
        await fetchInto(url, file, options)
        const [uid, gid] = this.accounts.ids(options.owner, options.group)
        if (uid !== -1 || gid !== -1) fs.fchownSync(file, uid, gid)
        fs.fchmodSync(file, Number.parseInt(options.mode ?? '0644', 8))
      } finally {
        fs.closeSync(file)
      }
      spot.act(() => fs.renameSync(temporary, spot.path))
    } catch (error) {
      quietly(() => this.clear(spot, temporary))
      throw spot.explained(renamed(error, temporary, spot.path))
    } finally {
      spot.close()
      this.changing()
    }
  }

  unknown(path: string): void {
    throw new ConvergeError(`${path} cannot be unknown on a real host`, { code: 'INTERNAL' })
  }

  mayBring(after: string): void {
    throw new ConvergeError(`${after} is only predicted on a real host`, { code: 'INTERNAL' })
  }

  /** Waits until what this run has written is on the disk. Called before anything is recorded as done, not for each file. */
  flush(): void {
    const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
    for (const path of this.unflushed) {
      const file = unlessGone(() => fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
      if (file === undefined) continue
      try {
        if (fs.fstatSync(file).isFile()) fs.fsyncSync(file)
      } finally {
        fs.closeSync(file)
      }
    }
    this.unflushed = []
  }

  /** Whatever was asked before may no longer hold. */
  private changing(): void {
    this.answersAreOld()
    this.trusted = null
  }

  private answersAreOld(): void {
    if (this.answers.size > 0) this.answers = new Map()
  }

  /** The directory that was last found to be root's alone, and when: looked at for each file it would cost a tenth of it. */
  private trusted: { readonly directory: string; readonly since: number } | null = null

  private at<T>(path: string, work: (spot: Spot) => T): T {
    const spot = this.spotOf(path)
    try {
      return work(spot)
    } catch (error) {
      throw spot.explained(error)
    } finally {
      spot.close()
    }
  }

  private spotOf(path: string): Spot {
    if (!this.isRoot) return new Spot(path)
    const directory = path.slice(0, path.lastIndexOf('/')) || '/'
    const now = performance.now()
    if (this.trusted?.directory !== directory || now - this.trusted.since > 50)
      this.trusted = rootsOwn(directory) ? { directory, since: now } : null
    if (this.trusted !== null) return new Spot(path)
    const pinned = pin(directory)
    return new Spot(path, pinned, pinned.by === null ? null : this.accounts.rightsOf(pinned.by))
  }

  private recordPath(key: string): string {
    return `${this.stateDirectory}/records/${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`
  }

  private temporaryName({ path }: Spot): string {
    this.temporary += 1
    return `${temporaryStem(path)}${process.pid}-${this.temporary}`
  }

  private beside(spot: Spot, work: (temporary: string) => void): void {
    this.sweep(spot)
    const temporary = this.temporaryName(spot)
    const removeTemporary = () => quietly(() => this.clear(spot, temporary))
    try {
      try {
        work(temporary)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        // A killed run with the same process id left it.
        removeTemporary()
        work(temporary)
      }
    } catch (error) {
      removeTemporary()
      throw renamed(error, temporary, spot.path)
    }
  }

  /** What killed runs have left, by directory; each is looked at once. */
  private readonly leftovers = new Map<string, string[]>()

  private sweep(spot: Spot): void {
    const directory = spot.named.slice(0, spot.named.lastIndexOf('/'))
    let left = this.leftovers.get(directory)
    if (left === undefined) {
      const names = quietly(() => fs.readdirSync(spot.directory)) ?? []
      left = names.filter((name) => {
        const pid = /^\..*\.converge-(\d+)-\d+$/s.exec(name)?.[1]
        return pid !== undefined && !alive(Number(pid))
      })
      this.leftovers.set(directory, left)
    }
    if (left.length === 0) return
    const stem = temporaryStem(spot.path)
    for (const name of left)
      if (`${spot.directory}/${name}`.startsWith(stem)) this.clear(spot, `${spot.directory}/${name}`)
  }

  private identity(options: CommandOptions): Identity {
    const { user, group } = options
    if ((user === undefined || user === this.self.name) && (group === undefined || !this.isRoot))
      return { account: this.self }
    const account = user === undefined ? this.self : this.account(user)
    if (account === null)
      throw new ConvergeError(`there is no account ${user} on this host`, {
        code: 'NO_ACCOUNT',
        hint: 'declare it with user() before, or run the setup event first',
      })
    if (!this.isRoot)
      throw new ConvergeError(`only root can run a command as ${account.name}`, {
        code: 'NEEDS_ROOT',
        hint: `run converge as root, or as ${account.name} with --prefix DIR`,
      })
    const [, gid] = this.accounts.ids(undefined, group)
    return { account, uid: account.uid, gid: gid === -1 ? account.gid : gid }
  }

  private executable(path: string): boolean {
    try {
      fs.accessSync(path, fs.constants.X_OK)
      return fs.statSync(path).isFile()
    } catch {
      return false
    }
  }
}
