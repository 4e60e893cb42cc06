/** Manages the second factor of accounts: one-time passwords by time (RFC 6238), and codes for a lost device. */
import { randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import type { Database } from '../storage/database.ts'
import { digestOf } from './random_keys.ts'

interface FactorRow {
  readonly secret: string
  readonly confirmed: number
  readonly last_step: number
}

export interface Enrolment {
  /** Base 32, for a device that cannot read the picture. */
  readonly secret: string
  /** The address `otpauth://` that a device reads as a picture. */
  readonly uri: string
}

const recoveryCodes = 10
/** Steps of 30 seconds by which the clock of a device may differ. */
const window = 1

export class SecondFactors {
  constructor(
    private readonly database: Database,
    private readonly now: () => Date,
  ) {}

  isEnabled(account: string): boolean {
    return this.find(account)?.confirmed === 1
  }

  /**
   * Creates a secret, which counts once `confirm` has received a code of it.
   * @returns undefined if a second factor is enabled
   */
  enrol(account: string): Enrolment | undefined {
    if (this.isEnabled(account)) return undefined
    const secret = new Secret({ size: 20 }).base32
    this.database.run(
      'INSERT INTO second_factors VALUES (?, ?, 0, 0) ON CONFLICT (account) DO UPDATE SET secret = excluded.secret, last_step = 0',
      account,
      secret,
    )
    return { secret, uri: totpOf(secret, account).toString() }
  }

  /**
   * Enables the second factor.
   * @returns codes for a lost device; undefined if the code is wrong
   */
  confirm(account: string, code: string): readonly string[] | undefined {
    return this.database.transaction(() => {
      const row = this.find(account)
      if (row === undefined || row.confirmed === 1 || !this.accept(account, row, code)) return undefined
      this.database.run('UPDATE second_factors SET confirmed = 1 WHERE account = ?', account)
      this.database.run('DELETE FROM recovery_codes WHERE account = ?', account)
      const codes = Array.from({ length: recoveryCodes }, () => randomBytes(5).toString('hex'))
      for (const one of codes) this.database.run('INSERT INTO recovery_codes VALUES (?, ?)', account, digestOf(one))
      return codes.map((one) => `${one.slice(0, 5)}-${one.slice(5)}`)
    })
  }

  /** Checks a code of the device, or uses up a code for a lost device. Each code counts once. */
  check(account: string, code: string): boolean {
    return this.database.transaction(() => {
      const row = this.find(account)
      if (row?.confirmed !== 1) return false
      if (this.accept(account, row, code)) return true
      const digest = digestOf(code.replaceAll(/[\s-]/g, '').toLowerCase())
      return this.database.run('DELETE FROM recovery_codes WHERE account = ? AND digest = ?', account, digest) > 0
    })
  }

  /** @returns whether the account had a second factor */
  remove(account: string): boolean {
    return this.database.transaction(() => {
      this.database.run('DELETE FROM recovery_codes WHERE account = ?', account)
      return this.database.run('DELETE FROM second_factors WHERE account = ?', account) > 0
    })
  }

  /** Accepts a code of the device that is newer than the last one, so that nobody can use a code again. */
  private accept(account: string, { secret, last_step }: FactorRow, code: string): boolean {
    const token = code.replaceAll(/\s/g, '')
    if (!/^\d{6}$/.test(token)) return false
    const totp = totpOf(secret, account)
    const timestamp = this.now().getTime()
    const delta = totp.validate({ token, timestamp, window })
    if (delta === null) return false
    const step = totp.counter({ timestamp }) + delta
    if (step <= last_step) return false
    this.database.run('UPDATE second_factors SET last_step = ? WHERE account = ?', step, account)
    return true
  }

  private find(account: string): FactorRow | undefined {
    return this.database.one<FactorRow>(
      'SELECT secret, confirmed, last_step FROM second_factors WHERE account = ?',
      account,
    )
  }
}

function totpOf(secret: string, account: string): TOTP {
  return new TOTP({ issuer: 'converge', label: account, secret: Secret.fromBase32(secret) })
}
