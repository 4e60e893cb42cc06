/** Manages the connection to one host: reconnects, runs scripts over it, and keeps the lock of the rollout. */
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import { shortLine } from '../../model/excerpt.ts'
import { oneLine } from '../../report/printable.ts'
import { type AnswerLimits, defaultLimits, readOutput, waitForEnd, withDeadline } from './answer_deadline.ts'
import { lastLines, readUntil } from './event_stream.ts'
import { retryPauseMs } from './reconnect.ts'
import { lockScript } from './scripts.ts'
import {
  lastLine,
  type RemoteProcess,
  type SshTransport,
  type StartedScript,
  type Sudo,
  startScript,
  sudoRefusal,
} from './ssh_transport.ts'

export interface HostConnectionOptions {
  /** Of the host, as the stack file has it. */
  readonly name: string
  open(): Promise<SshTransport>
  readonly sudo: Sudo
  /** Name of the rollout, and the operator. */
  readonly rollout: string
  readonly by: string
  /** Number and comment of the deployment, for other operators; null where none is recorded. */
  readonly deployment?: (() => string | null) | undefined
  /** Reports that a locked host lost its connection, or is locked again. */
  readonly connection?: (state: 'lost' | 'back', detail: string) => void
  /** Default: a minute for the first byte, ten minutes for the rest. */
  readonly limits?: AnswerLimits | undefined
}

/** Milliseconds between two signs of life to the host, which keep the lock. */
const heartbeatMs = 10_000

/** Number of locks in a row that end within `heartbeatMs`: the host ends them, and a new connection does not help. */
const maxShortLocks = 3

/** Milliseconds between two attempts to lock a host again, at most. */
const maxRetryPauseMs = 10_000

/** The same after a refused login: programs such as fail2ban block addresses with many of them. */
const maxLoginPauseMs = 60_000

const beginMarker = 'converge: begins'

/** The answer of the lock script. */
const lockAnswer = /^(?:held|busy\n(?<holder>.*))\n/m

/**
 * The run that was started on the host last, and its operator, before the answer of the lock script. Earlier versions wrote
 * the name of the rollout in place of that of the run.
 */
const lastRunAnswer = /^ran (?<run>\S+) (?<operator>.*)\n\nheld$/m

interface LockSession {
  readonly transport: SshTransport
  readonly process: RemoteProcess
  readonly timer: NodeJS.Timeout
}

export class HostConnection {
  private transport: SshTransport | null = null
  private connecting: Promise<SshTransport> | null = null
  /** A connection without the lock so far: close() must end it too, because the lock script may hang. */
  private unlockedTransport: SshTransport | null = null
  private lock: LockSession | null = null
  private isLocking = false
  private shortLocks = 0
  private isClosed = false
  /** The last run on the host when this rollout first locked it; undefined before. */
  private runBeforeLock: string | null | undefined
  /** The runs that this side starts. */
  private readonly ownRuns = new Set<string>()
  /** Number of commands that wait for a connection. */
  private waitingCommands = 0
  /** Why nothing more may run: another rollout was on the host while it was not locked. */
  private refusal: ConvergeError | null = null
  private retryTimer: NodeJS.Timeout | undefined

  /** @param state directory of the fleet's own files on the host */
  constructor(
    private readonly options: HostConnectionOptions,
    readonly state: string,
  ) {}

  /** @throws CONNECT_FAILED and the like; HOST_HELD */
  async connect(takeLock: boolean): Promise<void> {
    this.isLocking = takeLock
    await this.transportForCommand()
  }

  get limits(): AnswerLimits {
    return this.options.limits ?? defaultLimits
  }

  /** Whether this side closed it. */
  get closed(): boolean {
    return this.isClosed
  }

  get isConnected(): boolean {
    return this.transport !== null
  }

  get name(): string {
    return this.options.name
  }

