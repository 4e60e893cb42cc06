/** Queries and controls supervisord over its unix socket. */
import type { Host, HostReader, Response } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { type Duration, seconds } from '../../core/model/units.ts'
import {
  type ConfigChanges,
  type ProcessInfo,
  type ProcessOutput,
  parseChanges,
  parseProcesses,
  textField,
} from './answers.ts'
import { faultError } from './faults.ts'
import { decodeAnswer, encodeCall, type Value } from './xmlrpc.ts'

/** The socket of Debian's package. */
export const systemSocket = '/var/run/supervisor.sock'

const callLimit = seconds(30)
/**
 * supervisord (4.2.5 and 4.3.0) drops a connection that arrives exactly when another one ends: it confuses the two if
 * they share a file descriptor.
 */
const dropped = new Set(['EPIPE', 'ECONNRESET'])
const maxTries = 8
/** No supervisord, or one that is starting or stopping. */
const unavailable = new Set(['ENOENT', 'ECONNREFUSED', ...dropped])

/** Faults after which the state of its files is unknown. */
const cannotCompare = new Set(['SUPERVISOR_CANT_REREAD', 'SUPERVISOR_SHUTDOWN_STATE', 'SUPERVISOR_DOWN'])

/** Queries supervisord; changes nothing. */
export class SupervisorReader {
  constructor(
    protected readonly host: HostReader,
    readonly socket: string,
  ) {}

  /**
   * Returns the state of supervisord: RUNNING, or SHUTDOWN while it stops its programs; null if there is no
   * supervisord.
   */
  async getState(): Promise<string | null> {
    try {
      return textField(await this.query('getState'), 'statename')
    } catch (error) {
      if (isSupervisorDown(error)) return null
      // During its shutdown supervisord answers every call with this fault.
      if (errorCode(error) === 'SUPERVISOR_SHUTDOWN_STATE') return 'SHUTDOWN'
      throw error
    }
  }

  /** Returns every process, from one call that is cached until something changes. */
  getAllProcessInfo(): Promise<readonly ProcessInfo[]> {
    return this.host.cached(`supervisor ${this.socket}`, () => this.fetchAllProcessInfo())
  }

  /** Returns every process as of now. */
  async fetchAllProcessInfo(): Promise<readonly ProcessInfo[]> {
    const answer = await this.query('getAllProcessInfo')
    return parseProcesses(answer)
  }

  /**
   * Returns the groups whose configuration in use differs from the files; empty if the files cannot be read.
   * supervisord re-reads the files to compare them, as for `supervisorctl reread`; every later `supervisorctl update`
   * does so anyway.
   */
  changedGroups(): Promise<readonly string[]> {
    return this.host.cached(`supervisor files ${this.socket}`, async () => {
      try {
        return parseChanges(await this.query('reloadConfig')).changed
      } catch (error) {
        if (cannotCompare.has(errorCode(error) ?? '')) return []
        throw error
      }
    })
  }

  /**
   * Returns a log of a process; empty if there is none.
   * @param from byte to begin at; a negative one counts from the end
   */
  async readProcessLog(output: ProcessOutput, name: string, from = -16_384): Promise<string> {
    try {
      return String(await this.query(`readProcess${output}Log`, name, from, 0))
    } catch (error) {
      if (errorCode(error) === 'SUPERVISOR_NO_FILE') return ''
      throw error
    }
  }

  /** Returns the end of supervisord's own log; empty if there is none, or it cannot be read. */
  async readMainLog(bytes = 131_072): Promise<string> {
    try {
      return String(await this.query('readLog', -bytes, 0))
    } catch (error) {
      // It refuses a log that begins within a character, too.
      if (['SUPERVISOR_NO_FILE', 'SUPERVISOR_FAILED'].includes(errorCode(error) ?? '')) return ''
      throw error
    }
  }

  /** Returns the length of a log of a process in bytes; 0 if there is none. */
  async processLogLength(output: ProcessOutput, name: string): Promise<number> {
    const answer = await this.query(`tailProcess${output}Log`, name, 0, 0)
    const length = Array.isArray(answer) ? answer[1] : undefined
    return typeof length === 'number' ? length : 0
  }

  private async query(method: string, ...parameters: readonly (string | number | boolean)[]): Promise<Value> {
    return this.call(method, parameters, (options) => this.host.request(options))
  }

  protected async call(
    method: string,
    parameters: readonly (string | number | boolean)[],
    send: (options: ReturnType<typeof buildRequest>) => Promise<Response>,
  ): Promise<Value> {
    const response = await this.withRetries(() => send(buildRequest(this.socket, method, parameters)))
    if (response.status !== 200) throw this.statusError(method, response.status)
    const answer = decodeAnswer(response.body)
    if ('value' in answer) return answer.value
    throw faultError(answer.fault, method, parameters)
  }

