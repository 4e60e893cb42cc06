/** Controls services that supervisord runs. */
import type { Host, HostReader } from '../../../core/host/types.ts'
import { milliseconds } from '../../../core/model/units.ts'
import type { ConfigChanges, ProcessInfo, ProcessOutput } from '../../supervisor/answers.ts'
import { errorCode, isSupervisorDown, Supervisor, type SupervisorReader } from '../../supervisor/client.ts'
import { countEarlyExits } from '../../supervisor/early_exits.ts'
import { LogPosition } from './log_position.ts'
import {
  absent,
  type LogMark,
  lastLines,
  lastLinesOfFile,
  type ServiceManager,
  type ServiceReader,
  type ServiceStatus,
} from './types.ts'

/** The most attempts, a fifth of a second apart, to stop a program that supervisord keeps starting. */
const mostTries = 25

const states: Readonly<Record<string, ServiceStatus['state']>> = {
  STARTING: 'running',
  RUNNING: 'running',
  BACKOFF: 'failing',
  FATAL: 'failed',
  UNKNOWN: 'failed',
}

export function toServiceStatus(process: ProcessInfo | undefined): ServiceStatus {
  if (process === undefined) return absent
  const { state, pid, started, spawnError } = process
  return {
    state: states[state] ?? 'stopped',
    starting: state === 'STARTING',
    // startsecs is a second: a server that fails while it opens its data takes longer to end.
    unproven: true,
    uptime: process.uptime,
    stopping: state === 'STOPPING',
    pid,
    process: pid === 0 ? null : `${pid} since ${started}`,
    detail: spawnError,
    enabled: null,
  }
}

export class SupervisorServiceReader implements ServiceReader {
  constructor(
    private readonly reading: HostReader,
    private readonly rpc: SupervisorReader,
  ) {}

  async status(name: string): Promise<ServiceStatus> {
    try {
      return toServiceStatus(findProcess(await this.rpc.getAllProcessInfo(), name))
    } catch (error) {
      // Without supervisord no service runs; an attempt to start one reports the missing supervisord.
      if (isSupervisorDown(error)) return absent
      throw error
    }
  }

  async freshStatus(name: string): Promise<ServiceStatus> {
    return toServiceStatus(findProcess(await this.rpc.fetchAllProcessInfo(), name))
  }

  async isOutdated(name: string): Promise<boolean> {
    return (await this.rpc.changedGroups()).includes(name)
  }

  async earlyExits(name: string, { pid }: ServiceStatus): Promise<number> {
    return pid === 0 ? 0 : countEarlyExits(await this.rpc.readMainLog(), name, pid)
  }

  async log(name: string, lines: number): Promise<string> {
    const logs = logsOf(findProcess(await this.rpc.fetchAllProcessInfo(), name))
    const read = async ({ output, path }: ProcessLog) =>
      lastLinesOfFile(this.reading, path, lines) || (await this.rpc.readProcessLog(output, name).catch(unreadable))
    return joinLogs(await Promise.all(logs.map(read)), lines)
  }

  async markLog(name: string): Promise<LogMark> {
    const process = findProcess(await this.rpc.fetchAllProcessInfo(), name)
    // supervisord does not know a new program before its start: its log begins with that.
    if (process === undefined) return { linesSince: (lines) => this.log(name, lines) }
    const marks = await Promise.all(logsOf(process).map((log) => this.markOutput(name, log)))
    return { linesSince: async (lines) => joinLogs(await Promise.all(marks.map((textSince) => textSince())), lines) }
  }

  /** Returns a function that returns the text written since. */
  private async markOutput(name: string, { output, path }: ProcessLog): Promise<() => Promise<string>> {
    const position = new LogPosition(this.reading, path)
    // Without access to the file, supervisord reads it.
    const length = position.length || (await this.rpc.processLogLength(output, name).catch(noLength))
    return async () => position.text() || (await this.rpc.readProcessLog(output, name, length).catch(unreadable))
  }
}

export class SupervisorServices extends SupervisorServiceReader implements ServiceManager {
  private changes: ConfigChanges = { added: [], changed: [], removed: [] }
  private readonly supervisor: Supervisor

  constructor(
    private readonly host: Host,
    socket: string,
  ) {
    const supervisor = new Supervisor(host, socket)
    super(host, supervisor)
    this.supervisor = supervisor
  }

  async refresh(): Promise<void> {
    this.changes = await this.supervisor.reloadConfig()
  }

  async start(name: string): Promise<void> {
    // Not earlier: to load a changed group, supervisord must first remove the old one, which must be stopped for that.
    if (this.changes.changed.includes(name)) await this.forget(name)
    if (this.changes.changed.includes(name) || this.changes.added.includes(name))
      await this.supervisor.addProcessGroup(name)
    await this.supervisor.startProcess(name)
  }

  /** Removes a group. supervisord may have restarted a program that had ended, with its old configuration. */
  private async forget(name: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.supervisor.removeProcessGroup(name)
      } catch (error) {
        if (errorCode(error) !== 'SUPERVISOR_STILL_RUNNING' || tries === mostTries) throw error
        await this.supervisor.stopProcess(name)
        await this.host.sleep(milliseconds(200))
      }
    }
  }

  stop(name: string): Promise<void> {
    return this.supervisor.stopProcess(name)
  }

  reload(name: string, signal: string): Promise<void> {
    return this.supervisor.signalProcess(name, signal)
  }
}

interface ProcessLog {
  readonly output: ProcessOutput
  readonly path: string
}

function logsOf(process: ProcessInfo | undefined): readonly ProcessLog[] {
  const logs: readonly ProcessLog[] = [
    { output: 'Stdout', path: process?.stdoutLog ?? '' },
    { output: 'Stderr', path: process?.stderrLog ?? '' },
  ]
  return logs.filter(({ path }) => path !== '')
}

function joinLogs(texts: readonly string[], lines: number): string {
  return lastLines(texts.filter((text) => text !== '').join('\n'), lines)
}

function findProcess(processes: readonly ProcessInfo[], name: string): ProcessInfo | undefined {
  return processes.find((process) => process.name === name && process.group === name)
}

/**
 * Returns an empty log. supervisord fails on a log that begins within a character, and on missing permissions; its
 * error code names neither.
 */
function unreadable(error: unknown): string {
  if (errorCode(error) === undefined) throw error
  return ''
}

/** The same for the length of a log. */
function noLength(error: unknown): number {
  if (errorCode(error) === undefined) throw error
  return 0
}
