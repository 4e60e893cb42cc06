/** The Host port: all that the engine and its resources can read from a host, and change on it. */
import type { Duration } from '../model/units.ts'

export type FileKind = 'file' | 'directory' | 'link' | 'other'

export interface FileStat {
  readonly kind: FileKind
  /** Four octal digits, e.g. `0640`. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
}

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

export interface Group {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

/** Bytes of a file that is read whole, unless the reader names another limit. */
export const defaultReadLimit = 32 * 1024 * 1024

/** Bytes that a reader who takes any file can ask for: Node.js reads no more at once. */
export const longestFile = 2 ** 31 - 1

/** Bytes of a download, unless its resource has another limit. */
export const longestDownload = 64 * 1024 ** 3

export interface ReadOptions {
  /** Bytes; a longer file is refused. Default: 32 MiB. */
  readonly limit?: number | undefined
  /**
   * Byte to begin at, of a file of any length; a negative one counts from its end. Reading ends at the limit. Default: the
   * whole file, which the limit refuses.
   */
  readonly from?: number | undefined
  /** The path with which the caller began, if it has followed links itself. */
  readonly origin?: ReadOrigin | undefined
}

export interface ReadOrigin {
  /** For messages. */
  readonly path: string
  /** The account that decided where the path leads: nothing is read that it may not read. Null: none but root. */
  readonly by: number | null
}

export interface CommandOptions {
  /** Account to run as; default: the account that runs converge. */
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly cwd?: string | undefined
  /** Added to PATH, HOME, USER, LANG of the account; nothing else is inherited. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly input?: string | undefined
  /** Default: 10 minutes. The whole process group is killed when it is over. */
  readonly timeout?: Duration | undefined
  /** Exit statuses that are no failure; default: only 0. `'any'` never throws for the status. */
  readonly accept?: readonly number[] | 'any' | undefined
  /**
   * Lets a changing command complete when the run is killed; the next run waits for it. For commands that start daemons,
   * and for those that leave the system broken when they are interrupted (dpkg). Default: it ends with the run.
   */
  readonly outlivesRun?: boolean | undefined
  /** Called with each line of output as it comes (stdout and stderr together). */
  readonly onLine?: ((line: string) => void) | undefined
  /** Decides by a line of output that the command cannot succeed: its process group is then ended. */
  readonly endsAt?: ((line: string) => boolean) | undefined
}

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Where a connection goes to. */
export interface Endpoint {
  /** A unix socket to talk to, instead of `host`/`port`. */
  readonly socketPath?: string | undefined
  /** Default: 127.0.0.1. */
  readonly host?: string | undefined
  readonly port?: number | undefined
}

export interface RequestOptions extends Endpoint {
  /** Default: GET. */
  readonly method?: string | undefined
  /** Default: `/`. */
  readonly path?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  /** Bytes of the answer's body to read; the rest is not read. Default: all of it, up to 16 MiB. */
  readonly enough?: number | undefined
  /** Default: 10 seconds. */
  readonly timeout?: Duration | undefined
}

export interface ExchangeOptions extends Endpoint {
  /** The text to send, unchanged; empty where the other side sends first. */
  readonly text: string
  /** Bytes after which the connection is closed. Default: it is read until the other side closes it. */
  readonly enough?: number | undefined
  /** For the whole exchange; default: 10 seconds. */
  readonly timeout?: Duration | undefined
}

export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The mounted file systems whose servers do not answer. */
export interface SilentMountList {
  add(mountPoint: string): void
  /**
   * Returns the one of them that a path leads to or through; null for none.
   * @param readLink returns the target of a link, and null for anything else
   */
  find(path: string, readLink: (path: string) => string | null): string | null
}

/** Reads a host, and changes nothing. Local files are read synchronously: in measurements, promises took ten times as long. */
export interface HostReader {
  /** The account that runs converge. */
  readonly self: Account
  readonly isRoot: boolean
  /** The status of the path (links are not followed), or null where it does not exist. */
  lstat(path: string): FileStat | null
  /** The same with links followed; null for a dangling one. */
  stat(path: string): FileStat | null
  /**
   * Content of a file as UTF-8, or null where there is none.
   * @throws NOT_A_FILE, FILE_TOO_LARGE or NOT_READABLE for what another account may have put in its place
   */
  readText(path: string, options?: ReadOptions): string | null
  readBytes(path: string, options?: ReadOptions): Buffer | null
  /** The target of a link as written, or null where there is no link. */
  readLink(path: string): string | null
  /**
   * Differs after each change of a file or link, of its content, mode or name, also where everything is put back afterwards;
   * null for anything else.
   */
  version(path: string): string | null
  /** Names in a directory, sorted; empty where there is none. */
  list(path: string, options?: Pick<ReadOptions, 'origin'>): string[]
  /** Whether the account that runs converge may write there. */
  writable(path: string): boolean
  account(name: string): Account | null
  accountById(uid: number): Account | null
  groupNamed(name: string): Group | null
  groupById(gid: number): Group | null
  /** The full path of a program on the PATH, or null. */
  which(program: string): string | null
  /** Runs a command that changes nothing. */
  query(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** Sends an HTTP request that changes nothing; also over a unix socket. */
  request(options: RequestOptions): Promise<Response>
  /** Sends a text that changes nothing over a new connection, and returns all that the other side sends until it closes it. */
  querySocket(options: ExchangeOptions): Promise<string>
  /** Whether a TCP connection to the port is accepted. */
  listening(port: number, host?: string): Promise<boolean>
  /** An answer that is valid until this run changes something or waits; all callers share one question. */
  cached<T>(key: string, ask: () => Promise<T>): Promise<T>
  /** An answer from outside the host that must stay the same for the whole run, e.g. the tip of a remote branch. */
  once<T>(key: string, ask: () => Promise<T>): Promise<T>
  /** The value that `Host.record` stored for an earlier success; survives crashes and reboots. */
  recorded(key: string): string | null
  /** Seconds since 1970 by the host's clock. */
  now(): number
  /** The mounts that do not answer: what would wait for one is refused with MOUNT_UNREACHABLE. */
  readonly silentMounts: SilentMountList
}

export interface WriteOptions {
  /** Four octal digits; default: that of the file replaced, else 0644. */
  readonly mode?: string | undefined
  /** Default: that of the file replaced, as far as the account of the run may give files away; else that account. */
  readonly owner?: string | undefined
  readonly group?: string | undefined
}

/** Reads a host, and changes it. Every change of content is atomic: a reader sees the old or the new content, never a part. */
export interface Host extends HostReader {
  /** Writes beside, sets mode and owner, and renames over; a link at `path` is replaced, not followed. */
  writeFile(path: string, content: string | Buffer, options?: WriteOptions): void
  /** Creates one directory; its parent must exist. */
  makeDirectory(path: string, options?: WriteOptions): void
  /** Points a symbolic link at `target` by rename(2); there is no moment without it. */
  replaceLink(path: string, target: string, options?: Pick<WriteOptions, 'owner' | 'group'>): void
  rename(from: string, to: string): void
  /** Removes a file, a link, or a directory with all below it; nothing there is fine. */
  remove(path: string): void
  setMode(path: string, mode: string): void
  setOwner(path: string, owner: string | undefined, group: string | undefined): void
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** A request that may change something, e.g. a call of supervisor's. */
  send(options: RequestOptions): Promise<Response>
  /** The same as `querySocket`, with a text that may change something. */
  sendToSocket(options: ExchangeOptions): Promise<string>
  sleep(time: Duration): Promise<void>
  /** Runs `work` while no other process on this host holds the same lock; waits for it up to `wait`. */
  locked<T>(path: string, wait: Duration, work: () => Promise<T>): Promise<T>
  /** Stores a value, such as the digest of what a success was for, for `recorded` in later runs. */
  record(key: string, value: string): void
  /** Fetches a URL into a file (write beside, rename); basic auth where given. */
  download(url: string, path: string, options?: DownloadOptions): Promise<void>
  /**
   * For `predict`: the content at and below `path` is known only after the resource `after` was applied. A resource that
   * reads it later in the dry run is reported as unknown.
   */
  unknown(path: string, after: string): void
  /**
   * For `predict`: of `paths`, system directories, programs and accounts, those that do not exist now may exist after the
   * resource `after` was applied.
   */
  mayCreate(after: string, paths: readonly string[]): void
  /** For `predict`: a program that is not on the PATH now may be on it after the resource `after` was applied. */
  mayInstall(after: string): void
}

export interface DownloadOptions extends WriteOptions {
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** Hex digest the content must have. */
  readonly sha256?: string | undefined
  /** Bytes; a longer file is refused. Default: 64 GiB. */
  readonly limit?: number | undefined
  /** Default: 10 minutes. */
  readonly timeout?: Duration | undefined
}
