/** Runs commands: as another account, with a bare environment, a deadline for the whole process group, and output kept for errors. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { ConvergeError } from '../model/errors.ts'
import { knownFailure } from '../model/known_failures.ts'
import { omitUndefined } from '../model/omit_undefined.ts'
import { securePath } from '../model/secure_path.ts'
import { minutes } from '../model/units.ts'
import { shellWords } from '../text/shell.ts'
import type { GuardedCommand } from './command_guard.ts'
import { collectOutput, OutputLog } from './output.ts'
import { type CommandStart, startFailure } from './start_failure.ts'
import type { Account, CommandOptions, CommandResult } from './types.ts'

/** The variables of the caller's environment that every command gets: those for network access only. */
const inheritedVariables =
  /^(https?_proxy|no_proxy|all_proxy|HTTPS?_PROXY|NO_PROXY|ALL_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|PIP_.+|GIT_SSL_CAINFO)$/
/** Milliseconds from SIGTERM to SIGKILL, and from there until the command counts as one that cannot be killed. */
const killGrace = 5000
/** Milliseconds for which processes that a command left behind may write to its output. */
const lingerGrace = 2000

export interface Identity {
  readonly account: Account
  /** Set where the command runs as somebody else than converge. */
  readonly uid?: number
  readonly gid?: number
}

const running = new Set<ChildProcess>()

/** Ends every running command at once; for the second Ctrl-C. */
export function killRunning(signal: NodeJS.Signals): void {
  for (const child of running) signalGroup(child, signal)
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // Gone already, or by now another account's altogether (sudo): then it is waited for, and at last given up.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

export function commandEnvironment(
  identity: Identity,
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const name in process.env) if (inheritedVariables.test(name)) environment[name] = process.env[name] ?? ''
  const other = identity.uid !== undefined
  return {
    ...environment,
    PATH: other ? securePath : (process.env.PATH ?? securePath),
    HOME: identity.account.home,
    USER: identity.account.name,
    LOGNAME: identity.account.name,
    LANG: 'C.UTF-8',
    ...variables,
  }
}

export async function runCommand(
  argv: readonly string[],
  identity: Identity,
  options: CommandOptions,
  guarded: GuardedCommand | null = null,
): Promise<CommandResult> {
  const [program, ...args] = argv
  if (program === undefined || program === '')
    throw new ConvergeError('a command needs at least a program', { code: 'INVALID_COMMAND' })
  if ([...argv, ...Object.values(options.environment ?? {})].some((text) => text?.includes('\0')))
    throw new ConvergeError(`cannot run ${JSON.stringify(program)}: a word or variable contains a NUL character`, {
      code: 'INVALID_COMMAND',
    })
  const limit = options.timeout ?? minutes(10)
  const environment = commandEnvironment(identity, { ...options.environment, ...guarded?.environment })
  const start = { program, cwd: options.cwd ?? '/', searchPath: environment.PATH ?? securePath }
  const child = startChild(start, args, {
    cwd: start.cwd,
    env: environment,
    // A process group of its own: Ctrl-C at the terminal is ours to handle, and a deadline ends the children too.
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...omitUndefined({ uid: identity.uid, gid: identity.gid }),
  })
  if (child.pid !== undefined) guarded?.started(child.pid)
  running.add(child)
  const log = new OutputLog()
  const onLine = (line: string) => {
    log.add(line)
    options.onLine?.(line)
    if (!ended && options.endsAt?.(line)) {
      ended = true
      endAll()
    }
  }
  const stdout = collectOutput(child.stdout, onLine)
  const stderr = collectOutput(child.stderr, onLine)
  if (options.input !== undefined) {
    // A command that ends without reading its input is judged by its exit status, not by the broken pipe.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input)
  }
  let timedOut = false
  let ended = false
  let stuck: (() => void) | undefined
  const stillRunning = new Promise<never>((_, reject) => {
    stuck = () =>
      reject(commandError(argv, `did not end within ${limit}, nor when killed`, log, { code: 'STILL_RUNNING' }))
  })
  const result = (status: number | null) => ({ status: status ?? 128, stdout: stdout.text(), stderr: stderr.text() })
  const signalAll = (signal: NodeJS.Signals) => {
    guarded?.signal(signal)
    signalGroup(child, signal)
  }
  let killer: NodeJS.Timeout | undefined
  const endAll = () => {
    clearTimeout(killer)
    signalAll('SIGTERM')
    killer = setTimeout(() => {
      signalAll('SIGKILL')
      killer = setTimeout(() => stuck?.(), killGrace)
    }, killGrace)
  }
  const timer = setTimeout(() => {
    timedOut = true
    endAll()
  }, limit.timer)
  try {
    const { status, signal } = await Promise.race([waitForExit(child, start), stillRunning])
    for (const output of [stdout, stderr]) output.end()
    const done = result(status)
    // Processes that it started in other groups may have ignored the first signal.
    if (timedOut || ended) guarded?.signal('SIGKILL')
    if (timedOut) throw commandError(argv, `did not end within ${limit}`, log, { code: 'COMMAND_TIMEOUT' })
    if (ended) throw commandError(argv, 'was ended by this run, because it cannot succeed', log, {})
    if (signal !== null) throw commandError(argv, `was ended by ${signal}`, log, { signal })
    const accepted = options.accept ?? [0]
    if (accepted !== 'any' && !accepted.includes(done.status))
      throw commandError(argv, `exited with status ${done.status}`, log, { status: done.status })
    return done
  } finally {
    clearTimeout(timer)
    clearTimeout(killer)
    running.delete(child)
  }
}

function startChild(start: CommandStart, args: readonly string[], options: SpawnOptions): ChildProcess {
  try {
    return spawn(start.program, args, options)
  } catch (error) {
    // Node reports some errors of the system, such as ENOMEM, without a child.
    throw startError(start, error as NodeJS.ErrnoException)
  }
}

function startError(start: CommandStart, error: NodeJS.ErrnoException): ConvergeError {
  const { reason, isMissing } = startFailure(start, error)
  const code = isMissing ? 'NO_PROGRAM' : 'COMMAND_FAILED'
  return new ConvergeError(`cannot run ${start.program}: ${reason}`, { code, cause: error })
}

function waitForExit(
  child: ChildProcess,
  start: CommandStart,
): Promise<{ status: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((end, reject) => {
    let lingering: NodeJS.Timeout | undefined
    child.once('error', (error: NodeJS.ErrnoException) => reject(startError(start, error)))
    child.once('exit', (status, signal) => {
      // A daemon it has left behind may hold the pipes for ever.
      lingering = setTimeout(() => {
        for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy()
        end({ status, signal })
      }, lingerGrace)
    })
    child.once('close', (status, signal) => {
      clearTimeout(lingering)
      end({ status, signal })
    })
  })
}

interface FailureDetails {
  readonly code?: string
  readonly status?: number
  readonly signal?: NodeJS.Signals
}

function commandError(
  argv: readonly string[],
  message: string,
  log: OutputLog,
  details: FailureDetails,
): ConvergeError {
  const { code = 'COMMAND_FAILED', status, signal } = details
  const output = log.text()
  const silent = output.trim() === ''
  const known = code === 'COMMAND_FAILED' ? knownFailure({ output, status, signal }) : null
  const reason = known === null ? '' : `: ${known.reason}`
  return new ConvergeError(`${shellWords(argv)} ${message}${silent ? ', and printed nothing' : ''}${reason}`, {
    code,
    output: silent ? undefined : output,
    hint: known?.hint,
  })
}
