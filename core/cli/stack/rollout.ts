/** Runs the rollouts `converge stack setup|configure|deploy|undeploy|shutdown|rollback|plan|status|run|hooks`. */
import { defaultEvents } from '../../compile/compile.ts'
import { checkHealth } from '../../fleet/health/health_check.ts'
import { listDeployments } from '../../fleet/records/history.ts'
import { lastKnownHosts } from '../../fleet/records/last_known.ts'
import { Recorder, type Recording } from '../../fleet/records/recorder.ts'
import { loadState, recordStackChanges, type StackState } from '../../fleet/records/stack_state.ts'
import { recordedOnline } from '../../fleet/rollout/online_hosts.ts'
import type { RolloutPorts } from '../../fleet/rollout/ports.ts'
import { orderName, type RolloutHost, type RolloutRequest } from '../../fleet/rollout/request.ts'
import { rollout } from '../../fleet/rollout/rollout.ts'
import { describeNames } from '../../fleet/screen/names.ts'
import { type Screen, screen } from '../../fleet/screen/screen.ts'
import { isWell } from '../../fleet/screen/status.ts'
import { nodeDocuments } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import type { Action, FleetEvent, LastKnownState } from '../../fleet/types.ts'
import { asConvergeError, throwProblems } from '../../model/errors.ts'
import type { JsonObject } from '../../node/merge.ts'
import type { Arguments } from '../options.ts'
import { type ExitStatus, useColor } from '../process.ts'
import { type Deployed, deployedOnAll } from './apps.ts'
import type { StackCall } from './call.ts'
import { commitsBetween } from './clone.ts'
import { statusOf } from './exit_status.ts'
import { fleetHosts } from './hosts.ts'
import { type StackInputs, stackInputs } from './inputs.ts'
import { Interrupts, untilInterrupted } from './interrupts.ts'
import { requestOf } from './request.ts'
import { type Placed, placed, selected, wrongNames } from './select.ts'
import { reading, sameStack, stateDirectoryOf } from './state_directory.ts'
import { isParticipant, notAsked, withApps } from './taking_part.ts'
import { type Conflict, conflictIn, conflictOn, Turn } from './turn.ts'

/** The actions that only read hosts, and are not recorded. */
const unrecorded: readonly Action[] = ['plan', 'status']
/** Number of recent deployments from which the duration of a rollout is estimated. */
const recentDeployments = 30
const nothing: Deployed = { apps: [], events: new Set(), migrating: [] }

export function rolloutOf(action: Action) {
  return async <N>(call: StackCall<N>): Promise<ExitStatus> => {
    const out = output(call.args)
    try {
      return await inTurn(call, action, out)
    } finally {
      out.close()
    }
  }
}

/** Starts the rollout when no other one uses the hosts, and reads its input again then. */
async function inTurn<N>(call: StackCall<N>, action: Action, out: Screen): Promise<ExitStatus> {
  const { args } = call
  const tell = (event: FleetEvent) => out.tell(call.secrets.maskDeep(event))
  const turn = new Turn({ action, wait: args.wait, tell, same: sameStack(args) })
  for (;;) {
    const asked = await askedFor(call, action)
    const { directory, names } = asked
    const looks = unrecorded.includes(action)
    const before = looks ? null : reading(directory, () => conflictIn(directory, names))
    const attempt = before ?? (await new RolloutCall(call, asked, out).carryOut())
    if (typeof attempt === 'number') return attempt
    const free = () => areFree(call, asked, attempt.hosts, out)
    await untilInterrupted(
      () => turn.after(attempt, directory, free),
      call.endProcess,
      'the wait has ended; nothing was begun',
    )
  }
}

