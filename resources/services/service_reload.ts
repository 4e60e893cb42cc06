/** Reloads the changed configuration of a service without interrupting it; a reload stays due until it succeeds. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { digestOf, sameJson } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'
import { reachOfProvider } from '../reach.ts'
import { checkConfiguration, checkProps } from './config_check.ts'
import { currentState, currentStateOf, isUp } from './current_state.ts'
import { refuseMasked } from './managers/masked_unit.ts'
import { serviceManager, serviceReader } from './managers/select_manager.ts'
import { worksWithoutSystemd } from './managers/system.ts'
import { nameProp, type ServiceStatus } from './managers/types.ts'
import { readyProp } from './readiness/ready_props.ts'
import { reloadProps } from './reload_props.ts'
import { DueRecord, dueRecordName, serviceId } from './restart/due_record.ts'
import { LoadRecord, mainPid } from './restart/load_record.ts'
import { ServiceRestarter } from './restart/service_restarter.ts'
import {
  discardRuntimeState,
  findOutdatedServers,
  runtimeStateProps,
  storeRuntimeState,
  waitForNewAddresses,
} from './runtime_state.ts'

const props = z.strictObject({
  name: nameProp.describe('Name of the unit, init script or program'),
  purpose: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Purpose of the reload, in a word or two: required if several resources reload the service, or if `when` does not always list the same',
    ),
  ...reloadProps,
  ...checkProps,
  ...runtimeStateProps,
  ready: readyProp
    .optional()
    .describe(
      'Check that it is ready, which every run makes, also without a change. Default: it is running, and stays up for 5 s after a start',
    ),
  pidFile: absolutePath
    .optional()
    .describe(
      'File with the number of its main process, to detect reloads by others; default: the number that its manager reports',
    ),
  loads: z
    .array(absolutePath)
    .default([])
    .describe(
      'Files that it loads and this resource does not manage, such as certificates: it is reloaded when one is replaced or changed',
    ),
  adopt: z
    .boolean()
    .default(false)
    .describe(
      'Count a running service as up to date if no run has reloaded it yet and no resource in `when` has changed; default false',
    ),
  start: z
    .boolean()
    .default(true)
    .describe('Start it if it is down; default true. With false, it stays down, and reads everything when it starts'),
  log: absolutePath.optional().describe('Log whose end is displayed after a failure; default: the log of its manager'),
  deadline: duration
    .default(() => seconds(60))
    .describe('Time limit of the check, the reload or start, and the wait until it is ready; default 60 s'),
  force: z
    .string()
    .min(1)
    .optional()
    .describe('Name of one command that reloads regardless of changes, once for each name'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  state: currentState,
  /** Digest of the causes of its last reload or start; null if there is no record. */
  reloadedFor: z.string().nullable(),
  /** The last command that forced a reload regardless of changes; null if there is none now. */
  forced: z.string().nullable(),
  /** Servers of a running balancer that it lacks or has at another address than configured. */
  outdated: z.array(z.string()),
})
type State = z.output<typeof state>

/** Returns the name of its record, by its purpose if it has one: its causes may then differ from the last time. */
function recordName({ provider, name, purpose }: Props, context: Context): string {
  if (purpose !== undefined) return `reload ${serviceId(provider, name)} for ${purpose}`
  return dueRecordName('reload', provider, name, context)
}

/** Returns the record of the causes of the last reload. */
function dueReload(host: HostReader, props: Props, context: Context): DueRecord {
  return new DueRecord(host, recordName(props, context), digestOf([context.cause]))
}

/** Returns the record of the last command that forced a reload; null if no command forces one now. */
function forcedReload(host: HostReader, props: Props, context: Context): DueRecord | null {
  return props.force === undefined ? null : new DueRecord(host, `${recordName(props, context)} by force`, props.force)
}

function loadRecord(host: HostReader, props: Props, context: Context): LoadRecord {
  return new LoadRecord(host, recordName(props, context), context.listedPaths, props.loads)
}

function recordDone(host: Host, props: Props, context: Context): void {
  dueReload(host, props, context).markDone(host)
  forcedReload(host, props, context)?.markDone(host)
}

