/** Restarts one service: stops it, waits until its port is free, starts it, and waits until it is ready. */
import type { Host, HostReader } from '../../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../../core/model/errors.ts'
import type { Context } from '../../../core/model/resource.ts'
import { type Duration, milliseconds } from '../../../core/model/units.ts'
import { endOfFile, type ServiceManager, type ServiceStatus } from '../managers/types.ts'
import { Ends } from '../readiness/exit_counter.ts'
import { type FatalLine, fatalLine, LogMark } from '../readiness/fatal_log_lines.ts'
import { isAsked, isTaken, nameOfCheck, pageOf, problemOf, questionLimit } from '../readiness/readiness.ts'
import { defaultUptime, type Readiness } from '../readiness/ready_props.ts'

export interface RollingService {
  readonly name: string
  readonly ready?: Readiness | undefined
  readonly log?: string | undefined
  /** Lines of its log after which it never becomes ready. */
  readonly fatal?: readonly FatalLine[] | undefined
}

const pause = milliseconds(200)
const longestRequest = 10_000
const logLines = 20

/** A time limit that ends by the clock or by the time slept: the host's clock may stand still or jump. */
export class Deadline {
  private slept = 0
  private readonly began = performance.now()

  constructor(
    private readonly host: Host,
    readonly limit: Duration,
  ) {}

  get left(): number {
    return this.limit.ms - Math.max(this.slept, performance.now() - this.began)
  }

  get passed(): number {
    return this.limit.ms - this.left
  }

  /** Sleeps briefly; returns false after the time limit. */
  async pause(time = pause): Promise<boolean> {
    if (this.left <= 0) return false
    await this.host.sleep(time)
    this.slept += time.ms
    return true
  }
}

export class Roll {
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
  async restart(service: RollingService): Promise<void> {
    await (await this.begin(service))()
  }

  /**
   * Restarts a service without waiting for the time that it must stay up if it has no check.
   * @returns a function that waits for the rest of that time
   * @throws SERVICE_DOWN with the end of the log, here or in that function
   */
  async begin(service: RollingService): Promise<() => Promise<void>> {
    const failed = 'did not come up'
    const watch: Watch = { after: 'its start', fresh: true, log: new LogMark(this.host, service.log) }
    const watched = !isAsked(service.ready)
    await this.bringing(service, failed, async (deadline) => {
      await this.halt(service.name, deadline)
      await this.freePort(service, deadline)
      await this.manager.start(service.name)
      await this.up(service, deadline, { ...watch, stays: !watched })
    })
    const since = new Deadline(this.host, this.limit)
    return () => (watched ? this.bringing(service, failed, () => this.up(service, since, watch)) : Promise.resolve())
  }

  /**
   * Reloads the changed configuration of a running service; afterwards it is still running, and ready.
   * @param how reloads it
   * @throws SERVICE_DOWN with the end of the log
   */
  reload(service: RollingService, how: () => Promise<void>): Promise<void> {
    return this.bringing(service, 'was not reloaded', async (deadline) => {
      await how()
      // A service that the reload ends needs a moment to get there.
      await deadline.pause()
      await this.up(service, deadline, { after: 'its reload', fresh: false })
    })
  }

  /**
   * Waits until a service that was started before is ready.
   * @throws SERVICE_DOWN with the end of the log
   */
  answers(service: RollingService): Promise<void> {
    return this.bringing(service, 'is not ready', (deadline) =>
      this.up(service, deadline, { after: 'its start', fresh: false }),
    )
  }

  private async bringing(
    service: RollingService,
    failed: string,
    work: (deadline: Deadline) => Promise<void>,
  ): Promise<void> {
    try {
      await work(new Deadline(this.host, this.limit))
    } catch (error) {
      const known = asConvergeError(error)
      throw known.code === 'INTERNAL' ? error : await this.failure(service, known, failed)
    }
    await this.warm(service.ready)
  }

  /** Stops a service; afterwards it is down. */
  async stop(name: string): Promise<void> {
    await this.halt(name, new Deadline(this.host, this.limit))
  }

  private async halt(name: string, deadline: Deadline): Promise<void> {
    let status = await this.manager.look(name)
    if (!isDown(status) && !status.stopping) {
      await this.manager.stop(name)
      status = await this.manager.look(name)
    }
    while (!isDown(status) || status.stopping) {
      if (!(await deadline.pause())) throw new ConvergeError(`${name} did not stop within ${deadline.limit}`, down)
      status = await this.manager.look(name)
    }
  }

  /** Waits for the port: a process that has ended may leave behind another one that still uses it. */
  private async freePort({ name, ready }: RollingService, deadline: Deadline): Promise<void> {
    const taken = () => (ready === undefined ? Promise.resolve(null) : isTaken(this.host, ready))
    const port = await taken()
    if (port === null) return
    this.context.progress(`waiting until port ${port} is free for ${name}`)
    while ((await taken()) !== null)
      if (!(await deadline.pause()))
        throw new ConvergeError(`port ${port} was still taken by another process after ${deadline.limit}`, {
          ...down,
          hint: `find the process with ss -ltnp 'sport = :${port}' and end it, then run again`,
        })
  }

