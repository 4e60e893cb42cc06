/** Defines the error class of the engine, and converts what was thrown to it. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** A position in a file of the user: a line of a recipe, a key of a JSON file. */
export interface SourceLocation {
  readonly file: string
  /** 1-based. */
  readonly line?: number | undefined
  /** 1-based. */
  readonly column?: number | undefined
}

export interface ErrorDetails {
  /** Stable upper-case name, for programs: `NOT_CONVERGED`, `COMMAND_FAILED`, ... */
  readonly code: string
  /** The attempted step, e.g. `apply` or `read`. */
  readonly attempted?: string | undefined
  /** The resource it happened in, e.g. `file /etc/motd`. */
  readonly resource?: string | undefined
  readonly source?: SourceLocation | undefined
  /** Key path of the attribute that it is about; code that knows the layers turns it into `source`. */
  readonly attribute?: string | undefined
  /** Advice for the user, in the imperative. */
  readonly hint?: string | undefined
  /** Output of a command, the end of a log: shown indented below the message. */
  readonly output?: string | undefined
  /** Event of the resource's role that repairs the failure; the caller may run it next. */
  readonly recovery?: string | undefined
  /** Wrong usage or invalid input (exit status 2) as against a run that failed (1). */
  readonly usage?: boolean | undefined
  readonly cause?: unknown
}

/** An error for the user: what failed, and a hint that says what to do. */
export class ConvergeError extends Error {
  override readonly name = 'ConvergeError'
  readonly code: string
  readonly attempted: string | undefined
  readonly resource: string | undefined
  readonly source: SourceLocation | undefined
  readonly attribute: string | undefined
  readonly hint: string | undefined
  readonly output: string | undefined
  readonly recovery: string | undefined
  readonly usage: boolean

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code
    this.attempted = details.attempted
    this.resource = details.resource
    this.source = details.source
    this.attribute = details.attribute
    this.hint = details.hint
    this.output = details.output
    this.recovery = details.recovery
    this.usage = details.usage ?? false
  }

  /** Adds the resource, and the position of the error, unless the error has them already. */
  at(details: Pick<ErrorDetails, 'attempted' | 'resource' | 'source'>): ConvergeError {
    return new ConvergeError(this.message, {
      code: this.code,
      attempted: this.attempted ?? details.attempted,
      resource: this.resource ?? details.resource,
      source: this.source ?? details.source,
      attribute: this.attribute,
      hint: this.hint,
      output: this.output,
      recovery: this.recovery,
      usage: this.usage,
      cause: this.cause,
    })
  }

  /** Adds a hint, unless the error has one already. */
  withHint(hint: string): ConvergeError {
    if (this.hint !== undefined) return this
    const { message, code, attempted, resource, source, attribute, output, recovery, usage, cause } = this
    return new ConvergeError(message, {
      code,
      attempted,
      resource,
      source,
      attribute,
      hint,
      output,
      recovery,
      usage,
      cause,
    })
  }

  /**
   * Returns the error with every text in it passed through `mask`; its cause, which is never printed, is dropped.
   * @param maskOutput for the output of commands; default: the same
   */
  masked(mask: (text: string) => string, maskOutput = mask): ConvergeError {
    const maskOptional = (text: string | undefined) => (text === undefined ? undefined : mask(text))
    const { code, attempted, source, attribute, recovery, usage } = this
    return new ConvergeError(mask(this.message), {
      code,
      attempted,
      source,
      attribute,
      recovery,
      usage,
      resource: maskOptional(this.resource),
      hint: maskOptional(this.hint),
      output: this.output === undefined ? undefined : maskOutput(this.output),
    })
  }

  toJSON(): Record<string, unknown> {
    const { code, message, attempted, resource, source, hint, output, recovery } = this
    return { code, message, attempted, resource, source, hint, output, recovery }
  }
}

