/** Stores the schedules of stacks: when each deploys what, and for which account. */
import type { DeploymentRequest } from '../deployments/states.ts'
import type { Database } from '../storage/database.ts'
import { nextTimes } from './times.ts'

export interface Schedule {
  readonly id: number
  readonly stack: string
  readonly name: string
  /** The account that made it: the schedule ends with that account, and permits no more than it. */
  readonly account: string
  /** A cron expression of five fields, or one time without a zone. */
  readonly when: string
  /** IANA name. */
  readonly zone: string
  readonly request: DeploymentRequest
  readonly enabled: boolean
  /** ISO time at which it is due next; null if it is disabled or has ended. */
  readonly next: string | null
  /** The result of the last time it was due; null before the first time. */
  readonly last: string | null
  /** The last deployment that it has requested; null before the first one. */
  readonly deployment: number | null
  /** ISO time. */
  readonly created: string
}

export interface ScheduleResult {
  /** Text for the list of schedules. */
  readonly last: string
  /** The deployment that was requested; undefined if it was skipped. */
  readonly deployment?: number
}

type ScheduleRow = Omit<Schedule, 'request' | 'enabled'> & { readonly request: string; readonly enabled: number }

const columns = 'id, stack, name, account, due AS "when", zone, request, enabled, next, last, deployment, created'

export class Schedules {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  create(schedule: Pick<Schedule, 'stack' | 'name' | 'account' | 'when' | 'zone' | 'request'>): Schedule {
    const { stack, name, account, when, zone, request } = schedule
    const id = this.database.insert(
      'INSERT INTO schedules (stack, name, account, due, zone, request, enabled, next, created) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)',
      stack,
      name,
      account,
      when,
      zone,
      JSON.stringify(request),
      this.nextOf({ when, zone }),
      this.now().toISOString(),
    )
    const made = this.find(stack, id)
    if (made === undefined) throw new Error(`no schedule ${id}`)
    return made
  }

  list(stack: string): Schedule[] {
    return this.database
      .all<ScheduleRow>(`SELECT ${columns} FROM schedules WHERE stack = ? ORDER BY id`, stack)
      .map(scheduleOf)
  }

  find(stack: string, id: number): Schedule | undefined {
    const row = this.database.one<ScheduleRow>(`SELECT ${columns} FROM schedules WHERE stack = ? AND id = ?`, stack, id)
    return row && scheduleOf(row)
  }

  remove(stack: string, id: number): boolean {
    return this.database.run('DELETE FROM schedules WHERE stack = ? AND id = ?', stack, id) > 0
  }

  /** Switches a schedule on or off; what was due while it was off does not count. */
  enable(schedule: Schedule, enabled: boolean): Schedule {
    const next = enabled ? this.nextOf(schedule) : null
    this.database.run('UPDATE schedules SET enabled = ?, next = ? WHERE id = ?', enabled ? 1 : 0, next, schedule.id)
    return { ...schedule, enabled, next }
  }

  /** Lists the schedules of all stacks that are due. */
  due(): Schedule[] {
    return this.database
      .all<ScheduleRow>(`SELECT ${columns} FROM schedules WHERE next <= ? ORDER BY next`, this.now().toISOString())
      .map(scheduleOf)
  }

  /**
   * Does the work of a schedule that is due, and sets its next time, both or neither: a console that is killed in between
   * neither skips it nor does it twice.
   */
  run(schedule: Schedule, work: () => ScheduleResult): void {
    this.database.transaction(() => {
      const { last, deployment = schedule.deployment } = work()
      this.database.run(
        'UPDATE schedules SET next = ?, last = ?, deployment = ? WHERE id = ?',
        this.nextOf(schedule),
        last,
        deployment,
        schedule.id,
      )
    })
  }

  /** Forgets when schedules are due, for a copy of the database: `setMissingTimes` computes it again from then on. */
  forgetTimes(): void {
    this.database.run('UPDATE schedules SET next = NULL')
  }

  /** Computes when the enabled schedules without a time are due next, after a copy was restored. */
  setMissingTimes(): void {
    const rows = this.database.all<ScheduleRow>(`SELECT ${columns} FROM schedules WHERE next IS NULL AND enabled = 1`)
    for (const schedule of rows.map(scheduleOf))
      this.database.run('UPDATE schedules SET next = ? WHERE id = ?', this.nextOf(schedule), schedule.id)
  }

  private nextOf({ when, zone }: Pick<Schedule, 'when' | 'zone'>): string | null {
    return nextTimes(when, zone, this.now(), 1)[0]?.toISOString() ?? null
  }
}

function scheduleOf({ request, enabled, ...rest }: ScheduleRow): Schedule {
  return { ...rest, enabled: enabled === 1, request: JSON.parse(request) }
}
