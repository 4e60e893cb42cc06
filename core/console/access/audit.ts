/** Records who did what, from where, and with what result. Views are not recorded. */
import type { Database } from '../storage/database.ts'

export interface AuditEntry {
  readonly id: number
  /** ISO time. */
  readonly time: string
  readonly actor: string
  /** `session`, `token NAME`, `invitation`, `webhook NAME`, or `console` itself. */
  readonly via: string
  readonly address: string
  readonly action: string
  readonly stack: string | null
  readonly detail: Readonly<Record<string, unknown>>
}

type AuditRow = Omit<AuditEntry, 'detail'> & { readonly detail: string }

export class Audit {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  add({ actor, via, address, action, stack, detail }: Omit<AuditEntry, 'id' | 'time'>): void {
    this.database.run(
      'INSERT INTO audit (time, actor, via, address, action, stack, detail) VALUES (?, ?, ?, ?, ?, ?, ?)',
      this.now().toISOString(),
      actor,
      via,
      address,
      action,
      stack,
      JSON.stringify(detail),
    )
  }

  /** Removes the entries that are older than a time. */
  removeBefore(time: string): void {
    this.database.run('DELETE FROM audit WHERE time < ?', time)
  }

  /**
   * Lists entries, newest first.
   * @param stacks only entries of these stacks; null for all entries
   * @param before only entries older than this one
   */
  list(stacks: readonly string[] | null, limit: number, before = Number.MAX_SAFE_INTEGER): AuditEntry[] {
    const rows = this.database.all<AuditRow>(
      `SELECT * FROM audit WHERE id < ?1 AND (?2 IS NULL OR stack IN (SELECT value FROM json_each(?2)))
       ORDER BY id DESC LIMIT ?3`,
      before,
      stacks === null ? null : JSON.stringify(stacks),
      limit,
    )
    return rows.map(({ detail, ...rest }) => ({ ...rest, detail: JSON.parse(detail) }))
  }
}
