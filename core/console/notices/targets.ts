/** Stores the targets of a stack's notices, and their deliveries, which a trigger of the database adds with each new state. */
import { randomBytes } from 'node:crypto'
import type { NoticeState } from '../deployments/state_names.ts'
import type { Database } from '../storage/database.ts'

export const targetKinds = ['webhook', 'chat', 'mail', 'github', 'gitlab', 'gitea'] as const
export type TargetKind = (typeof targetKinds)[number]

export interface Target {
  readonly id: number
  readonly stack: string
  readonly kind: TargetKind
  readonly name: string
  /** An address; for mail, the recipients with commas. It can hold a secret. */
  readonly address: string
  /** The repository of a commit status; null for other kinds. */
  readonly repository: string | null
  /** The app of a commit status; null for other kinds. */
  readonly app: string | null
  readonly states: readonly NoticeState[]
  /** The account that made it. */
  readonly account: string
  readonly created: string
}

export type DeliveryState = 'pending' | 'delivered' | 'failed'

export interface Delivery {
  readonly id: number
  readonly target: number
  /** Null for a test. */
  readonly deployment: number | null
  readonly about: NoticeState | 'test'
  readonly state: DeliveryState
  readonly attempts: number
  /** ISO times. */
  readonly created: string
  readonly next: string
  readonly ended: string | null
  /** The reason of the last failed attempt. */
  readonly error: string | null
}

/** A delivery that is due, with its target. */
export interface DueDelivery {
  readonly delivery: Delivery
  readonly target: Target
  readonly secret: string | null
  /** The same for all attempts. */
  readonly message: string
}

type TargetRow = Omit<Target, 'states'> & { readonly states: string; readonly secret: string | null }
type DeliveryRow = Delivery & { readonly message: string; readonly remaining: string | null }

const deliveryColumns = 'id, target, deployment, about, state, attempts, created, next, ended, error'
/** Ended deliveries of a target that are kept. */
const keptDeliveries = 200
/** Pending deliveries of a target; older ones fail. */
const maxPending = 100

export class Targets {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  /**
   * Stores a target.
   * @param token of a git server
   * @returns the id, and the secret of a webhook, which is shown once
   */
  create(
    target: Omit<Target, 'id' | 'created'>,
    token: string | null,
  ): { readonly id: number; readonly secret: string | null } {
    const secret = target.kind === 'webhook' ? `whsec_${randomBytes(32).toString('base64')}` : null
    const { stack, kind, name, address, repository, app, states, account } = target
    const id = this.database.insert(
      `INSERT INTO notice_targets (stack, kind, name, address, repository, app, secret, states, account, created)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      stack,
      kind,
      name,
      address,
      repository,
      app,
      secret ?? token,
      JSON.stringify(states),
      account,
      this.now().toISOString(),
    )
    return { id, secret }
  }

  list(stack: string): Target[] {
    return this.database
      .all<TargetRow>('SELECT * FROM notice_targets WHERE stack = ? ORDER BY id', stack)
      .map((row) => targetOf(row))
  }

  find(stack: string, id: number): Target | undefined {
    const row = this.database.one<TargetRow>('SELECT * FROM notice_targets WHERE stack = ? AND id = ?', stack, id)
    return row && targetOf(row)
  }

  remove(stack: string, id: number): boolean {
    return this.database.run('DELETE FROM notice_targets WHERE stack = ? AND id = ?', stack, id) > 0
  }

  /** Lists the newest deliveries of a target, the one that is sent next, and the last one that failed; the newest first. */
  deliveries(target: number, limit: number): Delivery[] {
    return this.database.all<Delivery>(
      `SELECT ${deliveryColumns} FROM notices WHERE target = ?1 AND (
         id IN (SELECT id FROM notices WHERE target = ?1 ORDER BY id DESC LIMIT ?2)
         OR id = (SELECT min(id) FROM notices WHERE target = ?1 AND state = 'pending')
         OR id = (SELECT max(id) FROM notices WHERE target = ?1 AND state = 'failed'))
       ORDER BY id DESC`,
      target,
      limit,
    )
  }

  /** Adds a test, and makes the deliveries that wait before it due at once. */
  addTest(target: number): number {
    const now = this.now().toISOString()
    const id = this.database.insert(
      `INSERT INTO notices (target, deployment, about, message, created, next)
       VALUES (?, NULL, 'test', lower(hex(randomblob(16))), ?, ?)`,
      target,
      now,
      now,
    )
    this.retry(target)
    return id
  }

  /** Makes the pending deliveries of a target due at once. */
  retry(target: number): void {
    const now = this.now().toISOString()
    this.database.run("UPDATE notices SET next = ?1 WHERE target = ?2 AND state = 'pending' AND next > ?1", now, target)
  }

  /** Returns for each target its oldest pending delivery, if that is due: notices arrive in their order. */
  due(): DueDelivery[] {
    this.failSurplus()
    const rows = this.database.all<DeliveryRow>(
      `SELECT * FROM notices WHERE next <= ? AND id IN
       (SELECT min(id) FROM notices WHERE state = 'pending' GROUP BY target)`,
      this.now().toISOString(),
    )
    return rows.flatMap(({ message, remaining, ...delivery }) => {
      const row = this.database.one<TargetRow>('SELECT * FROM notice_targets WHERE id = ?', delivery.target)
      if (row === undefined) return []
      const target = targetOf(row)
      return [{ delivery, target: { ...target, address: remaining ?? target.address }, secret: row.secret, message }]
    })
  }

  private failSurplus(): void {
    const surplus = this.database.all<{ id: number }>(
      `SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY target ORDER BY id DESC) AS position
       FROM notices WHERE state = 'pending') WHERE position > ?`,
      maxPending,
    )
    for (const { id } of surplus) this.end(id, 'failed', `more than ${maxPending} notices wait for this address`)
  }

  /** Counts an attempt before it is made: a delivery that kills the console must not be repeated for ever. */
  addAttempt(id: number, next: Date): void {
    this.database.run('UPDATE notices SET attempts = attempts + 1, next = ? WHERE id = ?', next.toISOString(), id)
  }

  /** @param error null to keep the error of the last failed attempt */
  end(id: number, state: DeliveryState, error: string | null): void {
    const now = this.now().toISOString()
    this.database.run(
      'UPDATE notices SET state = ?, error = coalesce(?, error), ended = ? WHERE id = ?',
      state,
      error,
      now,
      id,
    )
    this.database.run(
      `DELETE FROM notices WHERE state <> 'pending' AND target = (SELECT target FROM notices WHERE id = ?1) AND id NOT IN
       (SELECT id FROM notices WHERE state <> 'pending' AND target = (SELECT target FROM notices WHERE id = ?1)
        ORDER BY id DESC LIMIT ?2)`,
      id,
      keptDeliveries,
    )
  }

  /** @param remaining the recipients that have not received a mail; null to keep the stored ones */
  setFailure(id: number, error: string, remaining: string | null): void {
    const sql = 'UPDATE notices SET error = ?, remaining = coalesce(?, remaining) WHERE id = ?'
    this.database.run(sql, error, remaining, id)
  }
}

function targetOf({ secret: _, states, ...rest }: TargetRow): Target {
  return { ...rest, states: JSON.parse(states) }
}
