/** Keeps the key of this host that signs saved plans, and computes digests with it that reveal nothing of their values. */
import { createHmac, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { ConvergeError } from '../../model/errors.ts'
import { canonicalJson } from '../../model/json.ts'

/** Digests of values, which nobody can compute without the key: a short password cannot be guessed from its digest. */
export class PlanKey {
  private constructor(private readonly key: string) {}

  /**
   * Reads the key in a state directory, and creates it at the first use.
   * @throws ConvergeError INVALID_PLAN_KEY
   */
  static in(stateDirectory: string): PlanKey {
    const path = `${stateDirectory}/plan.key`
    if (!fs.existsSync(path)) {
      // A complete file appears under the name, or none: another command may create it at the same time.
      const draft = `${path}.${process.pid}`
      fs.writeFileSync(draft, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx', flush: true })
      try {
        fs.linkSync(draft, path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      } finally {
        fs.rmSync(draft, { force: true })
      }
    }
    return PlanKey.readExisting(stateDirectory) as PlanKey
  }

  /** @returns null if this host has never saved a plan */
  static readExisting(stateDirectory: string): PlanKey | null {
    const path = `${stateDirectory}/plan.key`
    if (!fs.existsSync(path)) return null
    const text = fs.readFileSync(path, 'utf8')
    if (/^[0-9a-f]{64}$/.test(text)) return new PlanKey(text)
    throw new ConvergeError(`${path} is damaged: expected 64 hexadecimal digits`, {
      code: 'INVALID_PLAN_KEY',
      hint: `remove ${path}, and save the plan again`,
    })
  }

  digest(value: unknown): string {
    return createHmac('sha256', this.key)
      .update(canonicalJson(value) ?? 'undefined')
      .digest('hex')
      .slice(0, 40)
  }
}
