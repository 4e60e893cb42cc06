/** Simulates the hosts of a rollout: each follows the orders of its test, and records the requests it receives. */
import {
  eventsOf,
  type HostClient,
  type HostCommand,
  type RunRequest,
  type RunResult,
} from '../../../../core/fleet/host_client.ts'
import { commandOptions } from '../../../../core/fleet/remote/command_words.ts'
import { takenHost } from '../../../../core/fleet/remote/run_failures.ts'
import { rollout } from '../../../../core/fleet/rollout/rollout.ts'
import type { Interruption, RolloutPorts } from '../../../../core/fleet/rollout/state/ports.ts'
import type { RolloutHost, RolloutRequest } from '../../../../core/fleet/rollout/state/request.ts'
import type { FleetEvent } from '../../../../core/fleet/types.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import type { RunReport } from '../../../../core/report/events.ts'

export interface Behaviour {
  /**
   * The outcome of each event; default: changed. `breaks`: fails after a change; `dies`: the same, without a report;
   * `ends`: was interrupted; `taken`: another rollout locked the host in the middle of the run.
   */
  readonly does?: Readonly<Record<string, 'unchanged' | 'fails' | 'breaks' | 'dies' | 'lost' | 'taken' | 'ends'>>
  readonly connects?: 'refused' | 'wrong key' | 'held'
  readonly apps?: readonly string[]
  /** Apps whose migration it can run; default: all. */
  readonly migrating?: readonly string[]
  readonly stage?: number
  /** Commits of its releases, oldest first; the last one is current. Default: one release. By app if they differ. */
  readonly history?: readonly string[] | Readonly<Record<string, readonly string[]>>
  /** Index of the current release, from 0; default: the last one. */
  readonly current?: number
  /** Events for which its roles declare nothing. */
  readonly without?: readonly string[]
  /** Requests that it does not answer, each from the nth time on. */
  readonly silent?: Readonly<Record<string, number>>
  /** The restarts that a dry run reports: of configure, or by event. */
  readonly restarts?: string | Readonly<Record<string, string>>
  /** Events that build another release of the current commit. */
  readonly builds?: readonly string[]
  /** Lines of progress of its only step. */
  readonly progress?: readonly string[]
  /** Packages that the dry run of setup would install. */
  readonly installs?: string
  /** Those of its apps that share a database with other hosts. */
  readonly sharing?: readonly string[]
  /** Events that it runs after hosts of an app have switched. */
  readonly followUps?: readonly { readonly app: string; readonly event: string }[]
  /** Its answer to `revisions`, or the error that it reports; default: the latest commit of every app. */
  readonly revisions?: (times: number) => readonly object[] | ConvergeError
  /** Its answer to `status`; default: its releases. */
  readonly status?: object
  /** Promises that delay an event, by event, including `connect`. */
  readonly waits?: Readonly<Record<string, Promise<unknown>>>
}

/** The releases of one app of a host. */
interface Releases {
  readonly commits: string[]
  current: number
}

const counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }

function reportOf(request: RunRequest, outcome: RunReport['outcome'], changes: boolean): RunReport {
  const id = '000001'
  return {
    id,
    mode: request.isDryRun ? 'plan' : 'run',
    roles: request.roles,
    events: eventsOf(request.command),
    started: '',
    durationMs: 1,
    outcome,
    counts: { ...counts, changed: changes && outcome !== 'planned' ? 1 : 0 },
    resources: [],
    warnings: [],
  }
}

interface SimulatedRequest extends RunRequest {
  readonly host: string
  readonly events: readonly string[]
  readonly options: readonly string[]
}

export class Simulation {
  /** `host event`, in the order of their starts. */
  readonly queried: string[] = []
  readonly begun: string[] = []
  readonly ended: string[] = []
  /** Hosts that received a dry run of configure. */
  readonly foreseen: string[] = []
  readonly connected: string[] = []
  readonly emitted: FleetEvent[] = []
  readonly requests: SimulatedRequest[] = []
  /** The highest number of hosts that worked at the same time, by event. */
  readonly atOnce = new Map<string, number>()
  private readonly working = new Map<string, number>()
  readonly online: ReadonlySet<string>[] = []
  readonly closed = new Set<string>()
  private readonly releases = new Map<string, ReadonlyMap<string, Releases>>()
  private interruption: Interruption = 'none'
  /** Events whose dry run reports restarts. */
  private foresees: ReadonlySet<string> = new Set()
  private readonly listeners = new Set<(state: Interruption) => void>()
  /** Called at the start of each run. */
  onRun: (host: string, event: string) => void = () => undefined

  constructor(private readonly hosts: Readonly<Record<string, Behaviour>>) {}

