/** The commands that act on hosts: `converge stack setup|configure|deploy|undeploy|shutdown|rollback|plan|status|run|hooks`. */
import { wholeWay } from '../../compile/compile.ts'
import { askHealth } from '../../fleet/rollout/health.ts'
import { parseAmount } from '../../fleet/rollout/plan.ts'
import { Recorder, type Recording } from '../../fleet/rollout/record.ts'
import type { Aftermath, Ports, RolloutRequest } from '../../fleet/rollout/request.ts'
import { rollout } from '../../fleet/rollout/rollout.ts'
import { loadState, type StackState, updateState } from '../../fleet/rollout/state.ts'
import { describeNames } from '../../fleet/screen/names.ts'
import { screen } from '../../fleet/screen/screen.ts'
import { isWell } from '../../fleet/screen/status.ts'
import { nodeDocuments } from '../../fleet/stack/documents.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import type { Action, FleetEvent, RolloutReport } from '../../fleet/types.ts'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { JsonObject } from '../../node/merge.ts'
import { author } from '../inputs.ts'
import { type ExitStatus, useColor } from '../main.ts'
import type { Arguments } from '../options.ts'
import { type Deployed, deployedOnAll } from './apps.ts'
import type { StackCall } from './dispatch.ts'
import { fleetHosts } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { Interrupts, untilInterrupted } from './interrupts.ts'
import { chosenByPlace, placed, selected, wrongNames } from './select.ts'
import { reading, sameStack, stateDirectoryOf } from './state_directory.ts'

/** What only looks leaves no record. */
const unrecorded: readonly Action[] = ['plan', 'status']
const nothing: Deployed = { apps: [], events: new Set(), migrating: [] }

export function rolloutOf(action: Action) {
  return async <N>(call: StackCall<N>): Promise<ExitStatus> => {
    const { args, secrets } = call
    const inputs = await stackInputs(call)
    const { stack } = inputs
    throwProblems(wrongNames(stack, args))
    const directory = stateDirectoryOf(stack)
    const state = reading(directory, () => loadState(directory))
    const online = onlineIn(stack, state)
    const apps = await deployedOnAll(
      call,
      inputs,
      action === 'run' ? (args.name?.split('::').slice(-1) ?? []) : wholeWay,
    )
    const hosts = placed(stack, (host) => apps.get(host) ?? nothing).filter(({ name }) =>
      isUp(name, state, action, args),
    )
    const names = withApps(action, args, hosts, selected(stack, hosts, args))
    const migrates = args.migrate ?? 'new'
    const events = new Set([...apps.values()].flatMap(({ events }) => [...events]))
    const request = requestOf(action, args, {
      stack,
      migrates,
      known: { roles: inputs.roleNames, events: [...events] },
    })
    const out = output(args)
    const looks = unrecorded.includes(action)
    const interrupts = looks ? null : new Interrupts((text) => out.tell({ event: 'warning', message: text }))
    const recorder = new Recorder({ directory, secrets, warn: (message) => out.tell({ event: 'warning', message }) })
    let recording: Recording | null = null
    const recipe = action === 'run' || action === 'hooks' ? args.name : undefined
    let isUnwell = false
    const tell = (event: FleetEvent) => {
      const shown = secrets.maskDeep(named(event, recipe))
      if (event.event === 'done' && event.phase === 'status') isUnwell ||= !isWell(event.status)
      recording?.tell(shown)
      out.tell(shown)
    }
    const left = action === 'status' ? notAsked(stack, state, args) : []
    if (left.length > 0 && !args.quiet)
      tell({ event: 'warning', message: `not asked, since shut down: ${describeNames(left)}` })
    let ended: RolloutReport | undefined
    try {
      const members = await fleetHosts(call, inputs, {
        hosts,
        tell,
        screen: out,
        rollout: rolloutName(action),
        by: request.by,
      })
      // From here on something may happen that is worth a record.
      if (!looks)
        recording = recorder.open({
          ...{ ...request, recipe },
          ...{ started: new Date().toISOString(), commits: {}, hosts: [...names] },
        })
      const going = rollout(request, {
        members,
        selected: names,
        documents: (host, online, deployment) =>
          nodeDocuments(stack, host, {
            online,
            activity: action,
            deployment: Object.keys(deployment).length > 0 ? (deployment as JsonObject) : undefined,
          }),
        known: {
          online,
          behind: new Map(
            Object.entries(state.hosts).flatMap(([host, { behind }]) => (behind ? [[host, behind]] : [])),
          ),
          apps: state.apps,
        },
        id: recording?.id ?? null,
        tell,
        log: (host, event) => recording?.log(host, event),
        health: stack.health === null ? null : (most) => askHealth(healthCheck(stack, most)),
        interrupted: () => interrupts?.state ?? 'none',
        onInterrupt: (listener) => interrupts?.on(listener) ?? (() => undefined),
        clock: () => Date.now(),
      } satisfies Ports)
      const { report, aftermath } = await (looks ? untilInterrupted(going, call.endProcess) : going)
      ended = { ...report, recipe }
      if (recording) await keep(directory, recording.id, aftermath)
      return isUnwell ? 1 : statusOf(report, args)
    } finally {
      if (ended) recording?.end(ended)
      interrupts?.close()
      out.close()
    }
  }
}

