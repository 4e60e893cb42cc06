/** Starts a new process on the idle port, switches the web server to it, and stops the old process. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import type { Context } from '../../core/model/resource.ts'
import { Duration, seconds } from '../../core/model/units.ts'
import { managerOf } from '../services/managers/select_manager.ts'
import type { ServiceManager } from '../services/managers/types.ts'
import { LoadRecord } from '../services/restart/load_record.ts'
import { Deadline, Roll } from '../services/restart/service_restarter.ts'
import { Supervisor } from '../supervisor/client.ts'
import { recordWritten } from '../supervisor/managed_files.ts'
import { connectionsTo } from './connections.ts'
import { atRest, fileAt, isDamaged, programAt, programText, repairedText, wantedDigest } from './programs.ts'
import type { PortSwapProps } from './props.ts'
import { portIn, upstreamText } from './upstream.ts'
import { WebServer } from './web_server.ts'

/** Returns the name of the record of the upstream text that the web server loaded. */
export function toldKey({ name, upstream }: PortSwapProps): string {
  return `port_swap ${name} told of ${upstream.path}`
}

/** Returns the record of the web server's last reload. */
export function loadRecord(host: HostReader, given: PortSwapProps): LoadRecord {
  return new LoadRecord(host, toldKey(given), [given.upstream.path])
}

/** The prefix of the record during a reload of the web server: the loaded configuration is unknown. */
const telling = 'telling '

/** Returns the port of the web server's last reload, if the file of its program exists. */
export function toldPort(host: HostReader, given: PortSwapProps): number | null {
  const told = host.recorded(toldKey(given))?.replace(telling, '')
  const isTold = (port: number) => told === digestOf(upstreamText(given.upstream, port))
  return given.ports.find((port) => isTold(port) && host.lstat(fileAt(given, port)) !== null) ?? null
}

/**
 * Decides whether the upstream file is damaged: the web server cannot read it, or reads another text in it. If the
 * recipe gives the text, only a missing or ambiguous port counts.
 */
export function isUpstreamDamaged(host: HostReader, { upstream, ports }: PortSwapProps): boolean {
  const text = host.readText(upstream.path)
  if (text === null || ports.some((port) => text === upstreamText(upstream, port))) return false
  return upstream.content === undefined || portIn(text, ports) === null
}

/**
 * Rewrites a damaged upstream file for the port that serves, if that is known. The web server has not loaded it yet.
 */
export function repairUpstream(host: Host, given: PortSwapProps): void {
  const { path } = given.upstream
  const live = portIn(host.readText(path), given.ports) ?? toldPort(host, given)
  if (live === null || !isUpstreamDamaged(host, given)) return
  const text = upstreamText(given.upstream, live)
  host.record(toldKey(given), `${telling}${digestOf(text)}`)
  host.writeFile(path, text, { mode: '0644' })
}

