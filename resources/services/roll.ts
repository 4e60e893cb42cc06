/** Restarts one service: stop, wait for its port, start, wait until it answers. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { Duration, milliseconds } from '../../core/model/units.ts'
import { portTaken } from './port.ts'
import { endOfFile, type ServiceManager, type ServiceStatus } from './types.ts'

/** How a service shows that it is ready. */
export interface Readiness {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly statusMin: number
  readonly statusMax: number
  readonly warmPaths: readonly string[]
}

export interface RollingService {
  readonly name: string
  readonly ready?: Readiness | undefined
  readonly log?: string | undefined
}

const pause = milliseconds(200)
/** How often one that proves nothing by being up is looked at again: for a second, as supervisor does it by default. */
const provingLooks = 5
const longestRequest = 10_000
const shortestRequest = 1000
const logLines = 20

/** Time that is over when the clock says so or when enough was slept: the host's clock may stand still or jump. */
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

  /** A short sleep; false when the time is over. */
  async pause(): Promise<boolean> {
    if (this.left <= 0) return false
    await this.host.sleep(pause)
    this.slept += pause.ms
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
   * Brings a service up anew; it is running and ready afterwards.
   * @throws SERVICE_DOWN with the end of the log
   */
  restart(service: RollingService): Promise<void> {
    return this.bringing(service, 'did not come up', async (deadline) => {
      await this.halt(service.name, deadline)
      await this.freePort(service, deadline)
      await this.manager.start(service.name)
      await this.up(service, deadline, { looks: provingLooks })
    })
  }

  /**
   * Has a running service take in what changed; it is still running, and ready, afterwards.
   * @param how asks it to
   * @throws SERVICE_DOWN with the end of the log
   */
  reload(service: RollingService, how: () => Promise<void>): Promise<void> {
    return this.bringing(service, 'was not reloaded', async (deadline) => {
      await how()
      // One that ends of it has to get to that first.
      await deadline.pause()
      await this.up(service, deadline, { after: 'its reload' })
    })
  }

  /**
   * Waits until a service that was started before is ready.
   * @throws SERVICE_DOWN with the end of the log
   */
  answers(service: RollingService): Promise<void> {
    return this.bringing(service, 'is not ready', (deadline) => this.up(service, deadline))
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

  /** Stops a service; it is down afterwards. */
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

  /** A process that is gone may have left one behind that still holds the port. */
  private async freePort({ name, ready }: RollingService, deadline: Deadline): Promise<void> {
    if (ready === undefined || !(await portTaken(this.host, ready.port, ready.host))) return
    this.context.progress(`waiting until port ${ready.port} is free for ${name}`)
    while (await portTaken(this.host, ready.port, ready.host))
      if (!(await deadline.pause()))
        throw new ConvergeError(`port ${ready.port} was still taken by another process after ${deadline.limit}`, {
          ...down,
          hint: `find it: ss -ltnp 'sport = :${ready.port}'`,
        })
  }

  private async up(
    { name, ready }: RollingService,
    deadline: Deadline,
    { after = 'its start', looks = 0 } = {},
  ): Promise<void> {
    if (ready) this.context.progress(`waiting for http://${ready.host}:${ready.port}${ready.path}`)
    let pid = 0
    let answer: string | null = null
    for (;;) {
      const status = await this.manager.look(name)
      if (status.state !== 'running') throw new ConvergeError(`it ended right after ${after}${more(status)}`, down)
      if (pid !== 0 && status.pid !== 0 && status.pid !== pid)
        throw new ConvergeError(`it ended right after ${after}, and was started again`, down)
      pid = status.pid
      if (!status.starting) {
        if (ready === undefined) {
          if (!status.unproven || looks-- <= 0) return
        } else {
          answer = await this.ask(ready, ready.path, deadline.left)
          // Asked once more: what answers may be another process, if this one is just ending.
          if (answer === null && (await this.manager.look(name)).pid === pid) return
        }
      }
      if (!(await deadline.pause()))
        throw new ConvergeError(
          `it was not ready within ${deadline.limit}${answer === null ? '' : ` (${answer})`}`,
          down,
        )
    }
  }

  private async warm(ready: Readiness | undefined): Promise<void> {
    for (const path of ready?.warmPaths ?? []) {
      if (ready === undefined) return
      this.context.progress(`warming http://${ready.host}:${ready.port}${path}`)
      const problem = await this.ask(ready, path, this.limit.ms, this.limit.ms)
      if (problem !== null) this.context.warn(`warming ${path} at port ${ready.port}: ${problem}`)
    }
  }

  /** What is wrong with the answer, or null. */
  private async ask(ready: Readiness, path: string, left: number, longest = longestRequest): Promise<string | null> {
    const { host, port, statusMin, statusMax } = ready
    const timeout = new Duration(Math.max(shortestRequest, Math.min(left, longest)))
    try {
      const { status } = await this.host.request({ host, port, path, timeout })
      return status >= statusMin && status <= statusMax ? null : `it answered with HTTP status ${status}`
    } catch (error) {
      return asConvergeError(error).message
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

function isDown({ state }: ServiceStatus): boolean {
  return state === 'stopped' || state === 'absent' || state === 'failed'
}

function more({ detail }: ServiceStatus): string {
  return detail === '' ? '' : ` (${detail})`
}

/** The end of a service's log: of the file named, else of what its manager keeps. */
async function logEnd(host: HostReader, manager: ServiceManager, { name, log }: RollingService): Promise<string> {
  const own = log === undefined ? '' : endOfFile(host, log, logLines)
  if (own !== '') return own
  try {
    return await manager.log(name, logLines)
  } catch (error) {
    // The failure that is being told matters more than that its log can't be had.
    return `(no log: ${asConvergeError(error).message})`
  }
}
