/** Checks the configuration of the web server in front, and reloads it. */
import type { Host } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { seconds } from '../../core/model/units.ts'
import { Deadline } from '../services/deadline.ts'
import { serviceManager } from '../services/managers/select_manager.ts'
import { childPids, isShuttingDown } from '../services/managers/service_processes.ts'
import type { ServiceManager } from '../services/managers/types.ts'
import { mainPid } from '../services/restart/load_record.ts'
import type { PortSwapProps } from './props.ts'

type Reload = NonNullable<PortSwapProps['reload']>

const checkLimit = seconds(60)
const reloadLimit = seconds(60)
/** The longest wait for the workers of before the reload; those that still have a visitor accept no new ones. */
const settleLimit = seconds(15)

export class WebServer {
  private readonly manager: ServiceManager

  constructor(
    private readonly host: Host,
    private readonly settings: Reload,
  ) {
    this.manager = serviceManager(host, settings.provider)
  }

  /**
   * Runs the server's own check of its configuration.
   * @throws CHECK_FAILED with the output of the check
   */
  async check(): Promise<void> {
    const { check, name } = this.settings
    if (check === undefined) return
    const { status, stdout, stderr } = await this.host.query(check, { accept: 'any', timeout: checkLimit })
    if (status === 0) return
    throw new ConvergeError(`the configuration of ${name} is broken: ${check.join(' ')} ended with status ${status}`, {
      code: 'CHECK_FAILED',
      output: `${stdout}${stderr}`.trimEnd(),
      hint: 'correct the file that the output names, then run again; it still runs with its current configuration',
    })
  }

  /**
   * Reloads the web server, and waits until only its new workers get new requests. A server that is down reads its
   * configuration when it starts.
   */
  async reload(): Promise<void> {
    const { name, signal, command } = this.settings
    const { state } = await this.manager.freshStatus(name)
    if (state !== 'running') return
    const master = await this.master()
    const before = childPids(this.host, master)
    if (command === undefined) await this.manager.reload(name, signal)
    else await this.host.run(command, { timeout: reloadLimit, outlivesRun: true })
    const limit = new Deadline(this.host, settleLimit)
    while (before.some((pid) => isStillServing(this.host, master, pid))) if (!(await limit.pause())) return
  }

  /** Returns its current main process; null if a reload may keep its processes. */
  async mainPid(): Promise<number | null> {
    return mainPid(this.host, this.settings, (await this.manager.freshStatus(this.settings.name)).pid)
  }

  private async master(): Promise<number> {
    const { name, pidFile } = this.settings
    const written = pidFile === undefined ? null : this.host.readText(pidFile)
    return written === null ? (await this.manager.freshStatus(name)).pid : Number.parseInt(written, 10) || 0
  }
}

function isStillServing(host: Host, master: number, worker: number): boolean {
  return childPids(host, master).includes(worker) && !isShuttingDown(host, worker)
}