/** Checks whether a rollout could lock these hosts now, without locking any. */
async function areFree<N>(
  call: StackCall<N>,
  { inputs, hosts, request }: Asked<N>,
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
interface Asked<N> {
  readonly inputs: StackInputs<N>
  readonly directory: string
  readonly state: StackState
  readonly hosts: readonly Placed[]
  /** Names of the hosts that take part. */
  readonly names: ReadonlySet<string>
  readonly request: RolloutRequest
  /** The requested recipe, for display. */
  readonly recipe: string | undefined
}

/** @throws InvalidInput with all problems */
async function askedFor<N>(call: StackCall<N>, action: Action): Promise<Asked<N>> {
  const { args } = call
  const inputs = await stackInputs(call)
  const { stack } = inputs
  throwProblems(wrongNames(stack, args))
  const directory = stateDirectoryOf(stack)
  const state = reading(directory, () => loadState(directory))
  const events = action === 'run' ? (args.name?.split('::').slice(-1) ?? []) : defaultEvents
  const apps = await deployedOnAll(call, inputs, events)
  const all = placed(stack, (host) => apps.get(host) ?? nothing)
  const hosts = all.filter(({ name }) => isParticipant(name, state, action, args))
  const names = withApps(action, args, hosts, selected(stack, hosts, args))
  const known = { roles: inputs.roleNames, events: [...new Set([...apps.values()].flatMap((one) => [...one.events]))] }
  const request = requestOf(action, args, stack, known)
  const recipe = action === 'run' || action === 'hooks' ? args.name : undefined
  return { inputs, directory, state, hosts, names, request, recipe }
}

/** A rollout, with its record and its screen. */
class RolloutCall<N> {
  private readonly looks: boolean
  private readonly interrupts: Interrupts | null
  private recording: Recording | null = null
  private isUnwell = false
  private records: ReadonlyMap<string, LastKnownState> | undefined

  constructor(
    private readonly call: StackCall<N>,
    private readonly asked: Asked<N>,
    private readonly screen: Screen,
  ) {
    this.looks = unrecorded.includes(asked.request.action)
    this.interrupts = this.looks ? null : new Interrupts(this.warn)
  }

  /** @returns the exit status; or the other rollout that uses the hosts, in which case this one did nothing */
  async carryOut(): Promise<ExitStatus | Conflict> {
    const { call, asked, looks } = this
    try {
      this.tellWhoIsNotAsked()
      const members = await this.members()
      // Record the deployment from here on: the following steps may change hosts.
      if (!looks) this.record()
      const earlier = this.earlierConflict()
      if (earlier !== null) return this.giveWay(earlier)
      const run = () => rollout(asked.request, this.ports(members))
      const { report, changes, busy, refusal } = await (looks ? untilInterrupted(run, call.endProcess) : run())
      if (busy.length > 0) return this.giveWay(conflictOn(busy))
      if (refusal !== null) {
        this.recording?.discard()
        throw refusal
      }
      try {
        if (this.recording) await recordStackChanges(asked.directory, this.recording.id, changes)
      } finally {
        this.recording?.end({ ...report, recipe: asked.recipe })
      }
      return this.isUnwell ? 1 : statusOf(report, call.args)
    } finally {
      this.interrupts?.close()
    }
  }

  private members(): Promise<RolloutHost[]> {
    const { inputs, hosts, request } = this.asked
    const own = { rollout: rolloutName(request), by: request.by, deployment: () => this.deployment() }
    return fleetHosts(this.call, inputs, { hosts, tell: this.tell, screen: this.screen, ...own })
  }

  /** Describes the deployment for other operators, who may see it on the hosts only. */
  private deployment(): string | null {
    if (this.recording === null) return null
    const { comment } = this.asked.request
    return `deployment ${Number(this.recording.id)}${comment === '' ? '' : `: ${this.call.secrets.mask(comment)}`}`
  }

  /** Finds a rollout with a lower number: of two that start at the same moment, the higher number waits. */
  private earlierConflict(): Conflict | null {
    const { directory, names } = this.asked
    return this.recording === null ? null : conflictIn(directory, names, this.recording.id)
  }

  private giveWay(conflict: Conflict): Conflict {
    this.recording?.discard()
    return conflict
  }

  private record(): void {
    const { directory, request, recipe, names } = this.asked
    const recorder = new Recorder({ directory, secrets: this.call.secrets, warn: this.warn })
    const { stack, action, comment, by } = request
    const strategy = orderName(request)
    const started = new Date().toISOString()
    const what = { stack, action, recipe, comment, by, strategy, started, commits: {}, hosts: [...names] }
    this.recording = recorder.begin(what)
  }

  private ports(members: readonly RolloutHost[]): RolloutPorts {
    const { inputs, state, names, request } = this.asked
    const { stack } = inputs
    const behind = Object.entries(state.hosts).flatMap(([host, { behind }]) =>
      behind ? [[host, behind] as const] : [],
    )
    return {
      members,
      selected: names,
      documents: (host, online, deployment) =>
        nodeDocuments(stack, host, {
          online,
          activity: request.action,
          deployment: Object.keys(deployment).length > 0 ? (deployment as JsonObject) : undefined,
        }),
      known: { online: recordedOnline(stack, state), behind: new Map(behind), apps: state.apps },
      id: this.recording?.id ?? null,
      emit: this.tell,
      log: (host, event) => this.recording?.log(host, event),
      health: healthOf(stack),
      earlier: () => listDeployments(this.asked.directory, recentDeployments),
      commitsBetween: (from, to) => commitsBetween([stack.directory, process.cwd()], from, to),
      interruption: () => this.interrupts?.state ?? 'none',
      onInterrupt: (listener) => this.interrupts?.on(listener) ?? (() => undefined),
      clock: () => Date.now(),
    }
  }

  private tellWhoIsNotAsked(): void {
    const { inputs, state, request } = this.asked
    if (request.action !== 'status' || this.call.args.quiet) return
    const left = notAsked(inputs.stack, state, this.call.args)
    if (left.length > 0) this.tell({ event: 'note', message: `not asked, since shut down: ${describeNames(left)}` })
  }

  /** Adds the last recorded status of a host that cannot be queried. */
  private withLastKnown(event: FleetEvent): FleetEvent {
    const { request, directory } = this.asked
    if (request.action !== 'status' || event.event !== 'done' || event.status !== undefined) return event
    this.records ??= lastKnownHosts(directory)
    return { ...event, lastKnown: this.records.get(event.host) }
  }

  private readonly tell = (given: FleetEvent): void => {
    const event = this.withLastKnown(given)
    const shown = this.call.secrets.maskDeep(named(event, this.asked.recipe))
    if (event.event === 'done' && event.phase === 'status') this.isUnwell ||= !isWell(event.status)
    this.recording?.logEvent(shown)
    this.screen.tell(shown)
  }

  private readonly warn = (message: string): void => this.screen.tell({ event: 'warning', message })
}

/** Adds the recipe to an event, for the record and the screen. */
function named(event: FleetEvent, recipe: string | undefined): FleetEvent {
  if (recipe === undefined) return event
  if (event.event === 'start') return { ...event, recipe }
  return event.event === 'end' ? { ...event, report: { ...event.report, recipe } } : event
}

function healthOf({ health, directory }: Stack): RolloutPorts['health'] {
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
