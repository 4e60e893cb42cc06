/** What a rollout has changed about the stack: who is there, who missed what, and which commits it is on. */
import type { Action, HostOutcome } from '../types.ts'
import type { Board } from './board.ts'
import type { Aftermath, Member, RolloutRequest } from './request.ts'

/** Actions that bring new code. */
export const switching: readonly Action[] = ['setup', 'deploy']

/** A rollout at its end. */
export interface Ended {
  readonly request: RolloutRequest
  readonly board: Board
  readonly taking: readonly Member[]
  /** Those that are online and did not take part. */
  readonly others: readonly Member[]
  /** Of the others, those that could not be reached. */
  readonly missed: ReadonlySet<string>
  /** Those that had missed a deployment, and have it now. */
  readonly caughtUp: readonly string[]
  readonly commits: Aftermath['apps']
  readonly isStopped: boolean
}

/** Whether an app is one of those that are asked for. */
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
  // Who was only prepared when it stopped is not on it.
  const isOver = (name: string) => board.succeeded(name) && (!deploys || board.of(name).deployed)
  const did = namesOf(taking.filter(({ name }) => isOver(name)))
  const whole = did.length > 0 && !ended.isStopped
  const apps = !whole ? {} : deploys ? commits : action === 'rollback' ? wentBackTo(ended) : {}
  const changesCode = deploys || Object.keys(apps).length > 0
  // What failed where some may fail has it as little as what was down.
  const without: readonly HostOutcome[] = changesCode ? ['skipped', 'failed', 'lost'] : ['skipped']
  const missing = namesOf(taking).filter((name) => without.includes(board.of(name).outcome))
  const unheard = namesOf(others).filter((name) => board.hasFailed(name))
  const complete = taking.filter(({ name, apps }) => did.includes(name) && apps.every((app) => means(request, app)))
  // What some of its hosts were given alone says nothing of what the stack is on.
  const isElsewhere = (app: string) => others.some(({ apps }) => apps.includes(app))
  return {
    online: deploys ? did : [],
    stopped: action === 'shutdown' ? did : [],
    behind: whole && (changesCode || action === 'configure') ? [...missing, ...missed, ...unheard] : [],
    upToDate: [...(deploys ? namesOf(complete) : []), ...caughtUp],
    apps: Object.fromEntries(Object.entries(apps).filter(([app]) => !isElsewhere(app))),
  }
}

/** The commit that all hosts are on now: who catches up later gets that, and not what was gone back from. */
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