  private async up(service: RollingService, deadline: Deadline, watch: Watch): Promise<void> {
    const { name, ready } = service
    const { after, stays = true } = watch
    if (stays && isAsked(ready)) this.context.progress(`waiting for ${nameOfCheck(this.host, ready)}`)
    const ends = new Ends()
    let problem: string | null = null
    for (;;) {
      const status = await this.manager.look(name)
      const { pid } = status
      const isUp = status.state === 'running'
      // Without a check, only staying up proves that the service works.
      if (ends.hasEnded(status, deadline.passed) || (ends.count > 0 && !isAsked(ready)))
        throw new ConvergeError(`it ended right after ${after}${ends.times}${more(status)}`, down)
      if (isUp && !status.starting) {
        if (!stays) return
        problem = await this.missing(service, status, deadline, watch)
        // Checks once more: if this process is ending, another process may have answered.
        if (problem === null && (!isAsked(ready) || (await this.manager.look(name)).pid === pid)) return
        if (problem !== null) this.giveUp(service, watch, problem)
      }
      if (!(await deadline.pause())) {
        // The service stayed up for the whole time limit.
        if (isUp && !status.starting && stays && !isAsked(ready)) return
        const ended = ends.count > 0 ? `it ended right after ${after}${ends.times}, and was started again, but ` : 'it '
        const missing = problem === null ? '' : ` (${problem})`
        throw new ConvergeError(`${ended}was not ready within ${deadline.limit}${missing}`, {
          ...down,
          hint: hintOf(service),
        })
      }
    }
  }

  /** Returns what is missing until a running service is ready; null if nothing. */
  private async missing(
    { ready }: RollingService,
    status: ServiceStatus,
    deadline: Deadline,
    { fresh }: Watch,
  ): Promise<string | null> {
    if (isAsked(ready)) return problemOf(this.host, ready, questionLimit(deadline.left, longestRequest))
    const time = ready?.time ?? (status.unproven ? defaultUptime : undefined)
    return time === undefined || uptimeOf(status, deadline, fresh) >= time.ms ? null : `it has to stay up for ${time}`
  }

  /**
   * Stops waiting if the log contains a fatal line.
   * @throws SERVICE_DOWN with that line
   */
  private giveUp({ fatal = [] }: RollingService, { log }: Watch, problem: string): void {
    const found = log === undefined ? null : fatalLine(log.since(), fatal)
    if (found !== null) throw new ConvergeError(`${found.text} (${problem})`, { ...down, hint: found.hint })
  }

  private async warm(ready: Readiness | undefined): Promise<void> {
    if (ready === undefined || !('warmPaths' in ready)) return
    const limit = questionLimit(this.limit.ms, this.limit.ms)
    for (const path of ready.warmPaths) {
      this.context.progress(`warming http://${ready.host}:${ready.port}${path}`)
      const problem = await pageOf(this.host, ready, path, limit).catch(
        (error: unknown) => asConvergeError(error).message,
      )
      if (problem !== null)
        this.context.warn(`warming ${path} at port ${ready.port} failed: ${problem} (correct the path, or remove it)`)
    }
  }

  private async failure(service: RollingService, error: ConvergeError, what: string): Promise<ConvergeError> {
    const output = await logEnd(this.host, this.manager, service)
    return new ConvergeError(`${service.name} ${what}: ${error.message}`, {
      ...down,
      hint: error.hint,
      output: output === '' ? error.output : output,
      cause: error,
    })
  }
}

const down = { code: 'SERVICE_DOWN' }

function hintOf({ ready, log }: RollingService): string | undefined {
  if (ready?.kind === 'command') return ready.hint
  if (ready === undefined || !('statusMin' in ready)) return undefined
  const where = log ?? 'the log of the program'
  if (ready.attribute === undefined) return `read ${where} for the cause`
  return `read ${where} for the cause, or correct the path or the status in ${ready.attribute}`
}

interface Watch {
  /** The action before the wait, as errors name it. */
  readonly after: string
  /** Whether the process was started by this action. */
  readonly fresh: boolean
  /** Default: true; false leaves out the check whether it is ready. */
  readonly stays?: boolean
  readonly log?: LogMark
}

/** Returns milliseconds. supervisord counts in whole seconds, so its value may be one too high. */
function uptimeOf({ uptime }: ServiceStatus, { passed }: Deadline, fresh: boolean): number {
  const known = uptime === null ? (fresh ? 0 : Number.POSITIVE_INFINITY) : (uptime - 1) * 1000
  return Math.max(known, passed)
}

function isDown({ state }: ServiceStatus): boolean {
  return state === 'stopped' || state === 'absent' || state === 'failed'
}

function more({ detail }: ServiceStatus): string {
  return detail === '' ? '' : ` (${detail})`
}

/** Returns the end of a service's log: of the given file, or else of the log that its manager keeps. */
async function logEnd(host: HostReader, manager: ServiceManager, { name, log }: RollingService): Promise<string> {
  const own = log === undefined ? '' : endOfFile(host, log, logLines)
  if (own !== '') return own
  try {
    return await manager.log(name, logLines)
  } catch (error) {
    // The failure of the service matters more than the failure to read its log.
    return `(no log: ${asConvergeError(error).message})`
  }
}
