/**
 * Takes deployments through their states: plan, wait for approval, run. It holds nothing in memory that it could not find
 * again: after a crash, the next console continues from the database and the files of the processes.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { FleetEvent } from '../../fleet/types.ts'
import { asConvergeError } from '../../model/errors.ts'
import type { Audit } from '../access/audit.ts'
import type { StackSource } from '../stack/stack_command.ts'
import { interruptProcess, processFiles, processState, startProcess } from './command_process.ts'
import { planWords, rolloutWords } from './command_words.ts'
import { readEvents } from './event_file.ts'
import { summarizePlan } from './plan_summary.ts'
import { ResultReader } from './result.ts'
import { hasEnded, type State } from './state_names.ts'
import type { ConsoleDeployment } from './states.ts'
import type { DeploymentChange, DeploymentStore } from './store.ts'

export interface RunnerOptions {
  readonly store: DeploymentStore
  readonly audit: Audit
  readonly stacks: ReadonlyMap<string, StackSource>
  /** Words that start converge: Node and the program. */
  readonly program: readonly string[]
  /** Directory with one directory for each deployment. */
  readonly directory: string
  readonly now: () => Date
  /** Whether the stack requires the approval of a second person. */
  readonly requiresSecondPerson: (stack: string) => boolean
  /** Called for each fault of the console itself; the work is tried again. */
  readonly reportFault: (error: unknown) => void
}

const minute = 60_000
/** Deadlines of the states, in milliseconds. An expired wait is cancelled, an expired process is interrupted. */
const deadlines: Readonly<Partial<Record<State, number>>> = {
  queued: 24 * 60 * minute,
  planning: 30 * minute,
  'waiting for approval': 24 * 60 * minute,
  running: 6 * 60 * minute,
}
/** The deadline of a paused rollout from the pause on, in milliseconds: it may also be continued from a command line. */
const pausedDeadline = 24 * 60 * minute
/** Plans that are made at once. Each is a process that compiles a stack. */
const maxPlans = 2
const pollMs = 250

/** Processes of a deployment, in their order: the plan that people see, the same plan again, the rollout. */
type Part = 'plan' | 'check' | 'rollout'

