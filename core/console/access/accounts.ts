/** Manages accounts, their levels, and the invitations by which they are made. */
import type { Database } from '../storage/database.ts'
import { type Level, storedLevel } from './levels.ts'
import { hashPassword, isPassword, spendTime } from './passwords.ts'
import { digestOf, randomKey } from './random_keys.ts'

export interface Account {
  readonly name: string
  /** Whether it manages all stacks and all accounts. */
  readonly isAdmin: boolean
  /** ISO time. */
  readonly created: string
  /** Whether it logs in by a provider: it has no password, and its levels follow its groups there. */
  readonly isExternal: boolean
}

export interface Invitation {
  readonly isAdmin: boolean
  /** By stack. */
  readonly levels: Readonly<Record<string, Level>>
  /** Whether a command has made it: its account may log in also where local accounts are switched off. */
  readonly isByCommand?: boolean
}

interface AccountRow {
  readonly name: string
  readonly is_admin: number
  readonly created: string
  readonly issuer: string | null
}

const columns = 'name, is_admin, created, issuer'

const day = 24 * 60 * 60 * 1000

export class Accounts {
  /** @param permitsLocal whether accounts with passwords may log in, and not only those that a command has invited */
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
    readonly permitsLocal = true,
  ) {}

  list(): Account[] {
    return this.database.all<AccountRow>(`SELECT ${columns} FROM accounts ORDER BY name`).map(accountOf)
  }

  find(name: string): Account | undefined {
    const row = this.database.one<AccountRow>(`SELECT ${columns} FROM accounts WHERE name = ?`, name)
    return row && accountOf(row)
  }

  /** Returns the account if the password is right; takes the same time for a name that does not exist. */
  async authenticate(name: string, password: string): Promise<Account | undefined> {
    const row = this.database.one<{ password: string }>(
      'SELECT password FROM accounts WHERE name = ?1 AND issuer IS NULL AND (by_command = 1 OR ?2)',
      name,
      this.permitsLocal ? 1 : 0,
    )
    if (row === undefined) {
      await spendTime(password)
      return undefined
    }
    return (await isPassword(password, row.password)) ? this.find(name) : undefined
  }

  levelsOf(name: string): Record<string, Level> {
    const rows = this.database.all<{ stack: string; level: string }>(
      'SELECT stack, level FROM levels WHERE account = ? ORDER BY stack',
      name,
    )
    return Object.fromEntries(rows.map(({ stack, level }) => [stack, storedLevel(level)]))
  }

  setLevel(name: string, stack: string, level: Level): void {
    if (level === 'deny') this.database.run('DELETE FROM levels WHERE account = ? AND stack = ?', name, stack)
    else
      this.database.run(
        'INSERT INTO levels VALUES (?, ?, ?) ON CONFLICT (account, stack) DO UPDATE SET level = excluded.level',
        name,
        stack,
        level,
      )
  }

  /** Returns the key of a link with which a person creates an account, once, within a day. */
  invite({ isAdmin, levels, isByCommand = false }: Invitation): string {
    const { key, digest } = randomKey('invite')
    this.database.run('DELETE FROM invitations WHERE expires <= ?', this.now().toISOString())
    const expires = new Date(this.now().getTime() + day).toISOString()
    const levelsJson = JSON.stringify(levels)
    this.database.run(
      'INSERT INTO invitations (digest, is_admin, levels, expires, by_command) VALUES (?, ?, ?, ?, ?)',
      digest,
      isAdmin ? 1 : 0,
      levelsJson,
      expires,
      isByCommand ? 1 : 0,
    )
    return key
  }

  /**
   * Makes the account of an invitation, and uses the invitation up.
   * @returns the account, or the part that was refused
   */
  async accept(key: string, name: string, password: string): Promise<Account | 'invitation' | 'name'> {
    const digest = digestOf(key)
    const validQuery = 'SELECT 1 FROM invitations WHERE digest = ? AND expires > ? AND (by_command = 1 OR ?)'
    const permitted = this.permitsLocal ? 1 : 0
    // Checked before the slow digest of the password: otherwise, requests without an invitation could use up the CPU.
    if (this.database.one(validQuery, digest, this.now().toISOString(), permitted) === undefined) return 'invitation'
    const stored = await hashPassword(password)
    return this.database.transaction(() => {
      if (this.find(name) !== undefined) return 'name'
      const row = this.database.one<{ is_admin: number; levels: string; by_command: number }>(
        'DELETE FROM invitations WHERE digest = ? AND expires > ? RETURNING is_admin, levels, by_command',
        digest,
        this.now().toISOString(),
      )
      if (row === undefined) return 'invitation'
      this.endFirstInvitations()
      const created = this.now().toISOString()
      this.database.run(
        'INSERT INTO accounts (name, password, is_admin, created, by_command) VALUES (?, ?, ?, ?, ?)',
        name,
        stored,
        row.is_admin,
        created,
        row.by_command,
      )
      for (const [stack, level] of Object.entries(JSON.parse(row.levels) as Record<string, Level>))
        this.setLevel(name, stack, level)
      return { name, isAdmin: row.is_admin === 1, created, isExternal: false }
    })
  }

  async setPassword(name: string, password: string): Promise<void> {
    const stored = await hashPassword(password)
    this.database.transaction(() => {
      this.database.run('UPDATE accounts SET password = ? WHERE name = ?', stored, name)
      // Everybody who knew the old password is logged out.
      this.database.run('DELETE FROM sessions WHERE account = ?', name)
    })
  }

  /**
   * Removes an account with its sessions and tokens.
   * @returns false for the last administrator, whose account is not removed
   */
  remove(name: string): boolean {
    return this.database.transaction(() => {
      const others = this.database.one('SELECT 1 FROM accounts WHERE is_admin = 1 AND name <> ?', name)
      if (others === undefined) return false
      this.database.run('DELETE FROM accounts WHERE name = ?', name)
      return true
    })
  }

  /**
   * Ends the sessions of accounts that may no longer log in.
   * @param hasProvider whether accounts of a provider may log in
   */
  endForbiddenSessions(hasProvider: boolean): void {
    this.database.run(
      `DELETE FROM sessions WHERE account IN
       (SELECT name FROM accounts WHERE CASE WHEN issuer IS NULL THEN NOT (by_command = 1 OR ?) ELSE NOT ? END)`,
      this.permitsLocal ? 1 : 0,
      hasProvider ? 1 : 0,
    )
  }

  /** Ends the invitations that each start has printed, before the first account is created. */
  endFirstInvitations(): void {
    if (this.isEmpty()) this.database.run('DELETE FROM invitations WHERE by_command = 0')
  }

  isEmpty(): boolean {
    return this.database.one('SELECT 1 FROM accounts') === undefined
  }
}

function accountOf({ name, is_admin, created, issuer }: AccountRow): Account {
  return { name, isAdmin: is_admin === 1, created, isExternal: issuer !== null }
}
