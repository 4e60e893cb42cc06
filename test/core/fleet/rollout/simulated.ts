/** Hosts that a rollout drives in a test: each does as it is told to, and notes what was asked of it. */
import type { FleetHost, RunRequest, RunResult } from '../../../../core/fleet/rollout/fleet_host.ts'
import type { Interruption, Member, Ports, RolloutRequest } from '../../../../core/fleet/rollout/request.ts'
import { rollout } from '../../../../core/fleet/rollout/rollout.ts'
import type { FleetEvent } from '../../../../core/fleet/types.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import type { RunReport } from '../../../../core/report/events.ts'

export interface Behaviour {
  /** What each of its events comes to; default: changed. `breaks`: it has changed something, and failed then. */
  readonly does?: Readonly<Record<string, 'unchanged' | 'fails' | 'breaks' | 'lost'>>
  readonly connects?: 'refused' | 'wrong key' | 'held'
  readonly apps?: readonly string[]
  /** Of these; default: all. */
  readonly migrating?: readonly string[]
  readonly stage?: number
  /** Commits of its releases, oldest first; the last one is live. Default: one release. */
  readonly history?: readonly string[]
}

const counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }

function reportOf(request: RunRequest, outcome: RunReport['outcome'], changes: boolean): RunReport {
  const id = '000001'
  return {
    ...{ id, mode: request.dry ? 'plan' : 'run', roles: request.roles, events: request.events, started: '' },
    ...{ durationMs: 1, outcome, counts: { ...counts, changed: changes && outcome !== 'planned' ? 1 : 0 } },
    ...{ resources: [], warnings: [] },
  }
}

export class Simulation {
  /** `host event`, as they began. */
  readonly begun: string[] = []
  readonly told: FleetEvent[] = []
  readonly requests: (RunRequest & { readonly host: string })[] = []
  /** Names of the hosts at work at the same time, at most, by event. */
  readonly atOnce = new Map<string, number>()
  private readonly working = new Map<string, number>()
  readonly online: ReadonlySet<string>[] = []
  readonly closed = new Set<string>()
  private interruption: Interruption = 'none'
  private readonly listeners = new Set<(state: Interruption) => void>()
  /** Called as each run begins. */
  onRun: (host: string, event: string) => void = () => undefined

  constructor(private readonly hosts: Readonly<Record<string, Behaviour>>) {}

  interrupt(state: Interruption): void {
    this.interruption = state
    for (const listener of this.listeners) listener(state)
  }

  async go(request: Partial<RolloutRequest>, more: Partial<Ports> & { readonly only?: readonly string[] } = {}) {
    const { only = Object.keys(this.hosts), ...ports } = more
    return rollout(
      {
        ...{ action: 'deploy', events: [], roles: [], stack: 'site', comment: '', by: 'ann', strategy: 'rolling' },
        ...{ batch: { count: 1 }, parallel: 10, maxFailures: { count: 0 }, rollbackOnFailure: false, down: 'fail' },
        ...{ migrates: false, apps: [], revision: null, to: null, options: [] },
        ...request,
      },
      {
        members: Object.entries(this.hosts).map(([name, behaviour]) => this.member(name, behaviour)),
        selected: new Set(only),
        documents: (_, online, deployment) => {
          this.online.push(online)
          return [{ name: 'node', value: deployment }]
        },
        known: { online: new Set(Object.keys(this.hosts)), behind: new Map(), apps: {} },
        id: '000001',
        tell: (event) => this.told.push(event),
        log: () => undefined,
        health: null,
        interrupted: () => this.interruption,
        onInterrupt: (listener) => {
          this.listeners.add(listener)
          return () => this.listeners.delete(listener)
        },
        clock: () => 0,
        ...ports,
      },
    )
  }

  private member(
    name: string,
    { apps = ['site'], migrating = apps, stage = 0, does = {}, connects, history = ['a'.repeat(40)] }: Behaviour,
  ): Member {
    const releases = [...history]
    let live = releases.length - 1
    const host: FleetHost = {
      name,
      connect: async () => {
        const codes = { refused: 'CONNECT_FAILED', 'wrong key': 'HOST_KEY_CHANGED', held: 'HOST_HELD' }
        if (connects !== undefined) throw new ConvergeError(`${name}: ${connects}`, { code: codes[connects] })
      },
      run: async (request, hear): Promise<RunResult> => {
        const event = request.events.join('+')
        this.begun.push(`${name} ${event}`)
        this.requests.push({ ...request, host: name })
        this.onRun(name, event)
        const now = (this.working.get(event) ?? 0) + 1
        this.working.set(event, now)
        this.atOnce.set(event, Math.max(now, this.atOnce.get(event) ?? 0))
        await new Promise((resolve) => setImmediate(resolve))
        this.working.set(event, (this.working.get(event) ?? 1) - 1)
        const what = does[event]
        if (what === 'lost') throw new ConvergeError('gone', { code: 'HOST_LOST' })
        hear({ event: 'applying', name: 'file /x' })
        if (event === 'deploy' && what !== 'unchanged') live = releases.push('c'.repeat(40)) - 1
        const to = request.options.indexOf('--to')
        if (event === 'rollback') live = to < 0 ? live - 1 : Number(request.options[to + 1]) - 1
        const fails = what === 'fails' || what === 'breaks'
        const outcome = request.dry ? 'planned' : fails ? 'failed' : what === 'unchanged' ? what : 'changed'
        const failure = fails ? { code: 'BROKEN', message: `${event} broke` } : null
        return {
          status: failure ? 1 : 0,
          report: reportOf(request, outcome, what !== 'unchanged' && what !== 'fails'),
          failure,
        }
      },
      ask: async ([word]) => {
        if (word === 'revisions') return apps.map((app) => ({ app, revision: 'main', commit: 'c'.repeat(40) }))
        return {
          apps: apps.map((app) => ({
            name: app,
            releases: releases.map((commit, at) => ({ id: `${at + 1}`, commit, current: at === live, complete: true })),
          })),
        }
      },
      interrupt: async () => {
        this.begun.push(`${name} interrupted`)
      },
      close: () => this.closed.add(name),
    }
    const all = 'setup build deploy configure rollback shutdown undeploy restart'
    return {
      name,
      stage,
      roles: ['role'],
      apps,
      migrating,
      events: new Set(all.split(' ')),
      address: '192.0.2.1',
      host,
    }
  }
}
