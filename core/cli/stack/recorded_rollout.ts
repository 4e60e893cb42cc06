/** Runs one rollout, records it in the state directory, and displays it. */
import { checkHealth } from '../../fleet/health/health_check.ts'
import { listDeployments, runningDeployments, unfinishedDeployment } from '../../fleet/records/history.ts'
import { lastKnownHosts } from '../../fleet/records/last_known.ts'
import { readPause } from '../../fleet/records/pause.ts'
import { Recorder, type Recording } from '../../fleet/records/recorder.ts'
import { recordStackChanges } from '../../fleet/records/stack_state.ts'
import { rollout } from '../../fleet/rollout/rollout.ts'
import { recordedOnline } from '../../fleet/rollout/state/online_hosts.ts'
import type { RolloutPorts } from '../../fleet/rollout/state/ports.ts'
import { orderName, type RolloutHost } from '../../fleet/rollout/state/request.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { describeOther } from '../../fleet/screen/host_states.ts'
import type { Screen } from '../../fleet/screen/screen.ts'
import { isHealthy } from '../../fleet/screen/status.ts'
import { nodeDocuments } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import type { Action, FleetEvent, LastKnownState } from '../../fleet/types.ts'
import type { JsonObject } from '../../node/merge.ts'
import { shellWords } from '../../text/shell.ts'
import type { ExitStatus } from '../exit_status.ts'
import { commitsBetween } from './clone.ts'
import { fleetHosts } from './hosts.ts'
import { Interrupts, untilInterrupted } from './interrupts.ts'
import { shutDownHosts } from './participants.ts'
import { exitStatusOf } from './rollout_exit_status.ts'
import { type RolloutInput, rolloutName } from './rollout_input.ts'
import type { StackCommand } from './stack_command.ts'
import { readRecords, stackSelectionOptions } from './state_directory.ts'
import { type Conflict, conflictIn, conflictOn } from './wait_for_rollout.ts'

/** Number of recent deployments from which the duration of a rollout is estimated. */
const recentDeployments = 30

const readOnlyActions: readonly Action[] = ['plan', 'status']

/** Decides whether an action only reads hosts: it is not recorded. */
export function isReadOnlyAction(action: Action): boolean {
  return readOnlyActions.includes(action)
}

/** A rollout, with its record in the state directory and its screen. */
export class RecordedRollout<N> {
  private readonly isReadOnly: boolean
  private readonly interrupts: Interrupts | null
  private recording: Recording | null = null
  private hasProblem = false
  private records: ReadonlyMap<string, LastKnownState> | undefined

  constructor(
    private readonly call: StackCommand<N>,
    private readonly input: RolloutInput<N>,
    private readonly screen: Screen,
  ) {
    this.isReadOnly = isReadOnlyAction(input.request.action)
    this.interrupts = this.isReadOnly ? null : new Interrupts(this.warn)
  }

  /** @returns the exit status; or the other rollout that uses the hosts, in which case this one did nothing */
  async run(): Promise<ExitStatus | Conflict> {
    const { call, input, isReadOnly } = this
    try {
      this.noteOmittedHosts()
      this.warnOfUnfinishedDeployment()
      const hosts = await this.rolloutHosts()
      // Record the deployment from here on: the following steps may change hosts.
      if (!isReadOnly) this.record()
      const earlier = this.earlierConflict()
      if (earlier !== null) return this.discardFor(earlier)
      const run = () => rollout(input.request, this.ports(hosts))
      const { report, changes, lockedHosts, refusal } = await (isReadOnly
        ? untilInterrupted(run, call.endProcess)
        : run())
      if (lockedHosts.length > 0) return this.discardFor(conflictOn(lockedHosts))
      if (refusal !== null) {
        this.recording?.discard()
        throw refusal
      }
      try {
        if (this.recording) await recordStackChanges(input.directory, this.recording.id, changes)
      } finally {
        this.recording?.end({ ...report, recipe: input.recipe })
      }
      return this.hasProblem ? 1 : exitStatusOf(report, call.args)
    } finally {
      this.interrupts?.close()
    }
  }

  private rolloutHosts(): Promise<RolloutHost[]> {
    const { inputs, hosts, request } = this.input
    return fleetHosts(this.call, inputs, {
      hosts,
      emit: this.tell,
      screen: this.screen,
      rollout: rolloutName(request),
      by: request.operator,
      deployment: () => this.deployment(),
    })
  }

  /** Describes the deployment for other operators, who may see it on the hosts only. */
  private deployment(): string | null {
    if (this.recording === null) return null
    const { comment } = this.input.request
    return `deployment ${Number(this.recording.id)}${comment === '' ? '' : `: ${this.call.secrets.mask(comment)}`}`
  }

  /** Finds a rollout with a lower number: of two that start at the same moment, the higher number waits. */
  private earlierConflict(): Conflict | null {
    const { directory, names } = this.input
    return this.recording === null ? null : conflictIn(directory, names, this.recording.id)
  }

  private discardFor(conflict: Conflict): Conflict {
    this.recording?.discard()
    return conflict
  }