/** What is run is in the record as well as on the screen. */
function named(event: FleetEvent, recipe: string | undefined): FleetEvent {
  if (recipe === undefined) return event
  if (event.event === 'start') return { ...event, recipe }
  return event.event === 'end' ? { ...event, report: { ...event.report, recipe } } : event
}

function healthCheck({ health, directory }: Stack, most = Number.POSITIVE_INFINITY) {
  if (health === null) throw new Error('the stack has no health')
  return { ...health, directory, deadlineSeconds: Math.min(health.deadlineSeconds, most) }
}

function rolloutName(action: Action): string {
  return `${action}-${process.pid}-${Date.now().toString(36)}`
}

export function onlineIn(stack: Stack, { hosts }: StackState): ReadonlySet<string> {
  return new Set(
    stack.hosts
      .filter(({ name, status }) => status === 'online' && hosts[name]?.status === 'online')
      .map(({ name }) => name),
  )
}

/** One that was shut down is left alone until it is set up again, or named. */
function isUp(name: string, { hosts }: StackState, action: Action, { host }: Arguments): boolean {
  return hosts[name]?.status !== 'stopped' || action === 'setup' || host?.includes(name) === true
}

/** Those that would have been looked at, had they not been shut down. */
function notAsked(stack: Stack, state: StackState, args: Arguments): string[] {
  const chosen = chosenByPlace(stack, args)
  const shutDown = ({ name, status }: Stack['hosts'][number]) =>
    status === 'online' && chosen.has(name) && !isUp(name, state, 'status', args)
  return stack.hosts.filter(shutDown).map(({ name }) => name)
}

/** Of a deploy or rollback only those take part that have something to deploy; the others hear of it. */
function withApps(
  action: Action,
  { app }: Arguments,
  hosts: ReturnType<typeof placed>,
  names: ReadonlySet<string>,
): ReadonlySet<string> {
  if (action !== 'deploy' && action !== 'rollback' && action !== 'undeploy') return names
  const wanted = hosts.filter(({ name, apps }) => names.has(name) && apps.some((one) => app?.includes(one) ?? true))
  if (wanted.length > 0) return new Set(wanted.map(({ name }) => name))
  throw new ConvergeError('none of these hosts has an app', {
    code: 'NO_HOSTS',
    hint: 'a role of one of its layers has to deploy an app of the stack file; converge stack check says what is missing',
    usage: true,
  })
}

interface Known {
  readonly roles: readonly string[]
  readonly events: readonly string[]
}

