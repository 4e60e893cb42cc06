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
  desiredDigest,
  isDamaged,
  portProgramName,
  portProgramPath,
  programText,
  repairedText,
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
export function loadRecord(host: HostReader, props: PortSwapProps): LoadRecord {
  return new LoadRecord(host, loadedRecordName(props), [props.upstream.path])
}

/** The prefix of the record during a reload of the web server: the loaded configuration is unknown. */
const loadingPrefix = 'telling '

/** Returns the port of the web server's last reload, if the file of its program exists. */
export function loadedPort(host: HostReader, props: PortSwapProps): number | null {
  const record = host.recorded(loadedRecordName(props))?.replace(loadingPrefix, '')
  const isRecorded = (port: number) => record === digestOf(upstreamText(props.upstream, port))
  return props.ports.find((port) => isRecorded(port) && host.lstat(portProgramPath(props, port)) !== null) ?? null
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
export function repairUpstream(host: Host, props: PortSwapProps): void {
  const { path } = props.upstream
  const current = parsePort(host.readText(path), props.ports) ?? loadedPort(host, props)
  if (current === null || !isUpstreamDamaged(host, props)) return
  const text = upstreamText(props.upstream, current)
  host.record(loadedRecordName(props), `${loadingPrefix}${digestOf(text)}`)
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
    private readonly props: PortSwapProps,
    private readonly context: Context,
  ) {
    const { socket, reload } = props
    this.manager = serviceManager(host, { kind: 'supervisor', socket })
    this.supervisor = new Supervisor(host, socket)
    this.server = reload && new WebServer(host, reload)
  }

  /**
   * Starts the new process, and switches to it when it is ready.
   * @param current the port that is current until then, null if there is none
   * @throws SERVICE_DOWN with the end of its log, CHECK_FAILED; then the new process is stopped and the old one stays
   * current. Any other error after the upstream file names the new port: then both processes keep running, and the next
   * run completes the switch
   */
  async replaceProcess(port: number, current: number | null): Promise<void> {
    const { props, context } = this
    await this.server?.check()
    // The rest of an interrupted run: the web server never switched to it.
    await this.stop(port)
    recordWritten(this.host, portProgramPath(props, port), props.app)
    this.host.writeFile(
      portProgramPath(props, port),
      programText(props, port, desiredDigest(props, context.cause)),
      programFile,
    )
    context.progress(`starting ${portProgramName(props, port)}`)
    try {
      await this.start(port, current)
      await this.switchTo(port)
    } catch (error) {
      throw await this.stopAndExplain(port, current, error)
    }
  }

  /**
   * Starts the program of a port; afterwards it is ready.
   * @param current the port that visitors get meanwhile, null if there is none
   */
  async start(port: number, current: number | null = port): Promise<void> {
    const { deadline, ready, logDir, fatal } = this.props
    const name = portProgramName(this.props, port)
    this.repairPrograms(current)
    await this.manager.refresh()
    const roll = new ServiceRestarter(this.host, this.manager, deadline, this.context)
    const log = logDir ? { log: `${logDir}/${name}.log` } : {}
    await roll.restart({ name, ready: { ...ready, port }, fatal, ...log })
  }

  /** Repairs all program files: supervisord reads none of its files while one is broken. */
  private repairPrograms(current: number | null): void {
    for (const port of this.props.ports) this.repairProgram(port, current)
  }

  private repairProgram(port: number, current: number | null): void {
    const { host, props } = this
    const path = portProgramPath(props, port)
    if (!isDamaged(props, port, host.readText(path))) return
    recordWritten(host, path, props.app)
    host.writeFile(path, repairedText(props, port, current), programFile)
  }

  /** Repairs the file of an idle port, and starts nothing. */
  async repairIdle(port: number, current: number | null): Promise<void> {
    this.repairPrograms(current)
    await this.updateGroup(portProgramName(this.props, port), current)
  }

  /** Switches visitors to the port. */
  async switchTo(port: number): Promise<void> {
    const { host, props } = this
    const { path } = props.upstream
    const [before, text] = [host.readText(path), upstreamText(props.upstream, port)]
    const loaded = host.recorded(loadedRecordName(props))
    if (before !== text) {
      // The file may match the web server's last reload, but the server may have loaded another one since.
      host.record(loadedRecordName(props), `${loadingPrefix}${digestOf(text)}`)
      host.writeFile(path, text, { mode: '0644' })
      try {
        await this.server?.check()
      } catch (error) {
        if (before === null) host.remove(path)
        else host.writeFile(path, before)
        if (loaded !== null) host.record(loadedRecordName(props), loaded)
        throw error
      }
    }
    this.context.progress(`port ${port} is current`)
    const load = loadRecord(host, props)
    await this.server?.reload()
    if (this.server) load.record(host, await this.server.mainPid())
    host.record(loadedRecordName(props), digestOf(text))
  }

  /**
   * Stops a process that is no longer current, once its connections have ended; it does not start again after a reboot.
   */
  async retire(port: number, current: number | null): Promise<void> {
    const { host, props } = this
    await this.drain(port)
    await this.stop(port)
    const text = host.readText(portProgramPath(props, port))
    if (text === null) return
    host.writeFile(portProgramPath(props, port), withoutAutostart(text))
    await this.updateGroup(portProgramName(props, port), current)
  }

  private async drain(port: number): Promise<void> {
    const { host, props, context } = this
    const limit = new Deadline(host, props.stopDeadline)
    context.progress(`waiting until port ${port} has no connection`)
    for (let quiet = 0; quiet < quietChecks; ) {
      const open = countConnections(host, port)
      quiet = open === 0 ? quiet + 1 : 0
      if (quiet < quietChecks && !(await limit.pause())) {
        if (open > 0)
          context.warn(
            `port ${port} still had ${open} connections after ${props.stopDeadline}, and they are cut (set a longer stop_deadline_seconds)`,
          )
        return
      }
    }
  }

  private async stop(port: number): Promise<void> {
    const { host, manager, context, props } = this
    const limit = new Duration(props.stopWait.ms + patience.ms)
    await new ServiceRestarter(host, manager, limit, context).stop(portProgramName(props, port))
  }

  /**
   * Updates the group of a stopped program in supervisord, so that its changed file is not reported as a change later.
   */
  private async updateGroup(name: string, current: number | null): Promise<void> {
    this.repairPrograms(current)
    const { changed } = await this.supervisor.reloadConfig()
    if (!changed.includes(name)) return
    await this.supervisor.removeProcessGroup(name)
    await this.supervisor.addProcessGroup(name)
  }

  private async stopAndExplain(port: number, current: number | null, thrown: unknown): Promise<unknown> {
    const error = asConvergeError(thrown)
    if (error.code === 'INTERNAL') return thrown
    // The web server may have loaded the new port, or loads it with any reload.
    if (this.isCurrent(port)) return explainEffect(error, `port ${port} is already current, and nothing was stopped`)
    const stopped = await this.retire(port, current).then(
      () => 'it was stopped',
      (left: unknown) => `it could not be stopped: ${asConvergeError(left).message}`,
    )
    const serving = current === null ? '' : `, and port ${current} continues to serve the previous version`
    return explainEffect(error, `${stopped}${serving}`)
  }

  /** Decides whether the upstream file names the port. */
  private isCurrent(port: number): boolean {
    const { upstream } = this.props
    return this.host.readText(upstream.path) === upstreamText(upstream, port)
  }
}

function explainEffect(error: ConvergeError, effect: string): ConvergeError {
  const { message, code, hint, output } = error
  return new ConvergeError(`${message}; ${effect}`, { code, hint, output, cause: error })
}

/** The environment may contain secrets. */
const programFile = { mode: '0600' }