  /**
   * Calls supervisord, and retries. Every call here may be made twice: a fault that reports a completed action counts
   * as success.
   */
  private async withRetries(call: () => Promise<Response>): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        return await call()
      } catch (error) {
        if (tries >= maxTries || !dropped.has(errorCode(error) ?? '')) throw this.connectionError(error)
      }
    }
  }

  private connectionError(error: unknown): unknown {
    const code = errorCode(error)
    if (code !== undefined && unavailable.has(code))
      return new ConvergeError(`no supervisord is running at ${this.socket}`, {
        code: 'SUPERVISOR_DOWN',
        hint: 'start it: service supervisor start, or supervisord -c FILE with its own configuration',
        cause: error,
      })
    if (code === 'EACCES' || code === 'EPERM')
      return new ConvergeError(`this account may not talk to supervisord at ${this.socket}`, {
        code: 'SUPERVISOR_DENIED',
        hint: 'run converge as root, or as the account that supervisord runs as',
        cause: error,
      })
    return error
  }

  private statusError(method: string, status: number): ConvergeError {
    const hints: Readonly<Record<number, string>> = {
      401: 'remove username and password from [unix_http_server] in its configuration, then restart it; the mode of the socket keeps other accounts out',
      500: 'read its log (logfile in [supervisord]), correct the error there, then run again',
    }
    return new ConvergeError(`supervisord at ${this.socket} answered ${method} with HTTP status ${status}`, {
      code: 'SUPERVISOR_ANSWER',
      hint: hints[status] ?? 'set the socket to file of [unix_http_server] in the configuration of supervisord',
    })
  }
}

/** Queries and controls supervisord. */
export class Supervisor extends SupervisorReader {
  constructor(
    protected override readonly host: Host,
    socket: string,
  ) {
    super(host, socket)
  }

  /**
   * Re-reads the configuration files; starts and stops nothing.
   * @throws SUPERVISOR_CANT_REREAD with the file and the section that is wrong
   */
  async reloadConfig(): Promise<ConfigChanges> {
    return parseChanges(await this.command('reloadConfig'))
  }

  /**
   * Adds a group from the configuration last read; supervisord starts its programs with autostart. Succeeds if the
   * group exists.
   */
  async addProcessGroup(name: string): Promise<void> {
    await this.ignoreFault('SUPERVISOR_ALREADY_ADDED', this.command('addProcessGroup', name))
  }

  /** Removes a group, whose processes must be stopped; succeeds if supervisord does not know the group. */
  async removeProcessGroup(name: string): Promise<void> {
    await this.ignoreFault('SUPERVISOR_BAD_NAME', this.command('removeProcessGroup', name))
  }

  /** Starts a process without waiting; succeeds if it already runs. */
  async startProcess(name: string): Promise<void> {
    await this.ignoreFault('SUPERVISOR_ALREADY_STARTED', this.command('startProcess', name, false))
  }

  /** Sends the stop signal without waiting; succeeds if the process does not run. */
  async stopProcess(name: string): Promise<void> {
    await this.ignoreFault('SUPERVISOR_NOT_RUNNING', this.command('stopProcess', name, false))
  }

  /**
   * Sends a signal to a process. It may arrive twice if supervisord drops a connection: use only signals that may be
   * repeated.
   * @param signal without SIG, e.g. `HUP`
   */
  async signalProcess(name: string, signal: string): Promise<void> {
    await this.command('signalProcess', name, signal)
  }

  /** Stops all programs and supervisord itself. */
  async shutdown(): Promise<void> {
    await this.ignoreFault('SUPERVISOR_DOWN', this.command('shutdown'))
  }

  private command(method: string, ...parameters: readonly (string | number | boolean)[]): Promise<Value> {
    return this.call(method, parameters, (options) => this.host.send(options))
  }

  private async ignoreFault(code: string, call: Promise<Value>): Promise<void> {
    try {
      await call
    } catch (error) {
      if (errorCode(error) !== code) throw error
    }
  }
}

export function isSupervisorDown(error: unknown): boolean {
  return errorCode(error) === 'SUPERVISOR_DOWN'
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof ConvergeError ? error.code : undefined
}

function buildRequest(socketPath: string, method: string, parameters: readonly (string | number | boolean)[]) {
  return {
    socketPath,
    method: 'POST',
    path: '/RPC2',
    // Each call has its own connection. With this header the client ends it, and supervisord drops fewer connections,
    // see above.
    headers: { 'Content-Type': 'text/xml', Connection: 'keep-alive' },
    body: encodeCall(`supervisor.${method}`, parameters),
    timeout: callLimit as Duration,
  }
}