function requestOf(
  action: Action,
  args: Arguments,
  {
    stack,
    migrates,
    known,
  }: { readonly stack: Stack; readonly migrates: RolloutRequest['migrates']; readonly known: Known },
): RolloutRequest {
  return {
    action,
    ...recipe(action, args, known),
    stack: stack.environment === null ? stack.name : `${stack.name} (${stack.environment})`,
    comment: args.comment ?? '',
    by: author(),
    strategy: args.strategy ?? (action === 'setup' ? 'parallel' : 'rolling'),
    batch: parseAmount(args.batch ?? '1', 'batch', 1),
    parallel: howMany(args.parallel),
    maxFailures: parseAmount(args.maxFailures ?? '0', 'max-failures', 0),
    rollbackOnFailure: args.rollbackOnFailure === true,
    down: args.down ?? 'fail',
    migrates,
    apps: args.app ?? stack.apps.map(({ name }) => name),
    revision: args.revision ?? null,
    to: args.to ?? null,
    options: [
      ...(args.purge ? ['--purge'] : []),
      ...(args.interval === undefined ? [] : ['--interval', args.interval]),
      ...(args.jitter === undefined ? [] : ['--jitter', args.jitter]),
    ],
  }
}

/** `restart`, `audit`, `zeo-client::restart`: an event, a role, or both. */
function recipe(action: Action, { name, event }: Arguments, known: Known) {
  if (action === 'hooks') return { events: [`hooks_${name}`], roles: [] }
  if (action !== 'run') return { events: event ?? [], roles: [] }
  if (name === undefined)
    throw new ConvergeError('what is to be run?', {
      code: 'USAGE',
      hint: 'converge stack run restart; or the name of a role, or role::event',
      usage: true,
    })
  const [first = '', second] = name.split('::')
  if (second !== undefined || known.roles.includes(first)) {
    checkKnown('role', first, known.roles)
    if (second !== undefined) checkKnown('event', second, known.events)
    return { roles: [first], events: second === undefined ? wholeWay : [second] }
  }
  checkKnown('event or role', first, [...known.events, ...known.roles])
  return { roles: [], events: [first] }
}

function checkKnown(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  throw new ConvergeError(`there is no ${what} ${name}`, {
    code: 'USAGE',
    hint: nearest(name, known) ?? `there are: ${known.join(', ')}`,
    usage: true,
  })
}

/** Hosts at once. @param text of --parallel */
export function howMany(text = '25'): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1) return number
  throw new ConvergeError(`--parallel takes a number of hosts from 1 up, not ${text}`, {
    code: 'USAGE',
    hint: 'for example --parallel 10',
    usage: true,
  })
}

async function keep(directory: string, id: string, aftermath: Aftermath): Promise<void> {
  const { online, stopped, behind, upToDate, apps } = aftermath
  await updateState(directory, (state) => {
    const hosts = { ...state.hosts }
    const set = (names: readonly string[], change: Partial<StackState['hosts'][string]>) => {
      for (const name of names) hosts[name] = { status: 'new', ...hosts[name], ...change }
    }
    set(online, { status: 'online', lastDeployment: id })
    set(stopped, { status: 'stopped' })
    set(behind, { behind: id })
    for (const name of upToDate) {
      const { behind: _, ...rest } = hosts[name] ?? { status: 'new' as const }
      hosts[name] = rest
    }
    const deployed = Object.entries(apps).map(([app, one]) => [app, { ...one, deployment: id }])
    return { ...state, hosts, apps: { ...state.apps, ...Object.fromEntries(deployed) } }
  })
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

function statusOf({ outcome, action, hosts }: RolloutReport, args: Arguments): ExitStatus {
  if (outcome === 'failed' || outcome === 'interrupted') return 1
  if (action === 'status' && hosts.some(({ outcome }) => outcome === 'skipped')) return 1
  return args.detailedExitCode && outcome !== 'unchanged' ? 3 : 0
}
