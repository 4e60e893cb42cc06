/** Manages the connection to one host: reconnects, runs scripts over it, and keeps the lock of the rollout. */
import { ConvergeError } from '../../model/errors.ts'
import { oneLine } from '../../report/printable.ts'
import { type AnswerLimits, endOf, outputOf, usualLimits, withDeadline } from './answer_deadline.ts'
import { firstLines, tail } from './heard.ts'
import { holdScript } from './scripts.ts'
import { lastLine, type RemoteProcess, type Started, type Sudo, startScriptOn, sudoRefusal, type Wire } from './wire.ts'

export interface LinkOptions {
  /** Of the host, as the stack file has it. */
  readonly name: string
  open(): Promise<Wire>
  readonly sudo: Sudo
  /** Name of the rollout, and the operator. */
  readonly rollout: string
  readonly by: string
  /** Number and comment of the deployment, for other operators; null where none is recorded. */
  readonly deployment?: (() => string | null) | undefined
  /** Default: a minute for the first byte, ten minutes for the rest. */
  readonly limits?: AnswerLimits | undefined
}

/** Milliseconds between two signs of life to the host, which keep the lock. */
const heartbeat = 10_000

const begins = 'converge: begins'

/** The answer of the hold script. */
const answered = /^(?:held|busy\n(?<holder>.*))\n/m

interface Hold {
  readonly wire: Wire
  readonly process: RemoteProcess
  readonly timer: NodeJS.Timeout
}

export class Link {
  private wire: Wire | null = null
  private connecting: Promise<Wire> | null = null
  /** A connection without the lock so far: close() must end it too, because the lock script may hang. */
  private opening: Wire | null = null
  private held: Hold | null = null
  private wantsHold = false
  private over = false

  /** @param state directory of the fleet's own files on the host */
  constructor(
    private readonly options: LinkOptions,
    private readonly state: string,
  ) {}

  /** @throws CONNECT_FAILED and the like; HOST_HELD */
  async connect(hold: boolean): Promise<void> {
    this.wantsHold = hold
    await this.connected()
  }

  get limits(): AnswerLimits {
    return this.options.limits ?? usualLimits
  }

  /** Whether this side closed it. */
  get closed(): boolean {
    return this.over
  }

  get connectedNow(): boolean {
    return this.wire !== null
  }

  get name(): string {
    return this.options.name
  }

  /** Drops a connection that no longer works; the next script opens another. */
  reset(): void {
    const { wire } = this
    this.wire = null
    if (wire === null) return
    this.letGo(wire)
    wire.close()
  }

  close(): void {
    this.over = true
    if (this.held) this.letGo(this.held.wire)
    this.opening?.close()
    this.wire?.close()
    this.wire = null
  }

  async script(script: string, args: readonly string[]): Promise<Started> {
    return this.startOn(await this.connected(), script, args)
  }

  /**
   * Runs a script, and returns its standard output.
   * @throws where it fails
   */
  async output(script: string, args: readonly string[], input?: Uint8Array): Promise<string> {
    const started = await this.script(`printf '\\n%s\\n' '${begins}'\n${script}`, args)
    const { process, errors } = started
    // A script that ended early no longer reads; its exit status gives the reason.
    process.stdin.on('error', () => undefined)
    const { output, code } = await outputOf(process, this.limits, input ?? new Uint8Array())
    // Output of the account's shell comes before.
    if (!output.includes(`${begins}\n`) && (code === 0 || errors().trim() === '')) throw shellEnded(code)
    if (code === 0) return output.slice(output.indexOf(`${begins}\n`) + begins.length + 1)
    throw this.refusal(code, started) ?? scriptFailure(code, errors())
  }

  /** Starts a script. The time in which the operator types a password does not count. */
  private startOn(wire: Wire, script: string, args: readonly string[]): Promise<Started> {
    const { first } = this.limits
    return withDeadline(first, (extend) => {
      const { sudo } = this.options
      if (typeof sudo === 'string') return startScriptOn(wire, script, args, sudo)
      const password = () => {
        extend(null)
        return sudo.password().finally(() => extend(first))
      }
      return startScriptOn(wire, script, args, { password })
    })
  }

  /** Builds the error for a script that ended without output. */
  async failed(started: Started, what: string): Promise<ConvergeError> {
    const { code } = await endOf(started.process, this.limits)
    const errors = started.errors()
    return (
      this.refusal(code, started) ??
      new ConvergeError(`${what}: ${reasonIn(errors) || `exit status ${code}`}`, {
        code: 'REMOTE_FAILED',
        hint: spaceHint(errors),
      })
    )
  }

