/** Declares what the console uses of `node:sqlite`, which the types of Node 20 lack. */
declare module 'node:sqlite' {
  export type SqlValue = null | number | bigint | string | Uint8Array

  export class StatementSync {
    all(...values: SqlValue[]): Record<string, SqlValue>[]
    get(...values: SqlValue[]): Record<string, SqlValue> | undefined
    run(...values: SqlValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint }
  }

  export class DatabaseSync {
    constructor(path: string)
    exec(sql: string): void
    prepare(sql: string): StatementSync
    close(): void
  }
}
