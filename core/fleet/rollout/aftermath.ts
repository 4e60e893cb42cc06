/** Computes what a rollout changed about the stack: online hosts, hosts that missed it, and the commit of each app. */
import type { Action, HostOutcome } from '../types.ts'
import type { Board } from './board.ts'
import type { Aftermath, Member, RolloutRequest } from './request.ts'

/** Actions that install new code. */
export const switching: readonly Action[] = ['setup', 'deploy']

/** The state of a rollout when it has ended. */
export interface Ended {
  readonly request: RolloutRequest
  readonly board: Board
  readonly taking: readonly Member[]
  /** Online hosts that did not take part. */
  readonly others: readonly Member[]
  /** Those of `others` that could not be reached. */
  readonly missed: ReadonlySet<string>
  /** Hosts that had missed an earlier deployment, and now have it. */
  readonly caughtUp: readonly string[]
  readonly commits: Aftermath['apps']
  readonly isStopped: boolean
}

/** Decides whether the request includes an app. */
export function means({ apps }: RolloutRequest, app: string): boolean {
  return apps.length === 0 || apps.includes(app)
}

export function namesOf(members: readonly Member[]): string[] {
  return members.map(({ name }) => name)
}

export function aftermathOf(ended: Ended): Aftermath {
  const { request, board, taking, others, missed, caughtUp, commits } = ended
  const { action } = request
  const deploys = switching.includes(action)
  // A host that was only prepared when the rollout aborted does not run the commit.
  const isOver = (name: string) => board.succeeded(name) && (!deploys || board.of(name).deployed)
  const did = namesOf(taking.filter(({ name }) => isOver(name)))
  const whole = did.length > 0 && !ended.isStopped
  const apps = !whole ? {} : deploys ? commits : action === 'rollback' ? wentBackTo(ended) : {}
  const changesCode = deploys || Object.keys(apps).length > 0
  // Hosts that failed within --max-failures lack the new code, like hosts that were down.
  const without: readonly HostOutcome[] = changesCode ? ['skipped', 'failed', 'lost'] : ['skipped']
  const missing = namesOf(taking).filter((name) => without.includes(board.of(name).outcome))
  const unheard = namesOf(others).filter((name) => board.hasFailed(name))
  const complete = taking.filter(({ name, apps }) => did.includes(name) && apps.every((app) => means(request, app)))
  // A commit that only some hosts of an app received is not the commit of the stack.
  const isElsewhere = (app: string) => others.some(({ apps }) => apps.includes(app))
  return {
    online: deploys ? did : [],
    stopped: action === 'shutdown' ? did : [],
    behind: whole && (changesCode || action === 'configure') ? [...missing, ...missed, ...unheard] : [],
    upToDate: [...(deploys ? namesOf(complete) : []), ...caughtUp],
    apps: Object.fromEntries(Object.entries(apps).filter(([app]) => !isElsewhere(app))),
  }
}

/** Returns the commit that all hosts run after a rollback: hosts that catch up later get that one. */
function wentBackTo({ request, board, taking }: Ended): Aftermath['apps'] {
  const took = taking.filter(({ name }) => board.succeeded(name))
  const apps = new Set(took.flatMap(({ apps }) => apps).filter((app) => means(request, app)))
  return Object.fromEntries(
    [...apps].flatMap((app) => {
      const live = took.flatMap(({ name }) =>
        board.of(name).live.filter((one) => one.app === app && one.commit !== null),
      )
      const [commit, ...more] = new Set(live.map(({ commit }) => commit))
      const known = typeof commit === 'string' && /^[0-9a-f]+$/.test(commit) && more.length === 0
      return known ? [[app, { commit, revision: commit }] as const] : []
    }),
  )
}
