/** Restarts one service: stops it, waits until its port is free, starts it, and waits until it is ready. */
import type { Host } from '../../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../../core/model/errors.ts'
import { knownFailure } from '../../../core/model/known_failures.ts'
import type { Context } from '../../../core/model/resource.ts'
import { type Duration, milliseconds } from '../../../core/model/units.ts'
import { Deadline } from '../deadline.ts'
import { orphanedWorkers } from '../managers/service_processes.ts'
import { lastLines, type ServiceManager, type ServiceStatus } from '../managers/types.ts'
import { ExitCounter } from '../readiness/exit_counter.ts'
import { type FatalLine, findFatalLine } from '../readiness/fatal_log_lines.ts'
import { checkName, checkTimeout, hasCheck, pageProblem, readinessProblem, takenPort } from '../readiness/readiness.ts'
import { defaultUptime, type Readiness } from '../readiness/ready_props.ts'
import { ServiceLog } from './service_log.ts'

export interface RestartableService {
  readonly name: string
  readonly ready?: Readiness | undefined
  readonly log?: string | undefined
  /** Lines of its log after which it never becomes ready. */
  readonly fatal?: readonly FatalLine[] | undefined
}

const requestLimitMs = 10_000

export class ServiceRestarter {
  constructor(
    private readonly host: Host,
    private readonly manager: ServiceManager,
    private readonly limit: Duration,
    private readonly context: Context,
  ) {}

  /**
   * Restarts a service; afterwards it is running and ready.
   * @throws SERVICE_DOWN with the end of the log
   */
  async restart(service: RestartableService): Promise<void> {
    await (await this.startRestart(service))()
  }

  /**
   * Restarts a service without waiting for the time that it must stay up if it has no check.
   * @returns a function that waits for the rest of that time
   * @throws SERVICE_DOWN with the end of the log, here or in that function
   */
  async startRestart(service: RestartableService): Promise<() => Promise<void>> {
    const failed = 'did not come up'
    const log = new ServiceLog(this.host, this.manager, service)
    const watch: UpWait = { action: 'its start', isNewProcess: true, log }
    const watched = !hasCheck(service.ready)
    await this.withFailureLog(service, failed, log, async (deadline) => {
      const { isReplaced } = await this.stopWithin(service.name, deadline)
      if (!isReplaced) await this.waitForFreePort(service, deadline)
      await log.mark('start')
      if (!isReplaced) await this.manager.start(service.name)
      await this.waitUntilUp(service, deadline, { ...watch, checksReadiness: !watched })
    })
    const since = new Deadline(this.host, this.limit)
    return () =>
      watched
        ? this.withFailureLog(service, failed, log, () => this.waitUntilUp(service, since, watch))
        : Promise.resolve()
  }

  /**
   * Reloads the changed configuration of a running service; afterwards it is still running, and ready.
   * @param sendReload reloads it
   * @throws SERVICE_DOWN with the end of the log
   */
  reload(service: RestartableService, sendReload: () => Promise<void>): Promise<void> {
    const log = new ServiceLog(this.host, this.manager, service)
    return this.withFailureLog(service, 'was not reloaded', log, async (deadline) => {
      await log.mark('reload')
      await sendReload()
      // A service that the reload ends needs a moment to get there.
      await deadline.pause()
      await this.waitUntilUp(service, deadline, { action: 'its reload', isNewProcess: false })
    })
  }

  /**
   * Waits until a service that was started before is ready.
   * @throws SERVICE_DOWN with the end of the log
   */
  waitUntilReady(service: RestartableService): Promise<void> {
    const log = new ServiceLog(this.host, this.manager, service)
    return this.withFailureLog(service, 'is not ready', log, (deadline) =>
      this.waitUntilUp(service, deadline, { action: 'its start', isNewProcess: false }),
    )
  }

  private async withFailureLog(
    service: RestartableService,
    failed: string,
    log: ServiceLog,
    work: (deadline: Deadline) => Promise<void>,
  ): Promise<void> {
    try {
      await work(new Deadline(this.host, this.limit))
    } catch (error) {
      const known = asConvergeError(error)
      throw known.code === 'INTERNAL' ? error : await errorWithLog(service, known, failed, log)
    }
    await this.warm(service.ready)
  }

