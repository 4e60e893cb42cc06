/** Stores the deployments of the console. */
import type { SecretMarks } from '../stack/stack_reader.ts'
import type { Database } from '../storage/database.ts'
import { maskedJson } from './masked_json.ts'
import { hasEnded, type State, states } from './state_names.ts'
import type { ConsoleDeployment, DeploymentRequest } from './states.ts'

interface DeploymentRow {
  readonly id: number
  readonly stack: string
  readonly state: State
  readonly reason: string | null
  readonly request: string
  readonly by: string
  readonly created: string
  readonly deadline: string | null
  readonly plan: string | null
  readonly custom_json: string | null
  readonly confirmed_by: string | null
  readonly approved_by: string | null
  readonly aborted_by: string | null
  readonly record: string | null
  readonly started: string | null
  readonly ended: string | null
}

export interface DeploymentFilter {
  /** Only deployments older than this one. */
  readonly before?: number | undefined
  readonly state?: State | null | undefined
}

/** The fields that change during a deployment. */
export type DeploymentChange = Partial<
  Pick<
    ConsoleDeployment,
    | 'state'
    | 'reason'
    | 'plan'
    | 'confirmedBy'
    | 'approvedBy'
    | 'abortedBy'
    | 'record'
    | 'started'
    | 'ended'
    | 'deadline'
  >
>

const columns: Readonly<Record<keyof DeploymentChange, string>> = {
  state: 'state',
  reason: 'reason',
  plan: 'plan',
  confirmedBy: 'confirmed_by',
  approvedBy: 'approved_by',
  abortedBy: 'aborted_by',
  record: 'record',
  started: 'started',
  ended: 'ended',
  deadline: 'deadline',
}

const endedStates = JSON.stringify(states.filter(hasEnded))

export class DeploymentStore {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  /**
   * Stores a request. Its custom JSON is stored apart until the deployment ends; everybody sees it with its secrets masked.
   * @param marks which values of it are secret; null: all
   */
  create(stack: string, request: DeploymentRequest, by: string, marks: SecretMarks | null = null): ConsoleDeployment {
    const { customJson } = request
    const id = this.database.insert(
      "INSERT INTO deployments (stack, state, request, by, created, custom_json) VALUES (?, 'queued', ?, ?, ?, ?)",
      stack,
      JSON.stringify(maskedRequest(request, marks)),
      by,
      this.now().toISOString(),
      customJson === undefined ? null : JSON.stringify(customJson),
    )
    return this.get(id)
  }

  /** Returns the custom JSON of a deployment that has not ended, with its secrets. */
  customJson(id: number): string | null {
    const row = this.database.one<{ custom_json: string | null }>(
      'SELECT custom_json FROM deployments WHERE id = ?',
      id,
    )
    return row?.custom_json ?? null
  }

  /** Removes the custom JSON with its secrets. */
  removeCustomJson(id: number): void {
    const sql = 'UPDATE deployments SET custom_json = NULL WHERE id = ? AND custom_json IS NOT NULL'
    if (this.database.run(sql, id) > 0) this.database.eraseOldContent()
  }

  find(id: number): ConsoleDeployment | undefined {
    const row = this.database.one<DeploymentRow>('SELECT * FROM deployments WHERE id = ?', id)
    return row && deploymentOf(row)
  }

  get(id: number): ConsoleDeployment {
    const found = this.find(id)
    if (found === undefined) throw new Error(`no deployment ${id}`)
    return found
  }

  /** Lists deployments of a stack, newest first. */
  list(
    stack: string,
    limit: number,
    { before = Number.MAX_SAFE_INTEGER, state = null }: DeploymentFilter = {},
  ): ConsoleDeployment[] {
    return this.database
      .all<DeploymentRow>(
        'SELECT * FROM deployments WHERE stack = ? AND id < ? AND (? IS NULL OR state = ?) ORDER BY id DESC LIMIT ?',
        stack,
        before,
        state,
        state,
        limit,
      )
      .map(deploymentOf)
  }

  /** Lists the deployments of all stacks that have not ended, oldest first. */
  active(): ConsoleDeployment[] {
    return this.database
      .all<DeploymentRow>(
        'SELECT * FROM deployments WHERE state NOT IN (SELECT value FROM json_each(?)) ORDER BY id',
        endedStates,
      )
      .map(deploymentOf)
  }

  /** Ends all deployments that have not ended, without their custom JSON: for a copy of the database. */
  interruptActive(reason: string): void {
    this.database.run(
      `UPDATE deployments SET state = 'interrupted', reason = ?, ended = ?, deadline = NULL, custom_json = NULL
       WHERE state NOT IN (SELECT value FROM json_each(?))`,
      reason,
      this.now().toISOString(),
      endedStates,
    )
  }

  /** Lists the numbers of deployments that ended before a time, without the newest and the newest successful one of each stack. */
  endedBefore(time: string, limit: number): number[] {
    return this.database
      .all<{ id: number }>(
        `SELECT id FROM deployments WHERE ended < ?1 AND state IN (SELECT value FROM json_each(?2))
         AND id NOT IN (SELECT max(id) FROM deployments GROUP BY stack)
         AND id NOT IN (SELECT max(id) FROM deployments WHERE state = 'succeeded' GROUP BY stack)
         ORDER BY id LIMIT ?3`,
        time,
        endedStates,
        limit,
      )
      .map(({ id }) => id)
  }

  remove(id: number): void {
    this.database.run('DELETE FROM deployments WHERE id = ?', id)
  }

  /**
   * Changes a deployment, if it is still in the state that the caller has seen.
   * @returns the changed deployment; undefined if somebody else has changed its state
   */
  change(id: number, from: State, change: DeploymentChange): ConsoleDeployment | undefined {
    const entries = Object.entries(change) as [keyof DeploymentChange, unknown][]
    const assignments = entries.map(([key]) => `${columns[key]} = ?`).join(', ')
    const values = entries.map(([key, value]) =>
      key === 'plan' && value !== null ? JSON.stringify(value) : (value as string | null),
    )
    const sql = `UPDATE deployments SET ${assignments} WHERE id = ? AND state = ?`
    return this.database.run(sql, ...values, id, from) > 0 ? this.get(id) : undefined
  }
}

/** Masks the secrets of a request for everybody who may see the deployment. */
function maskedRequest(request: DeploymentRequest, marks: SecretMarks | null): DeploymentRequest {
  const { customJson } = request
  return customJson === undefined ? request : { ...request, customJson: maskedJson(customJson, marks) }
}

function deploymentOf({
  request,
  custom_json: _,
  plan,
  confirmed_by,
  approved_by,
  aborted_by,
  ...rest
}: DeploymentRow): ConsoleDeployment {
  return {
    ...rest,
    request: JSON.parse(request),
    plan: plan === null ? null : JSON.parse(plan),
    confirmedBy: confirmed_by,
    approvedBy: approved_by,
    abortedBy: aborted_by,
  }
}