  private record(): void {
    const { directory, request, recipe, names } = this.input
    const recorder = new Recorder({ directory, secrets: this.call.secrets, warn: this.warn })
    const { stack, action, comment, operator: by } = request
    const strategy = orderName(request)
    const started = new Date().toISOString()
    const { app: apps } = this.call.args
    const what = { stack, action, apps, recipe, comment, by, strategy, started, commits: {}, hosts: [...names] }
    this.recording = recorder.begin(what)
  }

  private ports(hosts: readonly RolloutHost[]): RolloutPorts {
    const { inputs, state, names, request } = this.input
    const { stack } = inputs
    const missed = new Map<string, string>()
    const missedApps = new Map<string, readonly string[]>()
    for (const [host, recorded] of Object.entries(state.hosts)) {
      if (!recorded.behind) continue
      missed.set(host, recorded.behind)
      if (recorded.missedApps) missedApps.set(host, recorded.missedApps)
    }
    return {
      hosts,
      selected: names,
      documents: (host, online, deployment) =>
        nodeDocuments(stack, host, {
          online,
          activity: request.action,
          deployment: Object.keys(deployment).length > 0 ? (deployment as JsonObject) : undefined,
        }),
      recorded: { online: recordedOnline(stack, state), behind: missed, missedApps, apps: state.apps },
      deploymentId: this.recording?.id ?? null,
      emit: this.tell,
      log: (host, event) => this.recording?.log(host, event),
      checkHealth: healthOf(stack),
      earlierRollouts: () => listDeployments(this.input.directory, recentDeployments),
      commitsBetween: (from, to) => commitsBetween([stack.directory, process.cwd()], from, to),
      interruption: () => this.interrupts?.state ?? 'none',
      paused: () => (this.recording === null ? null : readPause(this.input.directory, this.recording.id)),
      onInterrupt: (listener) => this.interrupts?.on(listener) ?? (() => undefined),
      clock: () => Date.now(),
    }
  }

  private noteOmittedHosts(): void {
    const { inputs, state, request } = this.input
    if (request.action !== 'status' || this.call.args.quiet) return
    const shutDown = shutDownHosts(inputs.stack, state, this.call.args)
    if (shutDown.length > 0)
      this.tell({ event: 'note', message: `not asked, since shut down: ${describeNames(shutDown)}` })
    for (const other of runningDeployments(this.input.directory)) {
      const hosts = describeNames(other.hosts.map(({ host }) => host))
      this.tell({
        event: 'note',
        message: `${describeOther(other)} works on ${hosts}, and locks the hosts that it configures next`,
      })
    }
  }

  /** A deploy or a rollback leads all hosts to the same commit again; every other command leaves them as they are. */
  private warnOfUnfinishedDeployment(): void {
    const { directory, request, inputs } = this.input
    if (request.action === 'deploy' || request.action === 'rollback') return
    const found = readRecords(directory, () =>
      unfinishedDeployment(directory, new Set(inputs.stack.hosts.map(({ name }) => name))),
    )
    if (found === null) return
    const { apps = [], outcome } = found.deployment
    // Without --app, a rollback would change the other apps too.
    const options = `${apps.length === 0 ? '' : ` --app ${shellWords([apps.join()])}`}${stackSelectionOptions(this.call.args)}`
    const what = `${describeOther(found.deployment)} was ${outcome === 'died' ? 'killed' : 'interrupted'}`
    const hosts = describeNames(found.hosts)
    this.hasProblem = request.action === 'status'
    this.tell({
      event: 'warning',
      message: `${what} before it was complete, so the commits of ${hosts} may differ from those of others: run converge stack deploy${options}, or converge stack rollback${options}`,
    })
  }

  /** Adds the last recorded status of a host that cannot be queried. */
  private withLastKnown(event: FleetEvent): FleetEvent {
    const { request, directory } = this.input
    if (request.action !== 'status' || event.event !== 'done' || event.status !== undefined) return event
    this.records ??= lastKnownHosts(directory)
    return { ...event, lastKnown: this.records.get(event.host) }
  }

  private readonly tell = (rawEvent: FleetEvent): void => {
    const event = this.withLastKnown(rawEvent)
    const shown = this.call.secrets.maskDeep(withRecipe(event, this.input.recipe))
    if (event.event === 'done' && event.phase === 'status')
      this.hasProblem ||= event.behind !== undefined || !isHealthy(event.status)
    this.recording?.logEvent(shown)
    this.screen.display(shown)
  }

  private readonly warn = (message: string): void => this.screen.display({ event: 'warning', message })
}

/** Adds the recipe to an event, for the record and the screen. */
function withRecipe(event: FleetEvent, recipe: string | undefined): FleetEvent {
  if (recipe === undefined) return event
  if (event.event === 'start') return { ...event, recipe }
  return event.event === 'end' ? { ...event, report: { ...event.report, recipe } } : event
}

function healthOf({ health, directory }: Stack): RolloutPorts['checkHealth'] {
  if (health === null) return null
  return (most = Number.POSITIVE_INFINITY, watch) =>
    checkHealth({ ...health, ...watch, directory, deadlineSeconds: Math.min(health.deadlineSeconds, most) })
}