/** Several problems found in one pass over the input, reported together. */
export class InvalidInput extends ConvergeError {
  constructor(
    readonly problems: readonly ConvergeError[],
    private readonly summary = 'invalid input',
  ) {
    super(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}: ${summary}`, {
      code: 'INVALID_INPUT',
      usage: true,
    })
  }

  /** Returns the same error with each problem replaced. */
  mapped(replace: (problem: ConvergeError) => ConvergeError): InvalidInput {
    return new InvalidInput(this.problems.map(replace), this.summary)
  }

  override at(details: Pick<ErrorDetails, 'attempted' | 'resource' | 'source'>): InvalidInput {
    return new InvalidInput(
      this.problems.map((problem) => problem.at(details)),
      this.summary,
    )
  }

  override masked(mask: (text: string) => string, maskOutput = mask): InvalidInput {
    return new InvalidInput(
      this.problems.map((problem) => problem.masked(mask, maskOutput)),
      this.summary,
    )
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), problems: this.problems }
  }
}

/** Throws the problems: none, the only one, or all of them as one error without duplicates. */
export function throwProblems(problems: readonly ConvergeError[], summary?: string): void {
  const distinct = new Map(problems.map((problem) => [JSON.stringify(problem), problem]))
  const [first, ...more] = distinct.values()
  if (more.length > 0) throw new InvalidInput([...distinct.values()], summary)
  if (first) throw first
}

/** Returns each problem of what was thrown, to report it with others; anything but wrong input is thrown again. */
export function problemsOf(error: unknown): readonly ConvergeError[] {
  if (!(error instanceof ConvergeError && error.usage)) throw error
  return error instanceof InvalidInput ? error.problems : [error]
}

export function describeLocation(source: SourceLocation): string {
  return [source.file, source.line, source.column].filter((part) => part !== undefined).join(':')
}

/** Decides whether a value or a program is nested more deeply than the stack of JavaScript allows. */
export function isStackOverflow(thrown: unknown): boolean {
  return thrown instanceof RangeError && /call stack/.test(thrown.message)
}

/** Wraps whatever was thrown; system errors keep their code and get a hint where one is known. */
export function asConvergeError(thrown: unknown): ConvergeError {
  if (thrown instanceof ConvergeError) return thrown
  if (!(thrown instanceof Error)) return new ConvergeError(String(thrown), { code: 'INTERNAL', cause: thrown })
  const system = systemErrorOf(thrown)
  if (typeof system.code !== 'string' || system.syscall === undefined) {
    // Anything else is a mistake in the engine or in a recipe: its stack is what helps.
    return new ConvergeError(thrown.message, {
      code: 'INTERNAL',
      output: thrown.stack,
      hint: 'report this fault of the program or of a resource type, with all of the output above',
      cause: thrown,
    })
  }
  if (system.syscall === 'uv_cwd')
    return new ConvergeError('the working directory is not there any more', {
      code: system.code,
      hint: 'change to a directory that exists (cd), then run again',
      cause: thrown,
    })
  const hint = ['EACCES', 'EPERM'].includes(system.code) ? permissionHint() : systemHints[system.code]
  const object = system.path ?? system.hostname
  const suffix = object === undefined ? '' : ` ${object}`
  const call = callNames[system.syscall] ?? system.syscall.replace(/^uv_/, '')
  return new ConvergeError(`${call}${suffix}: ${systemReason(system)}`, {
    code: system.code,
    hint,
    cause: thrown,
  })
}

/** Returns why something failed, without the call and the path, for messages that name both themselves. */
export function failureReason(thrown: unknown, path: string): string {
  const system = thrown instanceof Error ? systemErrorOf(thrown) : {}
  if (system.syscall !== undefined) return systemReason(system)
  const { message } = asConvergeError(thrown)
  const start = message.indexOf(`${path}: `)
  return start < 0 ? message : message.slice(start + path.length + 2)
}

function systemReason({ code = '', reason }: SystemFailure): string {
  return systemMessages[code] ?? reason ?? code
}

interface SystemFailure {
  readonly code?: string | undefined
  readonly syscall?: string | undefined
  readonly path?: string | undefined
  /** The name that could not be resolved. */
  readonly hostname?: string | undefined
  /** The system's text for the code. */
  readonly reason?: string | undefined
}

/** The functions of the module os report only the number of the error, some of them without its sign. */
function systemErrorOf(thrown: NodeJS.ErrnoException): SystemFailure {
  // Libraries have codes of their own, such as the numbers of JetStream.
  if (typeof thrown.code !== 'string') return {}
  if (thrown.code.startsWith('Unknown system error')) return { ...namedFailure(thrown), path: thrown.path }
  if (thrown.code !== 'ERR_SYSTEM_ERROR') return thrown
  const [code, reason] = getSystemErrorMap().get(-Math.abs(thrown.errno ?? 0)) ?? [thrown.code, thrown.message]
  return { code, syscall: thrown.syscall, reason }
}

/** Node knows no name for some errors of Linux, such as that of a full quota: only their number. */
function namedFailure({ code, errno, syscall }: NodeJS.ErrnoException): SystemFailure {
  const number = Math.abs(errno ?? 0)
  const [name] = Object.entries({ ...constants.errno, EUCLEAN: 117 }).find(([, value]) => value === number) ?? [code]
  return { code: name, syscall }
}

/** Descriptions of system calls with unclear names. */
const callNames: Readonly<Record<string, string>> = {
  uv_interface_addresses: 'list the network addresses of this host',
  getaddrinfo: 'resolve the host name',
}

const systemMessages: Readonly<Record<string, string>> = {
  ENOTFOUND: 'unknown host name',
  EAI_AGAIN: 'the name servers do not answer',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota exceeded',
  ESTALE: 'the network file system has lost the file',
  ENOLCK: 'no locks available',
  EUCLEAN: 'the file system is damaged',
  EROFS: 'the file system is read-only',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'is a directory',
  EEXIST: 'exists already',
  ENOTEMPTY: 'the directory is not empty',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the file name is too long',
  ECONNREFUSED: 'the connection was refused',
  EMFILE: 'too many open files',
  EIO: 'input/output error',
  EBADF: 'it is not open for this',
}

/** Advises root too, who meets such errors on NFS, on what is immutable, and in a container. */
function permissionHint(): string {
  return process.getuid?.() === 0
    ? 'find out what keeps root out: an immutable file (lsattr), a file system that does not trust root (NFS), a container'
    : 'run as root, or give --prefix DIR to work below a directory of your own'
}

const systemHints: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space (df -h shows where), then run again to finish',
  EDQUOT: 'remove files of the account, or have its quota raised, then run again',
  EROFS: 'find out why (dmesg shows errors of the disk), and mount it writable; or name another path in the attributes',
  EMFILE: 'raise the limit of open files (ulimit -n, LimitNOFILE of the service that starts converge), then run again',
  EIO: 'check the disk: dmesg shows its errors',
  ESTALE: 'unmount the network file system, mount it again, then run again',
  EUCLEAN: 'check the file system (fsck) while it is not mounted; dmesg shows its errors',
  ENOENT: 'declare the directory that holds it first, or check the path',
}
