/** Reloads the changed configuration of a service without interrupting it; a reload stays due until it succeeds. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import { digestOf, sameJson } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'
import {
  addressesOf,
  type ConfiguredServer,
  configuredServerProp,
  outdatedServers,
  stateCommand,
  statesToKeep,
} from '../balancer/server_addresses.ts'
import { reachOfProvider } from '../reach.ts'
import { checkConfiguration, checkProps } from './config_check.ts'
import { currentState, currentStateOf, isUp } from './current_state.ts'
import { Deadline } from './deadline.ts'
import { refuseMasked } from './managers/masked_unit.ts'
import { serviceManager, serviceReader } from './managers/select_manager.ts'
import { nameProp, type ServiceStatus } from './managers/types.ts'
import { readyProp } from './readiness/ready_props.ts'
import { reloadProps } from './reload_props.ts'
import { DueRecord, dueRecordName, serviceId } from './restart/due_record.ts'
import { LoadRecord, mainPid } from './restart/load_record.ts'
import { ServiceRestarter } from './restart/service_restarter.ts'

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
  keep: z
    .strictObject({
      socket: absolutePath.describe('Its runtime socket'),
      ask: z.string().min(1).describe('Command to send there'),
      file: absolutePath.describe('File that it reads the answer from when it starts'),
      blank: z.string().default('').describe('Content of the file after the start; default: empty'),
    })
    .optional()
    .describe(
      'State that a reload would lose, such as the states of servers: stored before the reload, and read by the next process',
    ),
  balances: z
    .strictObject({
      socket: absolutePath.describe('Its runtime socket'),
      file: absolutePath.describe('The `server-state-file` of its configuration'),
      servers: z.array(configuredServerProp).describe('Its servers as the configuration has them'),
    })
    .optional()
    .describe(
      'For HAProxy: also reload it if it uses another address of a server than the configuration has. A reload keeps the states, such as drain, of servers whose address stays the same',
    ),
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

/**
 * Returns the outdated servers. A balancer that cannot be reached reports none: that is no reason to reload it.
 * @param asking asks again each time, or returns a cached answer
 */
async function findOutdatedServers(
  host: HostReader,
  { balances }: Props,
  asking: HostReader['cached'] = (_, ask) => ask(),
): Promise<string[]> {
  if (balances === undefined || balances.servers.length === 0) return []
  const { socket, servers } = balances
  try {
    const answer = await asking(`server states at ${socket}`, () => queryServerStates(host, socket))
    return outdatedServers(answer, servers, await addressesFor(host, servers))
  } catch (error) {
    if (asConvergeError(error).code === 'INTERNAL') throw error
    return []
  }
}

function queryServerStates(host: HostReader, socketPath: string): Promise<string> {
  return host.querySocket({ socketPath, text: `${stateCommand}\n` })
}

const addressesFor = (host: HostReader, servers: readonly ConfiguredServer[]) =>
  addressesOf(
    host,
    servers.map((server) => server.host),
  )

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
  const roll = new ServiceRestarter(host, manager, deadline, context)
  const { state } = await manager.freshStatus(name)
  if (state === 'running') {
    context.progress(`reloading ${name}`)
    await storeRuntimeState(host, props, context)
    await roll.reload(props, async () => {
      if (command === undefined) await manager.reload(name, signal)
      else await host.run(command, { timeout: deadline, outlivesRun: true })
    })
    await waitForNewAddresses(host, props)
    // After a later crash of the service, the stored state would be outdated.
    if (props.keep !== undefined) host.writeFile(props.keep.file, props.keep.blank)
    if (props.balances !== undefined) host.writeFile(props.balances.file, noStates)
  } else if (props.start) {
    context.progress(`starting ${name}`)
    await roll.restart(props)
  }
  load.record(host, mainPid(host, props, (await manager.freshStatus(name)).pid))
  recordDone(host, props, context)
}

/** A state file of HAProxy without servers: only the version of its format. */
const noStates = '1\n'

/** Waits until the new process answers: the old one may still answer at the socket for a moment. */
async function waitForNewAddresses(host: Host, props: Props): Promise<void> {
  const deadline = new Deadline(host, props.deadline)
  while ((await findOutdatedServers(host, props)).length > 0) if (!(await deadline.pause())) return
}

/**
 * Stores the run-time state for the new process. If the service does not answer, there is no state to store, and the
 * reload continues.
 */
async function storeRuntimeState(host: Host, { name, keep, balances }: Props, { warn }: Context): Promise<void> {
  // Each reload writes the file.
  const file = balances?.file ?? keep?.file
  const isFirst = file !== undefined && host.stat(file) === null
  try {
    if (keep !== undefined)
      host.writeFile(keep.file, await host.querySocket({ socketPath: keep.socket, text: `${keep.ask}\n` }))
    if (balances !== undefined) {
      const { socket, file, servers } = balances
      const answer = await queryServerStates(host, socket)
      host.writeFile(file, statesToKeep(answer, servers, await addressesFor(host, servers)))
    }
  } catch (error) {
    const { code, message } = asConvergeError(error)
    if (code === 'INTERNAL') throw error
    // A file that an interrupted run left would restore outdated addresses.
    if (balances !== undefined) host.writeFile(balances.file, noStates)
    // Before the first reload the service has the distribution's configuration, without this socket: nothing is lost.
    const socket = balances?.socket ?? keep?.socket
    if (isFirst && socket !== undefined && host.stat(socket) === null) return
    warn(`${name} is reloaded without what was set at run time: ${message} (check its socket)`)
  }
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