  /** Returns the current commit of an app on a host, even if the host does not answer. */
  current(host: string, app: string): string | undefined {
    const one = this.releases.get(host)?.get(app)
    return one?.commits[one.current]
  }

  interrupt(state: Interruption): void {
    this.interruption = state
    for (const listener of this.listeners) listener(state)
  }

  async go(request: Partial<RolloutRequest>, more: Partial<RolloutPorts> & { readonly only?: readonly string[] } = {}) {
    const { only = Object.keys(this.hosts), ...ports } = more
    this.foresees = new Set(request.action === 'plan' ? [] : ['setup', 'deploy', 'configure'])
    return rollout(
      {
        action: 'deploy',
        events: [],
        roles: [],
        stack: 'site',
        comment: '',
        operator: 'ann',
        strategy: 'rolling',
        restartsInTurn: false,
        batchSize: { count: 1 },
        parallel: 10,
        maxFailures: { count: 0 },
        rollbackOnFailure: false,
        onUnreachable: 'fail',
        migration: 'none',
        retryFailed: false,
        apps: [],
        revision: null,
        rollbackTo: null,
        purge: false,
        schedule: {},
        ...request,
      },
      {
        hosts: Object.entries(this.hosts).map(([name, behaviour]) => this.member(name, behaviour)),
        selected: new Set(only),
        documents: (_, online, deployment) => {
          this.online.push(online)
          return [{ name: 'node', value: deployment }]
        },
        recorded: { online: new Set(Object.keys(this.hosts)), behind: new Map(), apps: {} },
        deploymentId: '000001',
        emit: (event) => this.emitted.push(event),
        log: () => undefined,
        checkHealth: null,
        paused: () => null,
        interruption: () => this.interruption,
        onInterrupt: (listener) => {
          this.listeners.add(listener)
          return () => this.listeners.delete(listener)
        },
        clock: () => 0,
        ...ports,
      },
    )
  }

  private member(name: string, behaviour: Behaviour): RolloutHost {
    const { apps = ['site'], migrating = apps, stage = 0, without = [], sharing, followUps } = behaviour
    const all = 'setup build deploy configure rollback shutdown undeploy restart rebuild ban'.split(' ')
    return {
      name,
      stage,
      apps,
      appsToMigrate: migrating,
      appsSharingData: sharing,
      followUps,
      roles: ['role'],
      address: '192.0.2.1',
      events: new Set(all.filter((event) => !without.includes(event))),
      client: this.host(name, apps, behaviour),
    }
  }

  private foresee(name: string, request: RunRequest, behaviour: Behaviour): RunResult {
    const { restarts: all, installs, does = {} } = behaviour
    const [event = ''] = eventsOf(request.command)
    const restarts = typeof all === 'object' ? all[event] : event === 'configure' ? all : undefined
    if (event === 'configure') this.foreseen.push(name)
    if (event === 'configure' && does.configure === 'lost') throw new ConvergeError('gone', { code: 'HOST_LOST' })
    const changes = restarts !== undefined || behaviour.builds?.includes(event)
    const report = reportOf(request, changes ? 'planned' : 'unchanged', false)
    const resource = {
      name: 'service_restart x',
      type: 'service_restart',
      key: 'x',
      role: 'role',
      event: 'configure',
      outcome: 'planned' as const,
      words: restarts,
      durationMs: 1,
    }
    const resources = restarts === undefined ? [] : [resource]
    if (event === 'setup' && installs !== undefined)
      resources.push({ ...resource, name: `package ${installs}`, type: 'package', key: installs, words: undefined })
    return { status: 0, report: { ...report, resources }, failure: null }
  }

