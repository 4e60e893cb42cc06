/** Runs the rollouts `converge stack setup|configure|deploy|undeploy|shutdown|rollback|plan|status|run|hooks`. */
import { defaultEvents } from '../../compile/compile.ts'
import { checkHealth } from '../../fleet/health/health_check.ts'
import { listDeployments, runningDeployments, unfinishedDeployment } from '../../fleet/records/history.ts'
import { lastKnownHosts } from '../../fleet/records/last_known.ts'
import { Recorder, type Recording } from '../../fleet/records/recorder.ts'
import { loadState, recordStackChanges, type StackState } from '../../fleet/records/stack_state.ts'
import { recordedOnline } from '../../fleet/rollout/state/online_hosts.ts'
import type { RolloutPorts } from '../../fleet/rollout/state/ports.ts'
import { orderName, type RolloutHost, type RolloutRequest } from '../../fleet/rollout/state/request.ts'
import { rollout } from '../../fleet/rollout/rollout.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { describeOther } from '../../fleet/screen/host_states.ts'
import { type Screen, screen } from '../../fleet/screen/screen.ts'
import { isWell } from '../../fleet/screen/status.ts'
import { nodeDocuments } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import type { Action, FleetEvent, LastKnownState } from '../../fleet/types.ts'
import { asConvergeError, throwProblems } from '../../model/errors.ts'
import type { JsonObject } from '../../node/merge.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { useColor } from '../print.ts'
import { type DeployedApps, deployedOnAll } from './apps.ts'
import { commitsBetween } from './clone.ts'
import { fleetHosts } from './hosts.ts'
import { type StackInputs, stackInputs } from './inputs.ts'
import { Interrupts, untilInterrupted } from './interrupts.ts'
import { isParticipant, shutDownHosts, withApps } from './participants.ts'
import { statusOf } from './rollout_exit_status.ts'
import { requestOf } from './rollout_request.ts'
import { type SelectableHost, selectableHosts, selected, wrongNames } from './select.ts'
import type { StackCommand } from './stack_command.ts'
import { readingRecords, sameStack, stateDirectoryOf } from './state_directory.ts'
import { type Conflict, conflictIn, conflictOn, RolloutQueue } from './wait_for_rollout.ts'

/** The actions that only read hosts, and are not recorded. */
const unrecorded: readonly Action[] = ['plan', 'status']
/** Number of recent deployments from which the duration of a rollout is estimated. */
const recentDeployments = 30
const nothing: DeployedApps = { apps: [], events: new Set(), migrating: [] }

export function rolloutOf(action: Action) {
  return async <N>(call: StackCommand<N>): Promise<ExitStatus> => {
    const out = output(call.args)
    try {
      return await runInTurn(call, action, out)
    } finally {
      out.close()
    }
  }
}

/** Starts the rollout when no other one uses the hosts, and reads its input again then. */
async function runInTurn<N>(call: StackCommand<N>, action: Action, out: Screen): Promise<ExitStatus> {
  const { args } = call
  const tell = (event: FleetEvent) => out.tell(call.secrets.maskDeep(event))
  const turn = new RolloutQueue({ action, wait: args.wait, tell, same: sameStack(args) })
  for (;;) {
    const input = await readRolloutInput(call, action)
    const { directory, names } = input
    const looks = unrecorded.includes(action)
    const before = looks ? null : readingRecords(directory, () => conflictIn(directory, names))
    const attempt = before ?? (await new RolloutCall(call, input, out).run())
    if (typeof attempt === 'number') return attempt
    const free = () => areFree(call, input, attempt.hosts, out)
    await untilInterrupted(
      () => turn.after(attempt, directory, free),
      call.endProcess,
      'stopped waiting; nothing was begun',
    )
  }
}

/** Checks whether a rollout could lock these hosts now, without locking any. */
async function areFree<N>(
  call: StackCommand<N>,
  { inputs, hosts, request }: RolloutInput<N>,
  names: readonly string[],
  out: Screen,
): Promise<boolean> {
  const wanted = hosts.filter(({ name }) => names.includes(name))
  const quiet = { tell: () => undefined, screen: out }
  const members = await fleetHosts(call, inputs, {
    hosts: wanted,
    ...quiet,
    rollout: rolloutName(request),
    by: request.by,
  })
  try {
    await Promise.all(members.map(({ client }) => client.connect(true)))
    return true
  } catch (thrown) {
    // The rollout reports any other error.
    return asConvergeError(thrown).code !== 'HOST_HELD'
  } finally {
    for (const { client: host } of members) host.close()
  }
}

function rolloutName({ action }: RolloutRequest): string {
  return `${action}-${process.pid}-${Date.now().toString(36)}`
}

/** The input of a rollout before it connects to a host. */
interface RolloutInput<N> {
  readonly inputs: StackInputs<N>
  readonly directory: string
  readonly state: StackState
  readonly hosts: readonly SelectableHost[]
  /** Names of the hosts that take part. */
  readonly names: ReadonlySet<string>
  readonly request: RolloutRequest
  /** The requested recipe, for display. */
  readonly recipe: string | undefined
}

/** @throws InvalidInput with all problems */
async function readRolloutInput<N>(call: StackCommand<N>, action: Action): Promise<RolloutInput<N>> {
  const { args } = call
  const inputs = await stackInputs(call)
  const { stack } = inputs
  throwProblems(wrongNames(stack, args))
  const directory = stateDirectoryOf(stack)
  const state = readingRecords(directory, () => loadState(directory))
  const events = action === 'run' ? (args.argument?.split('::').slice(-1) ?? []) : defaultEvents
  const apps = await deployedOnAll(call, inputs, events)
  const all = selectableHosts(stack, (host) => apps.get(host) ?? nothing)
  const hosts = all.filter(({ name }) => isParticipant(name, state, action, args))
  const names = withApps(action, args, hosts, selected(stack, hosts, args))
  const known = { roles: inputs.roleNames, events: [...new Set([...apps.values()].flatMap((one) => [...one.events]))] }
  const request = requestOf(action, args, stack, known)
  const recipe = action === 'run' || action === 'hooks' ? args.argument : undefined
  return { inputs, directory, state, hosts, names, request, recipe }
}