  /** Drops a connection that no longer works; the next script opens another. */
  reset(): void {
    const { transport } = this
    this.transport = null
    if (transport === null) return
    this.releaseLock(transport)
    transport.close()
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.retryTimer)
    if (this.lock) this.releaseLock(this.lock.transport)
    this.unlockedTransport?.close()
    this.transport?.close()
    this.transport = null
  }

  async runScript(script: string, args: readonly string[]): Promise<StartedScript> {
    return this.startScript(await this.transportForCommand(), script, args)
  }

  /** Records that this side starts a run, which may have begun on the host although its start was not reported. */
  addOwnRun(run: string): void {
    this.ownRuns.add(run)
  }

  /**
   * Runs a script, and returns its standard output.
   * @throws where it fails
   */
  async runForOutput(script: string, args: readonly string[], input?: Uint8Array): Promise<string> {
    const started = await this.runScript(`printf '\\n%s\\n' '${beginMarker}'\n${script}`, args)
    const { process, errors } = started
    // A script that ended early no longer reads; its exit status gives the reason.
    process.stdin.on('error', () => undefined)
    const { output, code } = await readOutput(process, this.limits, input ?? new Uint8Array())
    // Output of the account's shell comes before.
    if (!output.includes(`${beginMarker}\n`) && (code === 0 || errors().trim() === '')) throw shellEndedEarly(code)
    if (code === 0) return output.slice(output.indexOf(`${beginMarker}\n`) + beginMarker.length + 1)
    throw this.sudoFailure(code, started) ?? scriptFailure(code, errors())
  }

  /** Starts a script. The time in which the operator types a password does not count. */
  private startScript(wire: SshTransport, script: string, args: readonly string[]): Promise<StartedScript> {
    const { first } = this.limits
    return withDeadline(first, (extend) => {
      const { sudo } = this.options
      if (typeof sudo === 'string') return startScript(wire, script, args, sudo)
      const password = () => {
        extend(null)
        return sudo.password().finally(() => extend(first))
      }
      return startScript(wire, script, args, { password })
    })
  }

  /** Builds the error for a script that ended without output. */
  async startFailure(started: StartedScript, what: string): Promise<ConvergeError> {
    const { code } = await waitForEnd(started.process, this.limits)
    const errors = started.errors().replaceAll(`${beginMarker}\n`, '')
    if (code === 0 && errors.trim() === '') return shellEndedEarly(code)
    return (
      this.sudoFailure(code, started) ??
      new ConvergeError(`${what}: ${failureReason(errors) || `exit status ${code}`}`, {
        code: 'REMOTE_FAILED',
        hint: spaceHint(errors),
      })
    )
  }

  /** Returns the error of sudo where it refused to run the script; null for other failures. */
  sudoFailure(code: number | null, started: StartedScript): ConvergeError | null {
    return sudoRefusal(this.options.sudo, code, started)
  }

  private async transportForCommand(): Promise<SshTransport> {
    this.waitingCommands++
    try {
      return await this.connectedTransport()
    } finally {
      this.waitingCommands--
    }
  }

  private connectedTransport(): Promise<SshTransport> {
    if (this.isClosed) return Promise.reject(closedHere())
    if (this.transport !== null) return Promise.resolve(this.transport)
    this.connecting ??= this.openTransport().finally(() => {
      this.connecting = null
    })
    return this.connecting
  }

  private async openTransport(): Promise<SshTransport> {
    if (this.refusal !== null) throw this.refusal
    if (this.shortLocks >= maxShortLocks) throw lockLost(this.options.name)
    const wire = await this.options.open()
    this.unlockedTransport = wire
    void wire.closed.then((error) => {
      if (this.transport === wire) this.transport = null
      const wasLocked = this.lock?.transport === wire
      this.releaseLock(wire)
      if (wasLocked) this.lockAgain(error?.message ?? 'the lock was lost')
    })
    try {
      if (this.isClosed) throw closedHere()
      if (this.isLocking) {
        await this.hold(wire)
        wire.fence?.()
      }
    } catch (error) {
      wire.close()
      throw error
    } finally {
      this.unlockedTransport = null
    }
    this.transport = wire
    clearTimeout(this.retryTimer)
    if (this.isLocking) this.options.connection?.('back', '')
    return wire
  }

  /** Locks a host that waits again at once, before another rollout does. */
  private lockAgain(why: string, pause = retryPauseMs): void {
    clearTimeout(this.retryTimer)
    if (this.isClosed || this.isConnected || this.refusal !== null) return
    this.options.connection?.('lost', why)
    this.connectedTransport().catch((thrown: unknown) => {
      const { code, message } = asConvergeError(thrown)
      // The next command on the host reports any other failure.
      if (this.isClosed || this.isConnected || !retriedCodes.includes(code)) return
      clearTimeout(this.retryTimer)
      const maxPauseMs = code === 'AUTH_FAILED' ? maxLoginPauseMs : maxRetryPauseMs
      this.retryTimer = setTimeout(() => this.lockAgain(message, Math.min(2 * pause, maxPauseMs)), pause)
      this.retryTimer.unref()
    })
  }

  /** Describes this rollout for other operators. */
  describe(): string {
    const { by, deployment } = this.options
    const number = deployment?.() ?? null
    return `${by} since ${new Date().toISOString()}${number === null ? '' : ` (${oneLine(number)})`}, ${this.what}`
  }

  private get what(): string {
    return `converge stack ${this.options.rollout}`
  }

  /** @throws HOST_HELD; HOST_TAKEN */
  private async hold(wire: SshTransport): Promise<void> {
    const { name, rollout } = this.options
    const { what } = this
    // The lock holder is named for this host: a second entry of the stack file for the same computer must not take the
    // lock.
    const started = await this.startScript(wire, lockScript, [this.state, `${rollout}/${name}`, this.describe()])
    const { process } = started
    process.stdin.on('error', () => undefined)
    // Output of the account's shell may come before.
    const output = await withDeadline(this.limits.first, () => readUntil(process, (text) => lockAnswer.test(text)))
    const answer = lockAnswer.exec(output)
    const holder = answer?.groups?.holder
    if (answer !== null && holder === undefined) {
      this.refuseAfterOther(process, output)
      const timer = setInterval(() => process.stdin.write('\n'), heartbeatMs)
      this.lock = { transport: wire, process, timer }
      const lockedAt = performance.now()
      // The lock is lost: another operator took it while this computer slept, or the process on the host was killed.
      // Without a new lock nothing more may run.
      const lost = () => {
        if (this.lock?.process === process) wire.close()
      }
      const endedByHost = () => {
        this.shortLocks = performance.now() - lockedAt < heartbeatMs ? this.shortLocks + 1 : 0
        lost()
      }
      // It is rejected where the connection was lost.
      process.ended.then(endedByHost, lost)
      return
    }
    process.close()
    if (answer === null) {
      const { code } = await waitForEnd(process, this.limits)
      if (code === 0) throw shellEndedEarly(code)
      throw await this.startFailure(started, `cannot write the lock of the rollout in ${this.state} on ${name}`)
    }
    if (holder?.endsWith(`, ${what}`)) throw sameHostTwice()
    // A rollout that waits for other hosts locks this one for a moment: only a command on the host cannot wait for it.
    if (this.runBeforeLock !== undefined && this.waitingCommands > 0) throw this.refuse('locked', holder)
    throw new ConvergeError(`locked by another rollout: ${holder}`, {
      code: 'HOST_HELD',
      hint: 'add --wait to begin when it has ended; a rollout that lost its operator releases the host within a minute',
    })
  }

  /**
   * Compares the last run on the host with the one that was the last when this rollout first locked it.
   * @throws HOST_TAKEN
   */
  private refuseAfterOther(process: RemoteProcess, output: string): void {
    const { run = null, operator } = lastRunAnswer.exec(output)?.groups ?? {}
    if (this.runBeforeLock === undefined) this.runBeforeLock = run
    if (run === null || run === this.runBeforeLock || this.ownRuns.has(run)) return
    process.stdin.end()
    process.close()
    throw this.refuse('changed', operator)
  }

  private refuse(done: 'locked' | 'changed', other = 'somebody'): ConvergeError {
    this.refusal = new ConvergeError(
      `after the connection was lost, another rollout has ${done} the host: ${shortLine(oneLine(other))}`,
      {
        code: 'HOST_TAKEN',
        hint: `this rollout changes nothing more on it; when the other one has ended, run converge stack status --host ${this.name}, then deploy again`,
      },
    )
    return this.refusal
  }

  /** Releases the lock of a lost connection, and not that of a newer one. */
  private releaseLock(wire: SshTransport): void {
    if (this.lock?.transport !== wire) return
    clearInterval(this.lock.timer)
    this.lock.process.stdin.end()
    this.lock = null
  }
}

