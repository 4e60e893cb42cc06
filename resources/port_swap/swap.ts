/** Starts a new process on the idle port, switches the web server to it, and stops the old process. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import type { Context } from '../../core/model/resource.ts'
import { Duration, seconds } from '../../core/model/units.ts'
import { Deadline } from '../services/deadline.ts'
import { serviceManager } from '../services/managers/select_manager.ts'
import type { ServiceManager } from '../services/managers/types.ts'
import { LoadRecord } from '../services/restart/load_record.ts'
import { ServiceRestarter } from '../services/restart/service_restarter.ts'
import { Supervisor } from '../supervisor/client.ts'
import { recordWritten } from '../supervisor/managed_files.ts'
import { countConnections } from './connections.ts'
import {
  isDamaged,
  portProgramName,
  portProgramPath,
  programText,
  repairedText,
  wantedDigest,
  withoutAutostart,
} from './programs.ts'
import type { PortSwapProps } from './props.ts'
import { parsePort, upstreamText } from './upstream.ts'
import { WebServer } from './web_server.ts'

/** Returns the name of the record of the upstream text that the web server loaded. */
export function loadedRecordName({ name, upstream }: PortSwapProps): string {
  return `port_swap ${name} told of ${upstream.path}`
}

/** Returns the record of the web server's last reload. */
export function loadRecord(host: HostReader, given: PortSwapProps): LoadRecord {
  return new LoadRecord(host, loadedRecordName(given), [given.upstream.path])
}

/** The prefix of the record during a reload of the web server: the loaded configuration is unknown. */
const loadingPrefix = 'telling '

/** Returns the port of the web server's last reload, if the file of its program exists. */
export function loadedPort(host: HostReader, given: PortSwapProps): number | null {
  const told = host.recorded(loadedRecordName(given))?.replace(loadingPrefix, '')
  const isTold = (port: number) => told === digestOf(upstreamText(given.upstream, port))
  return given.ports.find((port) => isTold(port) && host.lstat(portProgramPath(given, port)) !== null) ?? null
}

/**
 * Decides whether the upstream file is damaged: the web server cannot read it, or reads another text in it. If the
 * recipe gives the text, only a missing or ambiguous port counts.
 */
export function isUpstreamDamaged(host: HostReader, { upstream, ports }: PortSwapProps): boolean {
  const text = host.readText(upstream.path)
  if (text === null || ports.some((port) => text === upstreamText(upstream, port))) return false
  return upstream.content === undefined || parsePort(text, ports) === null
}

/**
 * Rewrites a damaged upstream file for the port that serves, if that is known. The web server has not loaded it yet.
 */
export function repairUpstream(host: Host, given: PortSwapProps): void {
  const { path } = given.upstream
  const live = parsePort(host.readText(path), given.ports) ?? loadedPort(host, given)
  if (live === null || !isUpstreamDamaged(host, given)) return
  const text = upstreamText(given.upstream, live)
  host.record(loadedRecordName(given), `${loadingPrefix}${digestOf(text)}`)
  host.writeFile(path, text, { mode: '0644' })
}

/** The number of successive checks without a connection: between two requests there is none either. */
const quietChecks = 4
/** The time to wait beyond stopWait. supervisord kills the process then; this is the time to report it. */
const patience = seconds(30)

export class Swap {
  private readonly manager: ServiceManager
  private readonly supervisor: Supervisor
  private readonly server: WebServer | undefined

  constructor(
    private readonly host: Host,
    private readonly given: PortSwapProps,
    private readonly context: Context,
  ) {
    const { socket, reload } = given
    this.manager = serviceManager(host, { kind: 'supervisor', socket })
    this.supervisor = new Supervisor(host, socket)
    this.server = reload && new WebServer(host, reload)
  }

  /**
   * Starts the new process, and switches to it when it is ready.
   * @param live the port that is current until then, null if there is none
   * @throws SERVICE_DOWN with the end of its log, CHECK_FAILED; then the new process is stopped and the old one stays
   * current
   */
  async replaceProcess(port: number, live: number | null): Promise<void> {
    const { given, context } = this
    await this.server?.check()
    // The rest of an interrupted run: the web server never switched to it.
    await this.stop(port)
    recordWritten(this.host, portProgramPath(given, port), given.app)
    this.host.writeFile(
      portProgramPath(given, port),
      programText(given, port, wantedDigest(given, context.cause)),
      programFile,
    )
    context.progress(`starting ${portProgramName(given, port)}`)
    try {
      await this.start(port, live)
      await this.switchTo(port)
    } catch (error) {
      throw await this.stopAndExplain(port, live, error)
    }
  }