  /**
   * Stops a service; afterwards it is down.
   * @throws SERVICE_DOWN if it does not stop in time, or is started again at once
   */
  async stop(name: string): Promise<void> {
    const { isReplaced } = await this.stopWithin(name, new Deadline(this.host, this.limit))
    if (!isReplaced) return
    throw new ConvergeError(`${name} was stopped, and something started it again at once`, {
      ...down,
      hint: `stop what starts it as well, such as its socket: systemctl list-dependencies --reverse ${name}`,
    })
  }

  /**
   * Ends the process of a service.
   * @returns whether another process runs by now: a socket of systemd starts the service with the next message
   */
  private async stopWithin(name: string, deadline: Deadline): Promise<{ readonly isReplaced: boolean }> {
    let status = await this.manager.freshStatus(name)
    const { process: before } = status
    const isReplaced = () =>
      this.manager.startsOnDemand === true &&
      before !== null &&
      // A stopped unit keeps its invocation, without a process.
      !isDown(status) &&
      !status.stopping &&
      status.pid !== 0 &&
      status.process !== before
    if (!isDown(status) && !status.stopping) {
      await this.requestStop(name, deadline)
      status = await this.manager.freshStatus(name)
    }
    while ((!isDown(status) || status.stopping) && !isReplaced()) {
      if (!(await deadline.pause())) throw new ConvergeError(`${name} did not stop within ${deadline.limit}`, down)
      status = await this.manager.freshStatus(name)
    }
    return { isReplaced: isReplaced() }
  }

  /** Requests a stop; a script that still waits for the process at the end of the time limit is ended. */
  private async requestStop(name: string, deadline: Deadline): Promise<void> {
    try {
      await this.manager.stop(name, milliseconds(Math.max(deadline.left, 1)))
    } catch (error) {
      if (asConvergeError(error).code !== 'COMMAND_TIMEOUT') throw error
    }
  }

  /** Waits for the port: a process that has ended may leave behind another one that still uses it. */
  private async waitForFreePort({ name, ready }: RestartableService, deadline: Deadline): Promise<void> {
    const findTakenPort = () => (ready === undefined ? Promise.resolve(null) : takenPort(this.host, ready))
    const port = await findTakenPort()
    if (port === null) return
    this.context.progress(`waiting until port ${port} is free for ${name}`)
    while ((await findTakenPort()) !== null)
      if (!(await deadline.pause())) {
        const workers = name.includes('nginx') ? orphanedWorkers(this.host) : []
        throw new ConvergeError(`port ${port} was still taken by another process after ${deadline.limit}`, {
          ...down,
          hint:
            workers.length > 0
              ? `end the workers of the nginx whose master process was killed: kill -QUIT ${workers.join(' ')}; then run again`
              : `find the process with ss -ltnp 'sport = :${port}' and end it, then run again`,
        })
      }
  }

  private async waitUntilUp(service: RestartableService, deadline: Deadline, watch: UpWait): Promise<void> {
    const { name, ready } = service
    const { action, checksReadiness = true } = watch
    if (checksReadiness && hasCheck(ready)) this.context.progress(`waiting for ${checkName(this.host, ready)}`)
    const ends = new ExitCounter()
    let problem: string | null = null
    for (;;) {
      const status = await this.manager.freshStatus(name)
      const { pid } = status
      const isUp = status.state === 'running'
      // Without a check, only staying up proves that the service works.
      if (ends.hasEnded(status, deadline.passed) || (ends.count > 0 && !hasCheck(ready)))
        throw new ConvergeError(`it ended right after ${action}${ends.suffix}${detailSuffix(status)}`, down)
      if (isUp && !status.starting) {
        if (!checksReadiness) return
        problem = await this.missingForReady(service, status, deadline, watch)
        // Checks once more: if this process is ending, another process may have answered.
        if (problem === null && (!hasCheck(ready) || (await this.manager.freshStatus(name)).pid === pid)) return
        if (problem !== null) this.throwOnFatalLine(service, watch, problem)
      }
      if (!(await deadline.pause())) {
        // The service stayed up for the whole time limit.
        if (isUp && !status.starting && checksReadiness && !hasCheck(ready)) return
        const ended =
          ends.count > 0 ? `it ended right after ${action}${ends.suffix}, and was started again, but ` : 'it '
        const missing = problem === null ? '' : ` (${problem})`
        throw new ConvergeError(`${ended}was not ready within ${deadline.limit}${missing}`, {
          ...down,
          hint: readinessHint(service),
        })
      }
    }
  }