  /** Returns the error of sudo where it refused to run the script; null for other failures. */
  refusal(code: number | null, started: Started): ConvergeError | null {
    return sudoRefusal(this.options.sudo, code, started)
  }

  private connected(): Promise<Wire> {
    if (this.over) return Promise.reject(left())
    if (this.wire !== null) return Promise.resolve(this.wire)
    this.connecting ??= this.opened().finally(() => {
      this.connecting = null
    })
    return this.connecting
  }

  private async opened(): Promise<Wire> {
    const wire = await this.options.open()
    this.opening = wire
    void wire.closed.then(() => {
      if (this.wire === wire) this.wire = null
      this.letGo(wire)
    })
    try {
      if (this.over) throw left()
      if (this.wantsHold) await this.hold(wire)
    } catch (error) {
      wire.close()
      throw error
    } finally {
      this.opening = null
    }
    this.wire = wire
    return wire
  }

  /** @throws HOST_HELD */
  private async hold(wire: Wire): Promise<void> {
    const { name, rollout, by, deployment } = this.options
    const what = `converge stack ${rollout}`
    const number = deployment?.() ?? null
    const who = `${by} since ${new Date().toISOString()}${number === null ? '' : ` (${oneLine(number)})`}, ${what}`
    // The lock holder is named for this host: a second entry of the stack file for the same computer must not take the
    // lock.
    const started = await this.startOn(wire, holdScript, [this.state, `${rollout}/${name}`, who])
    const { process } = started
    process.stdin.on('error', () => undefined)
    // Output of the account's shell may come before.
    const said = await withDeadline(this.limits.first, () => firstLines(process, (text) => answered.test(text)))
    const answer = answered.exec(said)
    const holder = answer?.groups?.holder
    if (answer !== null && holder === undefined) {
      const timer = setInterval(() => process.stdin.write('\n'), heartbeat)
      this.held = { wire, process, timer }
      // The lock is lost: another operator took it while this computer slept, or the process on the host was killed.
      // Without a new lock nothing more may run.
      const lost = () => {
        if (this.held?.process === process) wire.close()
      }
      process.ended.then(lost, lost)
      return
    }
    process.close()
    if (answer === null) {
      const { code } = await endOf(process, this.limits)
      if (code === 0) throw shellEnded(code)
      throw await this.failed(started, `cannot write the lock of the rollout in ${this.state} on ${name}`)
    }
    if (holder?.endsWith(`, ${what}`)) throw sameHost()
    throw new ConvergeError(`another rollout is at work on it: ${holder}`, {
      code: 'HOST_HELD',
      hint: 'add --wait to begin when it has ended; a rollout that lost its operator releases the host within a minute',
    })
  }

  /** Releases the lock of a lost connection, and not that of a newer one. */
  private letGo(wire: Wire): void {
    if (this.held?.wire !== wire) return
    clearInterval(this.held.timer)
    this.held.process.stdin.end()
    this.held = null
  }
}

const sameHost = () =>
  new ConvergeError('another entry of the stack file leads to the same machine', {
    code: 'SAME_HOST',
    hint: 'correct the address and port of one entry, or HostName and Port in ~/.ssh/config; if they are one host, write one entry with the layers of both',
  })

const left = () => new ConvergeError('the connection was closed here', { code: 'CONNECTION_LOST' })

function shellEnded(code: number | null): ConvergeError {
  return new ConvergeError(`the shell of the account ended with status ${code} before it ran the command`, {
    code: 'SHELL_ENDED',
    hint: 'remove exit and exec from ~/.bashrc and the other startup files of the account, or guard them: case $- in *i*) … ;; esac',
  })
}

function scriptFailure(code: number | null, errors: string): ConvergeError {
  return new ConvergeError(`the host could not be prepared: ${lastLine(errors) || `exit status ${code}`}`, {
    code: noSpace.test(errors) ? 'ENOSPC' : 'REMOTE_FAILED',
    output: tail(errors),
    hint: spaceHint(errors),
  })
}

/** Returns the last line, without the name of the program that could not write. */
function reasonIn(errors: string): string {
  return lastLine(errors).replace(/^.*: (?=No space left on device$)/, '')
}

/** On a disk with room for a part of a file, tar only reports how much of it was written. */
const noSpace = /No space left|Wrote only \d+ of \d+ bytes/

function spaceHint(errors: string): string | undefined {
  return noSpace.test(errors) ? 'free some space on the host (df -h shows where), then run again' : undefined
}