  private host(name: string, apps: readonly string[], behaviour: Behaviour): HostClient {
    const { does = {}, connects, history = ['a'.repeat(40)], silent = {}, waits = {}, current } = behaviour
    const releases = new Map(
      apps.map((app): [string, Releases] => {
        const commits = [...('length' in history ? (history as readonly string[]) : (history[app] ?? []))]
        return [app, { commits, current: current ?? commits.length - 1 }]
      }),
    )
    this.releases.set(name, releases)
    const queryCounts = new Map<string, number>()
    return {
      name,
      connect: async () => {
        this.connected.push(name)
        await waits.connect
        const codes = { refused: 'CONNECT_FAILED', 'wrong key': 'HOST_KEY_CHANGED', held: 'HOST_HELD' }
        if (connects !== undefined) throw new ConvergeError(`${name}: ${connects}`, { code: codes[connects] })
      },
      run: async (request, onEvent): Promise<RunResult> => {
        const event = eventsOf(request.command).join('+')
        if (request.isDryRun && this.foresees.has(event)) return this.foresee(name, request, behaviour)
        this.begun.push(`${name} ${event}`)
        const { command } = request
        this.requests.push({ ...request, host: name, events: eventsOf(command), options: optionsOf(command) })
        this.onRun(name, event)
        const now = (this.working.get(event) ?? 0) + 1
        this.working.set(event, now)
        this.atOnce.set(event, Math.max(now, this.atOnce.get(event) ?? 0))
        await new Promise((resolve) => setImmediate(resolve))
        await waits[event]
        this.working.set(event, (this.working.get(event) ?? 1) - 1)
        this.ended.push(`${name} ${event}`)
        const what = does[event]
        if (what === 'lost') throw new ConvergeError('gone', { code: 'HOST_LOST' })
        if (what === 'taken') throw takenHost(new ConvergeError('taken', { code: 'HOST_TAKEN' }))
        onEvent({ event: 'applying', name: 'file /x' })
        for (const line of behaviour.progress ?? []) onEvent({ event: 'progress', name: 'file /x', line })
        if (what === 'ends') return { status: 1, report: reportOf(request, 'interrupted', false), failure: null }
        if (behaviour.builds?.includes(event))
          for (const one of releases.values()) one.current = one.commits.push(one.commits[one.current] ?? tip) - 1
        if (event.split('+').includes('deploy') && what !== 'unchanged' && what !== 'fails') deploy(releases, request)
        if (what === 'dies')
          return { status: null, report: null, failure: { code: 'RUN_DIED', message: 'it was killed' } }
        const missing = event === 'rollback' && !goBack(releases, optionsOf(request.command))
        const fails = what === 'fails' || what === 'breaks' || missing
        const outcome = request.isDryRun ? 'planned' : fails ? 'failed' : what === 'unchanged' ? what : 'changed'
        const failure = fails ? { code: missing ? 'NO_SUCH_RELEASE' : 'BROKEN', message: `${event} broke` } : null
        return {
          status: failure ? 1 : 0,
          report: reportOf(request, outcome, what !== 'unchanged' && what !== 'fails'),
          failure,
        }
      },
      query: async (word) => {
        this.queried.push(`${name} ${word}`)
        const times = queryCounts.get(word) ?? 0
        queryCounts.set(word, times + 1)
        if (times >= (silent[word] ?? Number.POSITIVE_INFINITY))
          throw new ConvergeError(`${name} says nothing`, { code: 'REMOTE_FAILED' })
        const own = word === 'revisions' ? behaviour.revisions?.(times) : undefined
        if (own instanceof ConvergeError) throw own
        if (own !== undefined) return own
        if (word === 'status' && behaviour.status !== undefined) return behaviour.status
        if (word === 'revisions') return apps.map((app) => ({ app, revision: 'main', commit: tip }))
        return {
          apps: [...releases].map(([app, { commits, current }]) => ({
            name: app,
            releases: commits.map((commit, at) => ({
              id: `${at + 1}`,
              commit,
              current: at === current,
              complete: true,
            })),
          })),
        }
      },
      interrupt: async () => {
        this.begun.push(`${name} interrupted`)
      },
      close: () => this.closed.add(name),
    }
  }
}

/** Returns the options of the command line on a host, without those that every installation of hooks has. */
function optionsOf(command: HostCommand): string[] {
  const options = commandOptions(command, '')
  return options.includes('--program') ? options.slice(0, options.indexOf('--program')) : options
}

/** The latest commit of every app's branch. */
const tip = 'c'.repeat(40)

/** Deploys all apps as the roles of a host do: to the commit in the node JSON, or else to the branch's latest one. */
function deploy(releases: ReadonlyMap<string, Releases>, { documents }: RunRequest): void {
  const reported = documents[0]?.value as { deploy?: Record<string, { scm?: { commit?: string } }> } | undefined
  for (const [app, one] of releases) {
    const commit = reported?.deploy?.[app]?.scm?.commit ?? tip
    if (one.commits[one.current] !== commit) one.current = one.commits.push(commit) - 1
  }
}

/** @returns whether each named app, or every app if only a release is named, has such a release */
function goBack(releases: ReadonlyMap<string, Releases>, options: readonly string[]): boolean {
  const to = options[options.indexOf('--to') + 1]
  const named = options.includes('--to') ? (to ?? '').split(',').map((part) => part.split('=')) : []
  for (const [app, one] of releases) {
    const own = named.find(([name, id]) => id !== undefined && name === app)
    if (own === undefined && named.some(([, id]) => id !== undefined)) continue
    const id = own?.[1] ?? named[0]?.[0]
    const goal = id === undefined ? Math.max(0, one.current - 1) : Number(id) - 1
    if (one.commits[goal] === undefined) return false
    one.current = goal
  }
  return true
}