function reloadedFor(host: HostReader, props: Props, context: Context, status: ServiceStatus): string | null {
  const { last, due } = dueReload(host, props, context)
  if (status.state !== 'running') return props.start ? last : due
  if (last === null && props.adopt && !context.counted) return due
  // A file that someone changed, loaded and restored looks unchanged.
  return loadRecord(host, props, context).mayHaveLoadedOthers(mainPid(host, props, status.pid)) ? null : last
}

async function read(host: HostReader, props: Props, context: Context): Promise<State> {
  const status = await serviceReader(host, props.provider).status(props.name)
  const { state } = status
  const current = {
    state,
    reloadedFor: reloadedFor(host, props, context, status),
    forced: forcedReload(host, props, context)?.last ?? null,
    outdated: state === 'running' ? await findOutdatedServers(host, props, (key, ask) => host.cached(key, ask)) : [],
  }
  const isDue = isReloadDue(current, desired(props, current, context))
  if (isDue && (state === 'running' ? props.command === undefined : props.start))
    refuseMasked(host, props.name, status, state === 'running' ? 'reload' : 'start')
  // A service with a due reload is checked after it.
  const checksReadiness = props.ready !== undefined && !isDue
  return checksReadiness ? { ...current, state: await currentStateOf(host, status, props) } : current
}

function desired(props: Props, now: State, context: Context): State {
  return {
    state: props.start || isUp(now.state) ? 'running' : now.state,
    reloadedFor: digestOf([context.cause]),
    forced: props.force ?? null,
    outdated: [],
  }
}

/** Decides whether there is more to do than to wait until the service is ready. */
function isReloadDue(now: State, target: State): boolean {
  return !isUp(now.state) || !sameJson({ ...now, state: 'running' }, { ...target, state: 'running' })
}

async function apply(host: Host, props: Props, context: Context): Promise<void> {
  const { name, provider, signal, command, deadline } = props
  const manager = serviceManager(host, provider)
  const load = loadRecord(host, props, context)
  // Read again: an earlier attempt may have reloaded the service.
  const now = await read(host, props, context)
  if (!isReloadDue(now, desired(props, now, context)))
    return new ServiceRestarter(host, manager, deadline, context).waitUntilReady(props)
  await checkConfiguration(host, props, `${name} is not reloaded`, context)
  await manager.refresh()
  const restarter = new ServiceRestarter(host, manager, deadline, context)
  const { state } = await manager.freshStatus(name)
  if (state === 'running') {
    context.progress(`reloading ${name}`)
    await storeRuntimeState(host, props, context)
    await restarter.reload(props, async () => {
      if (command === undefined) await manager.reload(name, signal)
      else await host.run(command, { timeout: deadline, outlivesRun: true })
    })
    await waitForNewAddresses(host, props)
    discardRuntimeState(host, props)
  } else if (props.start) {
    context.progress(`starting ${name}`)
    await restarter.restart(props)
  }
  load.record(host, mainPid(host, props, (await manager.freshStatus(name)).pid))
  recordDone(host, props, context)
}

export const service_reload = defineResource(
  {
    type: 'service_reload',
    doc: 'Keeps a service running, and reloads it when a resource in `when` has changed since its last reload. It never stops the service; a service that is down is started instead.',
    mirrors: 'systemctl reload, supervisorctl signal',
    examples: [
      { name: 'nginx', check: ['nginx', '-t'] },
      { name: 'balancer', provider: { kind: 'supervisor' as const }, signal: 'USR2', ready: { port: 8080 } },
      { name: 'varnish', command: ['varnishreload'] },
    ],
    reach: ({ provider }) => reachOfProvider(provider),
    key: ({ name, purpose }) => (purpose === undefined ? name : `${name} for ${purpose}`),
    props,
    state,
    readsAhead: true,
    when: 'cause',
  },
  {
    read,
    withoutSystemd: (host, props) => (worksWithoutSystemd(host, props.provider, props.name) ? props : null),
    desired,
    apply: (host, props, _, context) => apply(host, props, context),
    async settle(host, props, _, context) {
      const { pid } = await serviceReader(host, props.provider).status(props.name)
      loadRecord(host, props, context).settle(host, mainPid(host, props, pid))
      if (!dueReload(host, props, context).isDone) recordDone(host, props, context)
    },
    words: ({ name }, { now, desired }) =>
      `${isReloadDue(now, desired) ? (isUp(now.state) ? 'reload' : 'start') : 'wait for'} ${name}`,
    predict: (host, props, _, context) => recordDone(host, props, context),
  },
)