/** A rollout, with its record and its screen. */
class RolloutCall<N> {
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
    this.isReadOnly = unrecorded.includes(input.request.action)
    this.interrupts = this.isReadOnly ? null : new Interrupts(this.warn)
  }

  /** @returns the exit status; or the other rollout that uses the hosts, in which case this one did nothing */
  async run(): Promise<ExitStatus | Conflict> {
    const { call, input, isReadOnly } = this
    try {
      this.noteOmittedHosts()
      this.warnOfUnfinishedDeployment()
      const members = await this.members()
      // Record the deployment from here on: the following steps may change hosts.
      if (!isReadOnly) this.record()
      const earlier = this.earlierConflict()
      if (earlier !== null) return this.discardFor(earlier)
      const run = () => rollout(input.request, this.ports(members))
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
      return this.hasProblem ? 1 : statusOf(report, call.args)
    } finally {
      this.interrupts?.close()
    }
  }

  private members(): Promise<RolloutHost[]> {
    const { inputs, hosts, request } = this.input
    const own = { rollout: rolloutName(request), by: request.by, deployment: () => this.deployment() }
    return fleetHosts(this.call, inputs, { hosts, tell: this.tell, screen: this.screen, ...own })
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
    const { stack, action, comment, by } = request
    const strategy = orderName(request)
    const started = new Date().toISOString()
    const what = { stack, action, recipe, comment, by, strategy, started, commits: {}, hosts: [...names] }
    this.recording = recorder.begin(what)
  }

  private ports(members: readonly RolloutHost[]): RolloutPorts {
    const { inputs, state, names, request } = this.input
    const { stack } = inputs
    const behind = new Map<string, string>()
    const missedApps = new Map<string, readonly string[]>()
    for (const [host, recorded] of Object.entries(state.hosts)) {
      if (!recorded.behind) continue
      behind.set(host, recorded.behind)
      if (recorded.missedApps) missedApps.set(host, recorded.missedApps)
    }
    return {
      hosts: members,
      selected: names,
      documents: (host, online, deployment) =>
        nodeDocuments(stack, host, {
          online,
          activity: request.action,
          deployment: Object.keys(deployment).length > 0 ? (deployment as JsonObject) : undefined,
        }),
      recorded: { online: recordedOnline(stack, state), behind, missedApps, apps: state.apps },
      deploymentId: this.recording?.id ?? null,
      emit: this.tell,
      log: (host, event) => this.recording?.log(host, event),
      checkHealth: healthOf(stack),
      earlierRollouts: () => listDeployments(this.input.directory, recentDeployments),
      commitsBetween: (from, to) => commitsBetween([stack.directory, process.cwd()], from, to),
      interruption: () => this.interrupts?.state ?? 'none',
      onInterrupt: (listener) => this.interrupts?.on(listener) ?? (() => undefined),
      clock: () => Date.now(),
    }
  }

  private noteOmittedHosts(): void {
    const { inputs, state, request } = this.input
    if (request.action !== 'status' || this.call.args.quiet) return
    const left = shutDownHosts(inputs.stack, state, this.call.args)
    if (left.length > 0) this.tell({ event: 'note', message: `not asked, since shut down: ${describeNames(left)}` })
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
    const found = readingRecords(directory, () =>
      unfinishedDeployment(directory, new Set(inputs.stack.hosts.map(({ name }) => name))),
    )
    if (found === null) return
    const same = sameStack(this.call.args)
    this.hasProblem = request.action === 'status'
    this.tell({
      event: 'warning',
      message: `${describeOther(found.deployment)} was ${found.deployment.outcome === 'died' ? 'killed' : 'interrupted'} before it was complete, so the commits of ${describeNames(found.hosts)} may differ from those of others: run converge stack deploy${same}, or converge stack rollback${same}`,
    })
  }

  /** Adds the last recorded status of a host that cannot be queried. */
  private withLastKnown(event: FleetEvent): FleetEvent {
    const { request, directory } = this.input
    if (request.action !== 'status' || event.event !== 'done' || event.status !== undefined) return event
    this.records ??= lastKnownHosts(directory)
    return { ...event, lastKnown: this.records.get(event.host) }
  }

  private readonly tell = (given: FleetEvent): void => {
    const event = this.withLastKnown(given)
    const shown = this.call.secrets.maskDeep(withRecipe(event, this.input.recipe))
    if (event.event === 'done' && event.phase === 'status')
      this.hasProblem ||= event.behind !== undefined || !isWell(event.status)
    this.recording?.logEvent(shown)
    this.screen.tell(shown)
  }

  private readonly warn = (message: string): void => this.screen.tell({ event: 'warning', message })
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

function output(args: Arguments) {
  const stream = process.stdout
  const live = stream.isTTY === true && process.env.TERM !== 'dumb'
  return screen({
    write: (text) => stream.write(text),
    color: args.color ?? useColor(stream),
    live,
    size: () => ({ columns: stream.columns || 100, rows: stream.rows || 24 }),
    json: args.jsonOutput === true,
    quiet: args.quiet === true,
    verbose: args.verbose === true,
    same: sameStack(args),
  })
}