/** The number of successive checks without a connection: between two requests there is none either. */
const quietLooks = 4
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
    this.manager = managerOf(host, { kind: 'supervisor', socket })
    this.supervisor = new Supervisor(host, socket)
    this.server = reload && new WebServer(host, reload)
  }

  /**
   * Starts the new process, and switches to it when it is ready.
   * @param live the port that is current until then, null if there is none
   * @throws SERVICE_DOWN with the end of its log, CHECK_FAILED; then the new process is stopped and the old one stays
   * current
   */
  async bring(port: number, live: number | null): Promise<void> {
    const { given, context } = this
    await this.server?.check()
    // The rest of an interrupted run: the web server never switched to it.
    await this.stop(port)
    recordWritten(this.host, fileAt(given, port), given.app)
    this.host.writeFile(fileAt(given, port), programText(given, port, wantedDigest(given, context.cause)), programFile)
    context.progress(`starting ${programAt(given, port)}`)
    try {
      await this.start(port, live)
      await this.tell(port)
    } catch (error) {
      throw await this.givenUp(port, live, error)
    }
  }

  /**
   * Starts the program of a port; afterwards it is ready.
   * @param live the port that visitors get meanwhile, null if there is none
   */
  async start(port: number, live: number | null = port): Promise<void> {
    const { deadline, ready, logDir, fatal } = this.given
    const name = programAt(this.given, port)
    this.repairPrograms(live)
    await this.manager.refresh()
    const roll = new Roll(this.host, this.manager, deadline, this.context)
    const log = logDir ? { log: `${logDir}/${name}.log` } : {}
    await roll.restart({ name, ready: { ...ready, port }, fatal, ...log })
  }

  /** Repairs all program files: supervisord reads none of its files while one is broken. */
  private repairPrograms(live: number | null): void {
    for (const port of this.given.ports) this.repairProgram(port, live)
  }

  private repairProgram(port: number, live: number | null): void {
    const { host, given } = this
    const path = fileAt(given, port)
    if (!isDamaged(given, port, host.readText(path))) return
    recordWritten(host, path, given.app)
    host.writeFile(path, repairedText(given, port, live), programFile)
  }

  /** Repairs the file of an idle port, and starts nothing. */
  async repairIdle(port: number, live: number | null): Promise<void> {
    this.repairPrograms(live)
    await this.takeIn(programAt(this.given, port), live)
  }

  /** Switches visitors to the port. */
  async tell(port: number): Promise<void> {
    const { host, given } = this
    const { path } = given.upstream
    const [before, text] = [host.readText(path), upstreamText(given.upstream, port)]
    const told = host.recorded(toldKey(given))
    if (before !== text) {
      // The file may match the web server's last reload, but the server may have loaded another one since.
      host.record(toldKey(given), `${telling}${digestOf(text)}`)
      host.writeFile(path, text, { mode: '0644' })
      try {
        await this.server?.check()
      } catch (error) {
        if (before === null) host.remove(path)
        else host.writeFile(path, before)
        if (told !== null) host.record(toldKey(given), told)
        throw error
      }
    }
    this.context.progress(`port ${port} is live`)
    const load = loadRecord(host, given)
    await this.server?.reload()
    if (this.server) load.record(host, await this.server.main())
    host.record(toldKey(given), digestOf(text))
  }

  /**
   * Stops a process that is no longer current, once its connections have ended; it does not start again after a reboot.
   */
  async retire(port: number, live: number | null): Promise<void> {
    const { host, given } = this
    await this.drain(port)
    await this.stop(port)
    const text = host.readText(fileAt(given, port))
    if (text === null) return
    host.writeFile(fileAt(given, port), atRest(text))
    await this.takeIn(programAt(given, port), live)
  }

  private async drain(port: number): Promise<void> {
    const { host, given, context } = this
    const limit = new Deadline(host, given.stopDeadline)
    context.progress(`waiting until port ${port} has no connection`)
    for (let quiet = 0; quiet < quietLooks; ) {
      const open = connectionsTo(host, port)
      quiet = open === 0 ? quiet + 1 : 0
      if (quiet < quietLooks && !(await limit.pause())) {
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
    await new Roll(host, manager, limit, context).stop(programAt(given, port))
  }

  /**
   * Updates the group of a stopped program in supervisord, so that its changed file is not reported as a change later.
   */
  private async takeIn(name: string, live: number | null): Promise<void> {
    this.repairPrograms(live)
    const { changed } = await this.supervisor.reloadConfig()
    if (!changed.includes(name)) return
    await this.supervisor.removeProcessGroup(name)
    await this.supervisor.addProcessGroup(name)
  }

  private async givenUp(port: number, live: number | null, thrown: unknown): Promise<unknown> {
    const error = asConvergeError(thrown)
    if (error.code === 'INTERNAL') return thrown
    const stopped = await this.retire(port, live).then(
      () => 'it was stopped',
      (left: unknown) => `it could not be stopped: ${asConvergeError(left).message}`,
    )
    const serving = live === null ? '' : `, and port ${live} goes on serving what it did`
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
