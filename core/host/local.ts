/** The machine converge runs on: straight to system calls. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { ConvergeError } from '../model/errors.ts'
import type { Duration } from '../model/units.ts'
import { parseAccounts, parseGroups } from './accounts.ts'
import { acquireLock } from './lock.ts'
import { type Identity, runCommand } from './process.ts'
import { fetchInto, listening, request } from './request.ts'
import type {
  Account,
  CommandOptions,
  CommandResult,
  DownloadOptions,
  FileStat,
  Group,
  Host,
  RequestOptions,
  Response,
  WriteOptions,
} from './types.ts'

const absent = new Set(['ENOENT', 'ENOTDIR'])
// Made once: for thousands of files Node's own making of options from a word costs as much as the system call.
const orUndefined = { throwIfNoEntry: false } as const
const asText = { encoding: 'utf8', flag: 'r' } as const

export class LocalHost implements Host {
  readonly self: Account
  readonly isRoot: boolean
  private accounts: Map<string | number, Account> | undefined
  private groups: Map<string | number, Group> | undefined
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
    return this.allAccounts().get(name) ?? null
  }

  accountById(uid: number): Account | null {
    return this.allAccounts().get(uid) ?? null
  }

  groupNamed(name: string): Group | null {
    return this.allGroups().get(name) ?? null
  }

  groupById(gid: number): Group | null {
    return this.allGroups().get(gid) ?? null
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
    this.changing()
    this.beside(path, (temporary) => {
      const file = fs.openSync(temporary, 'wx', 0o600)
      try {
        fs.writeFileSync(file, content)
        const found = describe(quietly(() => fs.lstatSync(path, orUndefined)))
        const before = found?.kind === 'file' ? found : null
        const mode = options.mode ?? before?.mode ?? '0644'
        const [uid, gid] = this.ids(options.owner, options.group)
        if (before) this.keepOwner(file, before, uid, gid)
        if (uid !== -1 || gid !== -1) fs.fchownSync(file, uid, gid)
        // After chown, which takes away setuid and setgid.
        fs.fchmodSync(file, Number.parseInt(mode, 8))
      } finally {
        fs.closeSync(file)
      }
      fs.renameSync(temporary, path)
    })
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
    const [uid, gid] = this.ids(options.owner, options.group)
    // What is there already is mkdir's to refuse.
    if (this.lstat(path) !== null) fs.mkdirSync(path)
    this.beside(path, (temporary) => {
      fs.mkdirSync(temporary, { mode: 0o700 })
      if (uid !== -1 || gid !== -1) fs.chownSync(temporary, uid, gid)
      fs.chmodSync(temporary, Number.parseInt(options.mode ?? '0755', 8))
      fs.renameSync(temporary, path)
    })
  }

  replaceLink(path: string, target: string, options: Pick<WriteOptions, 'owner' | 'group'> = {}): void {
    this.changing()
    this.beside(path, (temporary) => {
      fs.symlinkSync(target, temporary)
      const [uid, gid] = this.ids(options.owner, options.group)
      if (uid !== -1 || gid !== -1) fs.lchownSync(temporary, uid, gid)
      fs.renameSync(temporary, path)
    })
  }

  rename(from: string, to: string): void {
    this.changing()
    fs.renameSync(from, to)
  }

  remove(path: string): void {
    this.changing()
    fs.rmSync(path, { recursive: true, force: true })
  }

  setMode(path: string, mode: string): void {
    this.changing()
    fs.chmodSync(path, Number.parseInt(mode, 8))
  }

  setOwner(path: string, owner: string | undefined, group: string | undefined): void {
    this.changing()
    const [uid, gid] = this.ids(owner, group)
    const mode = fs.lstatSync(path).mode
    fs.lchownSync(path, uid, gid)
    // chown takes setuid and setgid away; what was set before stays.
    if ((mode & 0o6000) !== 0) fs.chmodSync(path, mode & 0o7777)
  }

  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    this.changing()
    try {
      return await runCommand(argv, this.identity(options), options)
    } finally {
      this.changing()
      // It may have made an account.
      this.lastRefresh = 0
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

  sleep(time: Duration): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, time.ms))
  }

  async locked<T>(path: string, wait: Duration, work: () => Promise<T>): Promise<T> {
    const lock = await acquireLock(path, process.argv.slice(1).join(' ').slice(0, 200), wait)
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
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.writeFile(path, `${JSON.stringify({ key, value })}\n`, { mode: '0600' })
    this.flush()
  }

  async download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
    this.changing()
    const temporary = this.temporaryName(path)
    try {
      await fetchInto(url, temporary, options)
      const [uid, gid] = this.ids(options.owner, options.group)
      if (uid !== -1 || gid !== -1) fs.chownSync(temporary, uid, gid)
      fs.chmodSync(temporary, Number.parseInt(options.mode ?? '0644', 8))
      fs.renameSync(temporary, path)
    } finally {
      fs.rmSync(temporary, { force: true })
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
    for (const path of this.unflushed) {
      const file = quietly(() => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW))
      if (file === undefined) continue
      try {
        fs.fsyncSync(file)
      } finally {
        fs.closeSync(file)
      }
    }
    this.unflushed = []
  }

  /** Whatever was asked before may no longer hold. */
  private changing(): void {
    if (this.answers.size > 0) this.answers = new Map()
  }

  private recordPath(key: string): string {
    return `${this.stateDirectory}/records/${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`
  }

  private temporaryName(path: string): string {
    this.temporary += 1
    const slash = path.lastIndexOf('/')
    // The name's own part is cut so that a name of the longest length stays possible.
    return `${path.slice(0, slash)}/.${path.slice(slash + 1, slash + 101)}.converge-${process.pid}-${this.temporary}`
  }

  private beside(path: string, work: (temporary: string) => void): void {
    const temporary = this.temporaryName(path)
    const removeTemporary = () => quietly(() => fs.rmSync(temporary, { force: true, recursive: true }))
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
      throw renamed(error, temporary, path)
    }
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
    const [, gid] = this.ids(undefined, group)
    return { account, uid: account.uid, gid: gid === -1 ? account.gid : gid }
  }

  private ids(owner: string | undefined, group: string | undefined): [number, number] {
    const uid = owner === undefined ? -1 : this.account(owner)?.uid
    const gid = group === undefined ? -1 : this.groupNamed(group)?.gid
    if (uid === undefined)
      throw new ConvergeError(`there is no account ${owner} on this host`, {
        code: 'NO_ACCOUNT',
        hint: 'declare it with user() before',
      })
    if (gid === undefined)
      throw new ConvergeError(`there is no group ${group} on this host`, {
        code: 'NO_GROUP',
        hint: 'declare it with group() before',
      })
    return [uid, gid]
  }

  private executable(path: string): boolean {
    try {
      fs.accessSync(path, fs.constants.X_OK)
      return fs.statSync(path).isFile()
    } catch {
      return false
    }
  }

  private passwdStamp = ''

  private refreshAccounts(): void {
    const stat = (path: string) => quietly(() => fs.statSync(path, orUndefined))
    const [passwd, group] = [stat('/etc/passwd'), stat('/etc/group')]
    const stamp = `${passwd?.ino} ${passwd?.mtimeMs} ${passwd?.size} ${group?.ino} ${group?.mtimeMs} ${group?.size}`
    if (stamp === this.passwdStamp) return
    this.passwdStamp = stamp
    this.accounts = new Map()
    this.groups = new Map()
    for (const account of parseAccounts(this.readText('/etc/passwd') ?? '').reverse())
      this.accounts.set(account.name, account).set(account.uid, account)
    for (const entry of parseGroups(this.readText('/etc/group') ?? '').reverse())
      this.groups.set(entry.name, entry).set(entry.gid, entry)
  }

  private lastRefresh = 0

  private allAccounts(): Map<string | number, Account> {
    this.refreshSometimes()
    return this.accounts ?? new Map()
  }

  private allGroups(): Map<string | number, Group> {
    this.refreshSometimes()
    return this.groups ?? new Map()
  }

  /** Two stat calls for each name would double the cost of a file; between changes of this run 50 ms old is fresh. */
  private refreshSometimes(): void {
    const now = performance.now()
    if (this.accounts !== undefined && now - this.lastRefresh < 50) return
    this.lastRefresh = now
    this.refreshAccounts()
  }
}

function remember<T>(answers: Map<string, Promise<unknown>>, key: string, ask: () => Promise<T>): Promise<T> {
  const known = answers.get(key)
  if (known !== undefined) return known as Promise<T>
  const asked = ask()
  answers.set(key, asked)
  // What failed may work later in the same run: the program, or the account, may only be there then.
  asked.catch(() => answers.get(key) === asked && answers.delete(key))
  return asked
}

/** What a call gives, or undefined where nothing is at the path. */
function quietly<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (absent.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const modeNames: string[] = []

function describe(stat: fs.Stats | undefined): FileStat | null {
  if (stat === undefined) return null
  const bits = stat.mode & 0o7777
  modeNames[bits] ??= bits.toString(8).padStart(4, '0')
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: modeNames[bits], uid: stat.uid, gid: stat.gid, size: stat.size }
}

/** Errors speak of the file the user knows, not of the temporary one beside it. */
function renamed(error: unknown, temporary: string, path: string): unknown {
  const system = error as NodeJS.ErrnoException
  if (system.path === temporary) {
    system.path = path
    // A copy without the temporary name wherever the message is shown.
    system.message = system.message.replaceAll(temporary, path)
  }
  return error
}
