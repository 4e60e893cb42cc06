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
}

export interface Invitation {
  readonly isAdmin: boolean
  /** By stack. */
  readonly levels: Readonly<Record<string, Level>>
}

interface AccountRow {
  readonly name: string
  readonly is_admin: number
  readonly created: string
}

const day = 24 * 60 * 60 * 1000

export class Accounts {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  list(): Account[] {
    return this.database.all<AccountRow>('SELECT name, is_admin, created FROM accounts ORDER BY name').map(accountOf)
  }

  find(name: string): Account | undefined {
    const row = this.database.one<AccountRow>('SELECT name, is_admin, created FROM accounts WHERE name = ?', name)
    return row && accountOf(row)
  }

  /** Returns the account if the password is right; takes the same time for a name that does not exist. */
  async authenticate(name: string, password: string): Promise<Account | undefined> {
    const row = this.database.one<{ password: string }>('SELECT password FROM accounts WHERE name = ?', name)
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
        ...[name, stack, level],
      )
  }

  /** Returns the key of a link with which somebody makes an account, once, within a day. */
  invite({ isAdmin, levels }: Invitation): string {
    const { key, digest } = randomKey('invite')
    const expires = new Date(this.now().getTime() + day).toISOString()
    const given = JSON.stringify(levels)
    this.database.run('INSERT INTO invitations VALUES (?, ?, ?, ?)', digest, isAdmin ? 1 : 0, given, expires)
    return key
  }

  /**
   * Makes the account of an invitation, and uses the invitation up.
   * @returns why it was refused, or the account
   */
  async accept(key: string, name: string, password: string): Promise<Account | 'invitation' | 'name'> {
    const digest = digestOf(key)
    const valid = 'SELECT 1 FROM invitations WHERE digest = ? AND expires > ?'
    // Before the slow digest of the password, which anybody could otherwise demand.
    if (this.database.one(valid, digest, this.now().toISOString()) === undefined) return 'invitation'
    const stored = await hashPassword(password)
    return this.database.transaction(() => {
      if (this.find(name) !== undefined) return 'name'
      const row = this.database.one<{ is_admin: number; levels: string }>(
        'DELETE FROM invitations WHERE digest = ? AND expires > ? RETURNING is_admin, levels',
        ...[digest, this.now().toISOString()],
      )
      if (row === undefined) return 'invitation'
      const created = this.now().toISOString()
      this.database.run('INSERT INTO accounts VALUES (?, ?, ?, ?)', name, stored, row.is_admin, created)
      for (const [stack, level] of Object.entries(JSON.parse(row.levels) as Record<string, Level>))
        this.setLevel(name, stack, level)
      return { name, isAdmin: row.is_admin === 1, created }
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

  /** Removes an account with its sessions and tokens. @returns false for the last administrator, who stays */
  remove(name: string): boolean {
    return this.database.transaction(() => {
      const others = this.database.one('SELECT 1 FROM accounts WHERE is_admin = 1 AND name <> ?', name)
      if (others === undefined) return false
      this.database.run('DELETE FROM accounts WHERE name = ?', name)
      return true
    })
  }

  isEmpty(): boolean {
    return this.database.one('SELECT 1 FROM accounts') === undefined
  }
}

function accountOf({ name, is_admin, created }: AccountRow): Account {
  return { name, isAdmin: is_admin === 1, created }
}