/** Failures after which a later attempt may lock the host: it boots, or another rollout ends. */
const retriedCodes = [
  ...['CONNECT_FAILED', 'CONNECTION_LOST', 'HOST_SILENT', 'AUTH_FAILED', 'SHELL_ENDED', 'REMOTE_FAILED'],
  'HOST_HELD',
]

const lockLost = (name: string) =>
  new ConvergeError(`the lock of the rollout on ${name} ended ${maxShortLocks} times within moments`, {
    code: 'LOCK_LOST',
    hint: `check whether the host ends the processes of the account: converge stack exec --host ${name} -- sleep 20`,
  })

const sameHostTwice = () =>
  new ConvergeError('another entry of the stack file leads to the same host', {
    code: 'SAME_HOST',
    hint: 'correct the address and port of one entry, or HostName and Port in ~/.ssh/config; if they are one host, write one entry with the layers of both',
  })

const closedHere = () => new ConvergeError('the connection was closed here', { code: 'CONNECTION_LOST' })

function shellEndedEarly(code: number | null): ConvergeError {
  return new ConvergeError(`the shell of the account ended with status ${code} before it ran the command`, {
    code: 'SHELL_ENDED',
    hint: 'remove exit and exec from ~/.bashrc and the other startup files of the account, or guard them: case $- in *i*) … ;; esac',
  })
}

function scriptFailure(code: number | null, errors: string): ConvergeError {
  return new ConvergeError(`the host could not be prepared: ${lastLine(errors) || `exit status ${code}`}`, {
    code: noSpacePattern.test(errors) ? 'ENOSPC' : 'REMOTE_FAILED',
    output: lastLines(errors),
    hint: spaceHint(errors),
  })
}

/** Returns the last line, without the name of the program that could not write. */
function failureReason(errors: string): string {
  return lastLine(errors).replace(/^.*: (?=No space left on device$)/, '')
}

/** On a disk with room for a part of a file, tar only reports how much of it was written. */
const noSpacePattern = /No space left|Wrote only \d+ of \d+ bytes/

function spaceHint(errors: string): string | undefined {
  return noSpacePattern.test(errors) ? 'free some space on the host (df -h shows where), then run again' : undefined
}