export class Runner {
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly options: RunnerOptions) {}

  /** Continues what an earlier console has begun, and watches the processes. */
  start(): void {
    const tick = async () => {
      try {
        await this.tick()
      } catch (error) {
        this.options.reportFault(error)
      }
      if (this.timer !== undefined) this.timer = setTimeout(tick, pollMs)
    }
    this.timer = setTimeout(tick, 0)
  }

  /** Stops watching. The processes continue. */
  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Returns the file with the events of a part. */
  eventsOf(id: number, part: Part): string {
    return `${this.directoryOf(id, part)}/${processFiles.events}`
  }

  /**
   * Confirms the plan that somebody has seen.
   * @returns the deployment; or why it was refused
   */
  confirm(id: number, digest: string, by: string): ConsoleDeployment | string {
    const deployment = this.options.store.get(id)
    if (deployment.state !== 'waiting for approval' || deployment.confirmedBy !== null)
      return `deployment ${id} does not wait for a confirmation: it is ${deployment.state}`
    if (deployment.plan?.digest !== digest) return `the plan of deployment ${id} is another one: look at it again`
    return this.change(deployment, this.confirmed(deployment, by)) ?? `deployment ${id} has changed in the meantime`
  }

  /**
   * Approves a confirmed deployment as a second person.
   * @returns the deployment; or why it was refused
   */
  approve(id: number, by: string): ConsoleDeployment | string {
    const deployment = this.options.store.get(id)
    const { state, confirmedBy } = deployment
    if (state !== 'waiting for approval' || confirmedBy === null)
      return `deployment ${id} does not wait for an approval: it is ${state}`
    if (sameAccount(confirmedBy, by) || sameAccount(deployment.by, by))
      return `${by} has asked for deployment ${id}: somebody else must approve it`
    const change = { state: 'queued', approvedBy: by } as const
    return this.change(deployment, change) ?? `deployment ${id} has changed in the meantime`
  }

  /**
   * Cancels a deployment that does not run yet. Interrupts one that runs, as Ctrl-C does: once, and no further host starts;
   * twice, and the hosts end after their current step.
   * @returns the deployment; or why it was refused
   */
  cancel(id: number, by: string): ConsoleDeployment | string {
    const deployment = this.options.store.get(id)
    const { state } = deployment
    if (hasEnded(state)) return `deployment ${id} has ended: it is ${state}`
    if (state === 'running') {
      interruptProcess(this.directoryOf(id, this.partOf(deployment)))
      return this.change(deployment, { abortedBy: by }) ?? this.options.store.get(id)
    }
    if (state === 'planning') interruptProcess(this.directoryOf(id, 'plan'))
    const change = { state: 'cancelled', reason: `cancelled by ${by}` } as const
    return this.change(deployment, change) ?? `deployment ${id} has changed in the meantime`
  }

  /** Moves the deadline of a rollout that an account has paused or continued. */
  setPaused(id: number, isPaused: boolean): void {
    const deployment = this.options.store.get(id)
    if (deployment.state !== 'running') return
    const limit = isPaused ? pausedDeadline : (deadlines.running ?? 0)
    this.change(deployment, { deadline: new Date(this.options.now().getTime() + limit).toISOString() })
  }

  private async tick(): Promise<void> {
    const active = this.options.store.active()
    for (const deployment of active)
      try {
        await this.advance(deployment, active)
      } catch (thrown) {
        const { code, message } = asConvergeError(thrown)
        const { id } = deployment
        // Any other fault is independent of the rollout, which may be running.
        if (code === 'NO_PROCESS') this.change(this.options.store.get(id), { state: 'failed', reason: message })
        else this.options.reportFault(thrown)
      }
  }

  private async advance(deployment: ConsoleDeployment, active: readonly ConsoleDeployment[]): Promise<void> {
    const { id, state, deadline, stack } = deployment
    if (!this.options.stacks.has(stack)) {
      const reason = `the console no longer has the stack ${stack}`
      this.change(deployment, { state: state === 'running' ? 'interrupted' : 'cancelled', reason })
      return
    }
    const isLate = deadline !== null && Date.parse(deadline) < this.options.now().getTime()
    switch (state) {
      case 'queued':
        if (isLate) this.change(deployment, { state: 'cancelled', reason: 'it waited for more than a day' })
        else await this.leaveQueue(deployment, active)
        break
      case 'planning':
        if (isLate) this.interruptLate(deployment, 'plan')
        await this.finishPlan(this.options.store.get(id))
        break
      case 'waiting for approval':
        if (isLate) this.change(deployment, { state: 'cancelled', reason: 'nobody approved it within a day' })
        break
      case 'running':
        if (isLate) this.interruptLate(deployment, this.partOf(deployment))
        await this.followRun(this.options.store.get(id))
        break
      default:
    }
  }

  /** Interrupts a process after its deadline, and again if it has not ended some time later: each time is a Ctrl-C. */
  private interruptLate(deployment: ConsoleDeployment, part: Part): void {
    interruptProcess(this.directoryOf(deployment.id, part))
    const deadline = new Date(this.options.now().getTime() + 5 * minute).toISOString()
    this.change(deployment, { abortedBy: 'its deadline', deadline })
  }

  /** Starts the plan of a new deployment, or the rollout of a confirmed one. */
  private async leaveQueue(deployment: ConsoleDeployment, active: readonly ConsoleDeployment[]): Promise<void> {
    const current = active.map(({ id }) => this.options.store.get(id))
    if (deployment.confirmedBy === null) {
      if (current.filter(({ state }) => state === 'planning').length >= maxPlans) return
      // After a backup was restored, a deployment that it does not contain may have had the same number.
      rmSync(`${this.options.directory}/${deployment.id}`, { recursive: true, force: true })
      const planning = this.change(deployment, { state: 'planning' })
      if (planning !== undefined) await this.startPart(planning, 'plan')
      return
    }
    // One rollout at a time changes a stack; the others keep their positions.
    if (current.some(({ state, stack }) => state === 'running' && stack === deployment.stack)) return
    const running = this.change(deployment, { state: 'running', started: this.options.now().toISOString() })
    if (running !== undefined) await this.startPart(running, 'check')
  }

  private async finishPlan(deployment: ConsoleDeployment): Promise<void> {
    const { id } = deployment
    const process = processState(this.directoryOf(id, 'plan'))
    if (process.kind === 'running') return
    // The console was killed before it could start the process.
    if (process.kind === 'not started') return this.startPart(deployment, 'plan')
    const reader = await this.readResult(id, 'plan')
    const { state, reason } = reader.result(process.kind === 'ended' ? process.status : null)
    if (state !== 'succeeded') {
      this.change(deployment, { state: 'failed', reason: `the plan failed: ${reason}` })
      return
    }
    const plan = await summarizePlan(this.readFleetEvents(id, 'plan'), this.options.store.customJson(id))
    // One change: a console that was killed between two would leave an automatic deployment waiting for an approval.
    const next = deployment.request.automatic
      ? this.confirmed(deployment, deployment.by)
      : ({ state: 'waiting for approval' } as const)
    this.change(deployment, { plan, ...next })
  }

  private async followRun(deployment: ConsoleDeployment): Promise<void> {
    const { id, plan } = deployment
    const part = this.partOf(deployment)
    const process = processState(this.directoryOf(id, part))
    if (process.kind === 'not started') return this.startPart(deployment, part)
    if (process.kind === 'running') {
      if (part === 'rollout' && deployment.record === null) await this.findRecord(deployment)
      return
    }
    const reader = await this.readResult(id, part)
    const result = reader.result(process.kind === 'ended' ? process.status : null)
    // An account may have aborted it while the events were read.
    const { abortedBy } = this.options.store.get(id)
    if (part === 'rollout') {
      const aborted = abortedBy === null ? null : `aborted by ${abortedBy}`
      const reason =
        [aborted, result.reason].filter((one) => one !== null).join(': ') ||
        (result.state === 'interrupted' ? 'aborted' : null)
      this.change(deployment, { ...result, reason, record: reader.record })
      return
    }
    if (abortedBy !== null) {
      this.change(deployment, { state: 'cancelled', reason: `aborted by ${abortedBy}, before any change` })
      return
    }
    if (result.state !== 'succeeded') {
      this.change(deployment, { state: 'failed', reason: `the plan failed: ${result.reason}` })
      return
    }
    const again = await summarizePlan(this.readFleetEvents(id, 'check'), this.options.store.customJson(id))
    if (again.digest !== plan?.digest) {
      const reason =
        'refused: the plan has changed since it was confirmed. Start the deployment again to see the new plan'
      this.change(deployment, { state: 'failed', reason })
      return
    }
    await this.startPart(deployment, 'rollout')
    // An abort that arrived before the rollout was recorded had no process to interrupt.
    if (this.options.store.get(id).abortedBy !== null) interruptProcess(this.directoryOf(id, 'rollout'))
  }

  /** Returns the part of a running deployment that was started last. */
  private partOf({ id }: ConsoleDeployment): 'check' | 'rollout' {
    return processState(this.directoryOf(id, 'rollout')).kind === 'not started' ? 'check' : 'rollout'
  }

  private async findRecord(deployment: ConsoleDeployment): Promise<void> {
    for await (const event of this.readFleetEvents(deployment.id, 'rollout'))
      if (event.event === 'deployment') {
        this.change(deployment, { record: event.id })
        return
      }
  }

  private confirmed({ stack }: ConsoleDeployment, by: string): DeploymentChange {
    return { state: this.options.requiresSecondPerson(stack) ? 'waiting for approval' : 'queued', confirmedBy: by }
  }

  private async startPart(deployment: ConsoleDeployment, part: Part): Promise<void> {
    const { id, stack, request } = deployment
    const source = this.options.stacks.get(stack)
    if (source === undefined) return
    const json = this.writeCustomJson(id)
    const words =
      part === 'rollout' ? rolloutWords(source.options, deployment, json) : planWords(source.options, request, json)
    await startProcess([...this.options.program, ...words], {
      directory: this.directoryOf(id, part),
      cwd: source.directory,
    })
  }

  /** Writes the custom JSON for the processes of a deployment, which read it as a file. @returns its path; null for none */
  private writeCustomJson(id: number): string | null {
    const content = this.options.store.customJson(id)
    if (content === null) return null
    mkdirSync(`${this.options.directory}/${id}`, { recursive: true, mode: 0o700 })
    const path = this.customJsonFile(id)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }

  private customJsonFile(id: number): string {
    return `${this.options.directory}/${id}/custom.json`
  }

  /** Reads the events of the rollout of a deployment; none before it begins. */
  rolloutEvents(id: number): AsyncIterable<FleetEvent> {
    return this.readFleetEvents(id, 'rollout')
  }

  private async readResult(id: number, part: Part): Promise<ResultReader> {
    const reader = new ResultReader()
    for await (const event of this.readFleetEvents(id, part)) reader.add(event)
    return reader
  }

  private async *readFleetEvents(id: number, part: Part): AsyncGenerator<FleetEvent> {
    for await (const event of readEvents(this.eventsOf(id, part)))
      if (typeof event.event === 'string') yield event as unknown as FleetEvent
  }

  /** Changes a deployment that is still in the state that was seen. */
  private change(deployment: ConsoleDeployment, change: DeploymentChange): ConsoleDeployment | undefined {
    const { id, state, stack } = deployment
    const next = change.state ?? state
    const now = this.options.now()
    const limit = deadlines[next]
    const changed = this.options.store.change(id, state, {
      ...change,
      ...(hasEnded(next) ? { ended: now.toISOString(), deadline: null } : {}),
      ...(next !== state && limit !== undefined ? { deadline: new Date(now.getTime() + limit).toISOString() } : {}),
    })
    if (changed === undefined) return undefined
    if (hasEnded(next)) {
      this.options.store.removeCustomJson(id)
      rmSync(this.customJsonFile(id), { force: true })
      const detail = { deployment: id, result: next, reason: changed.reason }
      this.options.audit.add({
        actor: changed.by,
        via: 'console',
        address: '',
        action: 'deployment ended',
        stack,
        detail,
      })
    }
    return changed
  }

  private directoryOf(id: number, part: Part): string {
    return `${this.options.directory}/${id}/${part}`
  }
}

function sameAccount(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