  /** Returns what is missing until a running service is ready; null if nothing. */
  private async missingForReady(
    { ready }: RestartableService,
    status: ServiceStatus,
    deadline: Deadline,
    { isNewProcess }: UpWait,
  ): Promise<string | null> {
    if (hasCheck(ready)) return readinessProblem(this.host, ready, checkTimeout(deadline.left, requestLimitMs))
    const time = ready?.time ?? (status.unproven ? defaultUptime : undefined)
    return time === undefined || uptimeMs(status, deadline, isNewProcess) >= time.ms
      ? null
      : `it must stay up for ${time}`
  }

  /**
   * Stops waiting if the log contains a fatal line.
   * @throws SERVICE_DOWN with that line
   */
  private throwOnFatalLine({ fatal = [] }: RestartableService, { log }: UpWait, problem: string): void {
    const found = log === undefined ? null : findFatalLine(log.ownLines(), fatal)
    if (found !== null) throw new ConvergeError(`${found.text} (${problem})`, { ...down, hint: found.hint })
  }

  private async warm(ready: Readiness | undefined): Promise<void> {
    if (ready === undefined || !('warmPaths' in ready)) return
    const limit = checkTimeout(this.limit.ms, this.limit.ms)
    for (const path of ready.warmPaths) {
      this.context.progress(`warming http://${ready.host}:${ready.port}${path}`)
      const problem = await pageProblem(this.host, ready, path, limit).catch(
        (error: unknown) => asConvergeError(error).message,
      )
      if (problem !== null)
        this.context.warn(`warming ${path} at port ${ready.port} failed: ${problem} (correct the path, or remove it)`)
    }
  }
}

async function errorWithLog(
  service: RestartableService,
  error: ConvergeError,
  failed: string,
  log: ServiceLog,
): Promise<ConvergeError> {
  const output = await log.end()
  return new ConvergeError(`${service.name} ${failed}: ${error.message}`, {
    ...down,
    hint: error.hint ?? knownFailure({ output: lastLines(output, causeLines) })?.hint,
    output: output === '' ? error.output : output,
    cause: error,
  })
}

/** Lines at the end of a log that may name the cause of a failure. */
const causeLines = 10

const down = { code: 'SERVICE_DOWN' }

function readinessHint({ ready, log }: RestartableService): string | undefined {
  if (ready?.kind === 'command') return ready.hint
  if (ready === undefined || !('statusMin' in ready)) return undefined
  const where = log ?? 'the log of the program'
  if (ready.attribute === undefined) return `read ${where} for the cause`
  const hint = `read ${where} for the cause, or correct the path or the status in ${ready.attribute}`
  return ready.otherCause === undefined ? hint : `${hint}, or ${ready.otherCause}`
}

interface UpWait {
  /** The action before the wait, as errors name it. */
  readonly action: string
  /** Whether the process was started by this action. */
  readonly isNewProcess: boolean
  /** Default: true; false leaves out the check whether it is ready. */
  readonly checksReadiness?: boolean
  readonly log?: ServiceLog
}

/** Returns milliseconds. supervisord counts in whole seconds, so its value may be one too high. */
function uptimeMs({ uptime }: ServiceStatus, { passed }: Deadline, isNewProcess: boolean): number {
  const known = uptime === null ? (isNewProcess ? 0 : Number.POSITIVE_INFINITY) : (uptime - 1) * 1000
  return Math.max(known, passed)
}

function isDown({ state }: ServiceStatus): boolean {
  return state === 'stopped' || state === 'absent' || state === 'failed'
}

function detailSuffix({ detail }: ServiceStatus): string {
  return detail === '' ? '' : ` (${detail})`
}
