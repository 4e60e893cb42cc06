/** Manages the sessions of browsers, and the tokens of pipelines. */
import type { Database } from '../storage/database.ts'
import type { Accounts } from './accounts.ts'
import { type Level, lowerLevel, storedLevel } from './levels.ts'
import { digestOf, randomKey } from './random_keys.ts'

/** The sender of a request, with its permissions. */
export interface Actor {
  readonly account: string
  readonly isAdmin: boolean
  /** `session`, or `token NAME`. */
  readonly via: string
  levelOf(stack: string): Level
}

export interface Token {
  readonly id: number
  readonly name: string
  readonly account: string
  readonly stack: string
  readonly level: Level
  readonly created: string
  readonly expires: string
  readonly lastUsed: string | null
}

interface TokenRow {
  readonly id: number
  readonly name: string
  readonly account: string
  readonly stack: string
  readonly level: string
  readonly created: string
  readonly expires: string
  readonly last_used: string | null
}

const hour = 60 * 60 * 1000
export const sessionHours = 12

export class Sessions {
  constructor(
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly now: () => Date,
  ) {}

  /** Begins a session, and returns the value of its cookie. */
  begin(account: string): string {
    const { key, digest } = randomKey('session')
    const now = this.now()
    const expires = new Date(now.getTime() + sessionHours * hour).toISOString()
    this.database.run('DELETE FROM sessions WHERE expires <= ?', now.toISOString())
    this.database.run('INSERT INTO sessions VALUES (?, ?, ?, ?)', digest, account, now.toISOString(), expires)
    return key
  }

  end(key: string): void {
    this.database.run('DELETE FROM sessions WHERE digest = ?', digestOf(key))
  }

  /** Finds the account of a session's cookie; undefined if the session has ended. */
  actorOfSession(key: string): Actor | undefined {
    const row = this.database.one<{ account: string }>(
      'SELECT account FROM sessions WHERE digest = ? AND expires > ?',
      digestOf(key),
      this.now().toISOString(),
    )
    return row && this.actor(row.account, 'session')
  }

  /** Makes a token for one stack, and returns it; only its digest is stored. */
  createToken(token: Pick<Token, 'name' | 'account' | 'stack' | 'level' | 'expires'>): { id: number; key: string } {
    const { key, digest } = randomKey('converge')
    const { name, account, stack, level, expires } = token
    const id = this.database.insert(
      'INSERT INTO tokens (digest, name, account, stack, level, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)',
      digest,
      name,
      account,
      stack,
      level,
      this.now().toISOString(),
      expires,
    )
    return { id, key }
  }

  listTokens(stack: string): Token[] {
    return this.database
      .all<TokenRow>(
        'SELECT id, name, account, stack, level, created, expires, last_used FROM tokens WHERE stack = ? ORDER BY id',
        stack,
      )
      .map(({ last_used, level, ...rest }) => ({ ...rest, level: storedLevel(level), lastUsed: last_used }))
  }

  removeToken(stack: string, id: number): boolean {
    return this.database.run('DELETE FROM tokens WHERE stack = ? AND id = ?', stack, id) > 0
  }

  /** Finds the account for which a token acts; it never permits more than that account may do. */
  actorOfToken(key: string): Actor | undefined {
    const now = this.now()
    const row = this.database.one<TokenRow>(
      'SELECT * FROM tokens WHERE digest = ? AND expires > ?',
      digestOf(key),
      now.toISOString(),
    )
    if (row === undefined) return undefined
    // Each write waits for the disk: once a minute is enough for a time that people read.
    if (row.last_used === null || now.getTime() - Date.parse(row.last_used) > 60_000)
      this.database.run('UPDATE tokens SET last_used = ? WHERE id = ?', now.toISOString(), row.id)
    const maker = this.actor(row.account, `token ${row.name}`)
    if (maker === undefined) return undefined
    return {
      ...maker,
      isAdmin: false,
      levelOf: (stack) => (stack === row.stack ? lowerLevel(storedLevel(row.level), maker.levelOf(stack)) : 'deny'),
    }
  }

  /** Returns an account with its permissions, for work that the console does on its behalf. */
  actorOfAccount(name: string): Actor | undefined {
    return this.actor(name, 'account')
  }

  private actor(name: string, via: string): Actor | undefined {
    const account = this.accounts.find(name)
    if (account === undefined) return undefined
    const { isAdmin } = account
    const levels = this.accounts.levelsOf(account.name)
    return {
      account: account.name,
      isAdmin,
      via,
      levelOf: (stack) => (isAdmin ? 'manage' : (levels[stack] ?? 'deny')),
    }
  }
}
