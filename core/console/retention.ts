/** Removes what the console no longer needs: old deployments with their files, old audit entries, unused clones of repositories. */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import type { Audit } from './access/audit.ts'
import type { DeploymentStore } from './deployments/store.ts'

export interface RetentionOptions {
  readonly store: DeploymentStore
  readonly audit: Audit
  /** Directory with one directory for each deployment. */
  readonly deployments: string
  /** Directory of the clones of repositories. */
  readonly repositories: string
  /** Days for which ended deployments and audit entries are kept. */
  readonly days: number
  readonly now: () => Date
  /** Called for each fault; the work is tried again. */
  readonly reportFault: (error: unknown) => void
}

const day = 24 * 60 * 60 * 1000
/** Time between two sweeps. */
const sweepMs = 60 * 60 * 1000
/** Deployments that are removed in one step: the directory of one can have many megabytes. */
const groupSize = 20
/** Time between two such steps. */
const pauseMs = 100
/** Days without use after which a clone is removed; it is made again when it is needed. */
const cloneDays = 30

export class Retention {
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly options: RetentionOptions) {}

  /** Removes old deployments in small groups, and looks again each hour. */
  start(): void {
    const sweep = () => {
      let isComplete = true
      try {
        isComplete = this.sweep()
      } catch (error) {
        this.options.reportFault(error)
      }
      this.timer = setTimeout(sweep, isComplete ? sweepMs : pauseMs)
    }
    this.timer = setTimeout(sweep, 0)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** @returns false if there is more to remove */
  sweep(): boolean {
    const { store, audit, deployments, days, now } = this.options
    const oldest = new Date(now().getTime() - days * day).toISOString()
    const ids = store.endedBefore(oldest, groupSize)
    for (const id of ids) {
      // The files first: if the console is killed in between, the next sweep finds the deployment again.
      rmSync(`${deployments}/${id}`, { recursive: true, force: true })
      store.remove(id)
    }
    if (ids.length === groupSize) return false
    audit.removeBefore(oldest)
    this.removeClones()
    return true
  }

  private removeClones(): void {
    const { repositories, now } = this.options
    if (!existsSync(repositories)) return
    for (const name of readdirSync(repositories)) {
      const path = `${repositories}/${name}`
      // git writes this file with each fetch.
      const used = [`${path}/FETCH_HEAD`, path].find((one) => existsSync(one))
      if (used !== undefined && now().getTime() - statSync(used).mtimeMs > cloneDays * day)
        rmSync(path, { recursive: true, force: true })
    }
  }
}
