/** Controls services that supervisord runs. */
import type { Host, HostReader } from '../../../core/host/types.ts'
import { milliseconds } from '../../../core/model/units.ts'
import type { ConfigChanges, ProcessInfo } from '../../supervisor/answers.ts'
import { errorCode, isSupervisorDown, Supervisor, type SupervisorReader } from '../../supervisor/client.ts'
import {
  absent,
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
    private readonly asked: SupervisorReader,
  ) {}

  async status(name: string): Promise<ServiceStatus> {
    try {
      return toServiceStatus(findProcess(await this.asked.getAllProcessInfo(), name))
    } catch (error) {
      // Without supervisord no service runs; an attempt to start one reports the missing supervisord.
      if (isSupervisorDown(error)) return absent
      throw error
    }
  }

  async freshStatus(name: string): Promise<ServiceStatus> {
    return toServiceStatus(findProcess(await this.asked.fetchAllProcessInfo(), name))
  }

  async isOutdated(name: string): Promise<boolean> {
    return (await this.asked.changedGroups()).includes(name)
  }

  async log(name: string, lines: number): Promise<string> {
    const process = findProcess(await this.asked.fetchAllProcessInfo(), name)
    if (process === undefined) return ''
    const parts: string[] = []
    if (process.stdoutLog !== '')
      parts.push(
        lastLinesOfFile(this.reading, process.stdoutLog, lines) ||
          (await this.asked.readProcessStdoutLog(name).catch(unreadable)),
      )
    if (process.stderrLog !== '')
      parts.push(
        lastLinesOfFile(this.reading, process.stderrLog, lines) ||
          (await this.asked.readProcessStderrLog(name).catch(unreadable)),
      )
    return lastLines(parts.filter((part) => part !== '').join('\n'), lines)
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
