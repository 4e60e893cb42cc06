/** Requests the deployments of schedules when they are due. */
import type { Audit } from '../access/audit.ts'
import { includesLevel } from '../access/levels.ts'
import type { Sessions } from '../access/sessions.ts'
import { hasEnded } from '../deployments/state_names.ts'
import type { DeploymentStore } from '../deployments/store.ts'
import type { Schedule, ScheduleResult, Schedules } from './schedules.ts'

export interface SchedulerOptions {
  readonly schedules: Schedules
  readonly store: DeploymentStore
  readonly sessions: Pick<Sessions, 'actorOfAccount'>
  readonly audit: Audit
  /** Names of the stacks that the console has. */
  readonly stacks: readonly string[]
  readonly now: () => Date
  /** Called for each fault of the scheduler itself. */
  readonly reportFault: (error: unknown) => void
}

/** Time between two searches for schedules that are due. */
const intervalMs = 2000
/** Time by which a deployment may be late, for example because the console did not run. */
const maxDelayMinutes = 60

export class Scheduler {
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly options: SchedulerOptions) {}

  start(): void {
    this.options.schedules.setMissingTimes()
    this.timer = setInterval(() => this.tick(), intervalMs)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  /** Requests what is due. One schedule with a fault does not prevent the others. */
  tick(): void {
    for (const schedule of this.options.schedules.due())
      try {
        this.options.schedules.run(schedule, () => this.request(schedule))
      } catch (thrown) {
        this.options.reportFault(thrown)
      }
  }

  private request(schedule: Schedule): ScheduleResult {
    const { store, audit } = this.options
    const { stack, name, account, request } = schedule
    const entry = { actor: account, via: `schedule ${name}`, address: '', stack }
    const obstacle = this.obstacle(schedule)
    if (obstacle !== null) {
      audit.add({ ...entry, action: 'scheduled deployment skipped', detail: { reason: obstacle } })
      return { last: `skipped: ${obstacle}` }
    }
    const comment = request.comment || `schedule ${name}`
    const { id } = store.create(stack, { ...request, automatic: true, comment }, account)
    audit.add({ ...entry, action: 'deployment requested', detail: { deployment: id } })
    return { last: `deployment ${id}`, deployment: id }
  }

  /** Returns why the deployment is not requested; null if it can be. */
  private obstacle({ stack, account, next, deployment: earlier }: Schedule): string | null {
    const { stacks, sessions, store, now } = this.options
    if (!stacks.includes(stack)) return `the console no longer has the stack ${stack}`
    const minutes = Math.floor((now().getTime() - Date.parse(next ?? '')) / 60_000)
    if (minutes > maxDelayMinutes) return `the console did not run at ${next}, and it is ${minutes} minutes too late`
    const level = sessions.actorOfAccount(account)?.levelOf(stack) ?? 'deny'
    if (!includesLevel(level, 'deploy')) return `${account}, who made the schedule, may no longer deploy ${stack}`
    const deployment = earlier === null ? undefined : store.find(earlier)
    if (deployment !== undefined && !hasEnded(deployment.state))
      return `deployment ${deployment.id} of this schedule has not ended: it is ${deployment.state}`
    return null
  }
}