  /**
   * Starts the program of a port; afterwards it is ready.
   * @param live the port that visitors get meanwhile, null if there is none
   */
  async start(port: number, live: number | null = port): Promise<void> {
    const { deadline, ready, logDir, fatal } = this.given
    const name = portProgramName(this.given, port)
    this.repairPrograms(live)
    await this.manager.refresh()
    const roll = new ServiceRestarter(this.host, this.manager, deadline, this.context)
    const log = logDir ? { log: `${logDir}/${name}.log` } : {}
    await roll.restart({ name, ready: { ...ready, port }, fatal, ...log })
  }

  /** Repairs all program files: supervisord reads none of its files while one is broken. */
  private repairPrograms(live: number | null): void {
    for (const port of this.given.ports) this.repairProgram(port, live)
  }

  private repairProgram(port: number, live: number | null): void {
    const { host, given } = this
    const path = portProgramPath(given, port)
    if (!isDamaged(given, port, host.readText(path))) return
    recordWritten(host, path, given.app)
    host.writeFile(path, repairedText(given, port, live), programFile)
  }

  /** Repairs the file of an idle port, and starts nothing. */
  async repairIdle(port: number, live: number | null): Promise<void> {
    this.repairPrograms(live)
    await this.updateGroup(portProgramName(this.given, port), live)
  }

  /** Switches visitors to the port. */
  async switchTo(port: number): Promise<void> {
    const { host, given } = this
    const { path } = given.upstream
    const [before, text] = [host.readText(path), upstreamText(given.upstream, port)]
    const told = host.recorded(loadedRecordName(given))
    if (before !== text) {
      // The file may match the web server's last reload, but the server may have loaded another one since.
      host.record(loadedRecordName(given), `${loadingPrefix}${digestOf(text)}`)
      host.writeFile(path, text, { mode: '0644' })
      try {
        await this.server?.check()
      } catch (error) {
        if (before === null) host.remove(path)
        else host.writeFile(path, before)
        if (told !== null) host.record(loadedRecordName(given), told)
        throw error
      }
    }
    this.context.progress(`port ${port} is current`)
    const load = loadRecord(host, given)
    await this.server?.reload()
    if (this.server) load.record(host, await this.server.mainPid())
    host.record(loadedRecordName(given), digestOf(text))
  }

  /**
   * Stops a process that is no longer current, once its connections have ended; it does not start again after a reboot.
   */
  async retire(port: number, live: number | null): Promise<void> {
    const { host, given } = this
    await this.drain(port)
    await this.stop(port)
    const text = host.readText(portProgramPath(given, port))
    if (text === null) return
    host.writeFile(portProgramPath(given, port), withoutAutostart(text))
    await this.updateGroup(portProgramName(given, port), live)
  }

  private async drain(port: number): Promise<void> {
    const { host, given, context } = this
    const limit = new Deadline(host, given.stopDeadline)
    context.progress(`waiting until port ${port} has no connection`)
    for (let quiet = 0; quiet < quietChecks; ) {
      const open = countConnections(host, port)
      quiet = open === 0 ? quiet + 1 : 0
      if (quiet < quietChecks && !(await limit.pause())) {
        if (open > 0)
          context.warn(
            `port ${port} still had ${open} connections after ${given.stopDeadline}, and they are cut (set a longer stop_deadline_seconds)`,
          )
        return
      }
    }
  }

  private async stop(port: number): Promise<void> {
    const { host, manager, context, given } = this
    const limit = new Duration(given.stopWait.ms + patience.ms)
    await new ServiceRestarter(host, manager, limit, context).stop(portProgramName(given, port))
  }

  /**
   * Updates the group of a stopped program in supervisord, so that its changed file is not reported as a change later.
   */
  private async updateGroup(name: string, live: number | null): Promise<void> {
    this.repairPrograms(live)
    const { changed } = await this.supervisor.reloadConfig()
    if (!changed.includes(name)) return
    await this.supervisor.removeProcessGroup(name)
    await this.supervisor.addProcessGroup(name)
  }

  private async stopAndExplain(port: number, live: number | null, thrown: unknown): Promise<unknown> {
    const error = asConvergeError(thrown)
    if (error.code === 'INTERNAL') return thrown
    const stopped = await this.retire(port, live).then(
      () => 'it was stopped',
      (left: unknown) => `it could not be stopped: ${asConvergeError(left).message}`,
    )
    const serving = live === null ? '' : `, and port ${live} continues to serve the previous version`
    return new ConvergeError(`${error.message}; ${stopped}${serving}`, {
      code: error.code,
      hint: error.hint,
      output: error.output,
      cause: error,
    })
  }
}

/** The environment may contain secrets. */
const programFile = { mode: '0600' }
