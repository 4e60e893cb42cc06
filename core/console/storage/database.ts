/** Opens the database of the console: one SQLite file that survives a crash at any moment. */
import { chmodSync, closeSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { ConvergeError } from '../../model/errors.ts'
import { migrations } from './migrations.ts'
import { type DatabaseSync, openSqlite, type SqlValue, type StatementSync } from './sqlite.ts'

/** Returns the path of the database in the directory of a console. */
export function databaseFile(directory: string): string {
  return `${directory}/console.sqlite`
}

export class Database {
  private readonly connection: DatabaseSync
  private readonly statements = new Map<string, StatementSync>()

  /**
   * Opens the file, or creates it with mode 0600, and migrates its tables to this version.
   * @param options `mayMigrate`: default true; false while a console uses it, which would not know the new tables
   * @throws CONSOLE_DATABASE if it cannot be opened, is no database, or belongs to another version
   */
  constructor(
    private readonly path: string,
    { mayMigrate = true }: { readonly mayMigrate?: boolean } = {},
  ) {
    try {
      // SQLite would create it with the mode that the umask leaves.
      closeSync(openSync(path, 'a', 0o600))
      chmodSync(path, 0o600)
      this.connection = openSqlite(path)
      // FULL: what was answered is on the disk, also after a power cut.
      this.connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
      this.connection.exec('PRAGMA busy_timeout = 5000')
      // Removed secrets would stay readable in the free space of the file.
      this.connection.exec('PRAGMA secure_delete = ON')
    } catch (cause) {
      throw this.unusable((cause as Error).message, cause)
    }
    try {
      this.migrate(mayMigrate)
    } catch (cause) {
      this.close()
      throw cause instanceof ConvergeError ? cause : this.unusable((cause as Error).message, cause)
    }
  }

  /** Reads the whole file. @throws CONSOLE_DATABASE if a part of it is damaged */
  check(): void {
    let found: readonly { readonly quick_check: string }[]
    try {
      found = this.all('PRAGMA quick_check(1)')
    } catch (cause) {
      throw this.unusable((cause as Error).message, cause)
    }
    const [{ quick_check: result } = { quick_check: 'no result' }] = found
    if (result !== 'ok') throw this.unusable(result.replaceAll(/\s+/g, ' '))
  }

  all<T>(sql: string, ...values: SqlValue[]): T[] {
    return this.statement(sql).all(...values) as T[]
  }

  /** Returns the first row; undefined for none. */
  one<T>(sql: string, ...values: SqlValue[]): T | undefined {
    return this.statement(sql).get(...values) as T | undefined
  }

  /** Returns the number of rows that changed. */
  run(sql: string, ...values: SqlValue[]): number {
    return Number(this.statement(sql).run(...values).changes)
  }

  /** Runs an INSERT, and returns the number of the new row. */
  insert(sql: string, ...values: SqlValue[]): number {
    return Number(this.statement(sql).run(...values).lastInsertRowid)
  }

  /** Does all of the work or none of it. */
  transaction<T>(work: () => T): T {
    this.connection.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.connection.exec('COMMIT')
      return result
    } catch (error) {
      this.connection.exec('ROLLBACK')
      throw error
    }
  }

  /** Removes values that were deleted or replaced from the log of changes beside the file. */
  eraseOldContent(): void {
    this.connection.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /**
   * Writes a consistent copy to a new file while the console works. A copy that fails leaves no file.
   * @param complete changes the copy before it counts as complete
   * @throws CANNOT_COPY
   */
  backup(path: string, complete: (copy: Database) => void): void {
    let isOwn = false
    try {
      // SQLite would create it with the mode that the umask leaves.
      closeSync(openSync(path, 'wx', 0o600))
      isOwn = true
      this.run('VACUUM INTO ?', path)
      const copy = new Database(path)
      try {
        complete(copy)
      } finally {
        copy.close()
      }
      const file = openSync(path, 'r+')
      fsyncSync(file)
      closeSync(file)
    } catch (cause) {
      for (const end of isOwn ? ['', '-wal', '-shm', '-journal'] : []) rmSync(`${path}${end}`, { force: true })
      throw new ConvergeError(`cannot copy the database to ${path}: ${(cause as Error).message}`, {
        code: 'CANNOT_COPY',
        hint: 'name a file that does not exist yet, in a directory with enough free space',
        cause,
        usage: true,
      })
    }
  }

  close(): void {
    this.statements.clear()
    this.connection.close()
  }

  private statement(sql: string): StatementSync {
    const known = this.statements.get(sql) ?? this.connection.prepare(sql)
    this.statements.set(sql, known)
    return known
  }

  private migrate(mayMigrate: boolean): void {
    const version = Number(this.one<{ user_version: number }>('PRAGMA user_version')?.user_version)
    if (version > migrations.length)
      throw this.unusable(`it has the format ${version}, and this version of converge knows up to ${migrations.length}`)
    if (version < migrations.length && !mayMigrate)
      throw new ConvergeError(
        `cannot use the database ${this.path}: an older version of the console runs with it (format ${version}, not ${migrations.length})`,
        {
          code: 'CONSOLE_DATABASE',
          hint: 'restart the console with this version of converge, or use the version that runs',
          usage: true,
        },
      )
    for (const [index, sql] of migrations.entries())
      if (index >= version)
        this.transaction(() => {
          this.connection.exec(sql)
          this.connection.exec(`PRAGMA user_version = ${index + 1}`)
        })
  }

  private unusable(reason: string, cause?: unknown): ConvergeError {
    return new ConvergeError(`cannot use the database ${this.path}: ${reason}`, {
      code: 'CONSOLE_DATABASE',
      hint: 'check its directory and free disk space; restore a backup if it is damaged, or install the version that wrote it',
      cause,
      usage: true,
    })
  }
}
