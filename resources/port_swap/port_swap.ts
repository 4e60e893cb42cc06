/** Replaces a server without downtime: starts a new process on a second port, then switches the web server to it. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { references } from '../../core/model/reference.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { serviceReader } from '../services/managers/select_manager.ts'
import type { ServiceStatus } from '../services/managers/types.ts'
import { isPortTaken } from '../services/readiness/port_in_use.ts'
import { mainPid } from '../services/restart/load_record.ts'
import { refuseConflict } from '../supervisor/conflicting_definitions.ts'
import {
  desiredDigest,
  hasAutostart,
  isDamaged,
  isUnreadable,
  portProgramName,
  portProgramPath,
  programText,
  repairedText,
  startedDigest,
  withoutAutostart,
  writePlaceholders,
} from './programs.ts'
import { type PortSwapProps, portSwapProps } from './props.ts'
import { isUpstreamDamaged, loadedPort, loadedRecordName, loadRecord, repairUpstream, Swap } from './swap.ts'
import { parsePort, upstreamText } from './upstream.ts'

const state = z.strictObject({
  /** The port in the upstream file; if that is damaged, the port it named last; null if there is none. */
  current: z.number().nullable(),
  /** Digest of the process on the current port; null if unknown. */
  runs: z.string().nullable(),
  /** Whether the web server has loaded the current upstream file. */
  loaded: z.boolean(),
  /** Ports whose program runs, or starts automatically. */
  up: z.array(z.number()),
  /** Ports whose program file is damaged, except the current one, whose process is replaced anyway. */
  damaged: z.array(z.number()),
  /** A port that is needed now, and that another process uses. */
  stranger: z.number().nullable(),
  /** The last command that forced a swap regardless of changes. */
  forced: z.string().nullable(),
})
type State = z.output<typeof state>

async function read(host: HostReader, props: PortSwapProps, context: Context): Promise<State> {
  const reader = serviceReader(host, { kind: 'supervisor', socket: props.socket })
  const statuses = await Promise.all(props.ports.map((port) => reader.status(portProgramName(props, port))))
  const text = host.readText(props.upstream.path)
  const current = parsePort(text, props.ports) ?? loadedPort(host, props)
  const target = desiredDigest(props, context.cause)
  const digests = props.ports.map((port) => startedDigest(host, props, port, target))
  const upAt = (port: number, status: ServiceStatus) =>
    port === current ? status.state === 'running' : !isStopped(status) || hasAutostart(host, props, port)
  const digest = current === null ? null : (digests[props.ports.indexOf(current)] ?? null)
  // A file that someone changed, loaded and restored looks unchanged, but supervisord knows.
  const isOutdated = (port: number) =>
    statuses[props.ports.indexOf(port)]?.state === 'running' && reader.isOutdated(portProgramName(props, port))
  const isReloaded =
    current !== null &&
    text === upstreamText(props.upstream, current) &&
    host.recorded(loadedRecordName(props)) === digestOf(text)
  const result = {
    current,
    runs: digest === target && current !== null && (await isOutdated(current)) ? null : digest,
    loaded: isReloaded && !(await mayHaveLoadedAnother(host, props)),
    up: props.ports.filter((port, index) => upAt(port, statuses[index] as ServiceStatus)),
    damaged: props.ports.filter(
      (port) => port !== current && isDamaged(props, port, host.readText(portProgramPath(props, port))),
    ),
    stranger: null,
    forced: props.force === undefined ? null : host.recorded(forcedRecordName(props)),
  }
  const port = portToStart(props, result, context)
  const idle = port !== null && isStopped(statuses[props.ports.indexOf(port)] as ServiceStatus)
  return { ...result, stranger: idle && (await isPortTaken(host, port, '127.0.0.1')) ? port : null }
}

/** Decides whether the upstream file was changed and restored, and the web server may have read it in between. */
async function mayHaveLoadedAnother(host: HostReader, props: PortSwapProps): Promise<boolean> {
  const { reload } = props
  if (reload === undefined) return false
  const { pid, state } = await serviceReader(host, reload.provider).status(reload.name)
  return state === 'running' && loadRecord(host, props).mayHaveLoadedOthers(mainPid(host, reload, pid))
}

function isStopped({ state, stopping }: ServiceStatus): boolean {
  return !stopping && (state === 'stopped' || state === 'absent' || state === 'failed')
}

function forcedRecordName({ name }: PortSwapProps): string {
  return `port_swap ${name} forced`
}

/** Decides whether the current process must be replaced. */
function isSwapDue(props: PortSwapProps, now: State, { cause }: Context): boolean {
  return now.current === null || now.runs !== desiredDigest(props, cause) || now.forced !== (props.force ?? null)
}

/** Returns the port that is current at the end. */
function nextPort(props: PortSwapProps, now: State, context: Context): number {
  const [first, second] = props.ports
  if (now.current !== null && !isSwapDue(props, now, context)) return now.current
  if (now.current !== null) return now.current === first ? second : first
  return props.ports.find((port) => !now.up.includes(port)) ?? first
}

/** Returns the port on which to start a process; null if there is none. */
function portToStart(props: PortSwapProps, now: State, context: Context): number | null {
  const current = nextPort(props, now, context)
  return isSwapDue(props, now, context) || !now.up.includes(current) ? current : null
}

function desired(props: PortSwapProps, now: State, context: Context): State {
  if (now.stranger !== null)
    throw new ConvergeError(`port ${now.stranger}, which ${props.name} needs, is taken by another process`, {
      code: 'PORT_TAKEN',
      hint: `find the process with ss -ltnp 'sport = :${now.stranger}' and end it, or give ${props.name} other ports; nothing was changed`,
    })
  const current = nextPort(props, now, context)
  const runs = desiredDigest(props, context.cause)
  return { current, runs, loaded: true, up: [current], damaged: [], stranger: null, forced: props.force ?? null }
}

async function apply(host: Host, props: PortSwapProps, context: Context): Promise<void> {
  const swap = new Swap(host, props, context)
  // Read again: an earlier attempt may have done a part of the work.
  const now = await read(host, props, context)
  const target = desired(props, now, context)
  const { current } = target
  // An interrupted run left visitors at the port that this run uses next.
  if (now.current !== null && !now.loaded) await swap.switchTo(now.current)
  if (current !== null && isSwapDue(props, now, context)) await swap.replaceProcess(current, now.current)
  else if (current !== null && !now.up.includes(current)) await swap.start(current)
  if (props.force !== undefined) host.record(forcedRecordName(props), props.force)
  for (const port of props.ports)
    if (port !== current && (now.up.includes(port) || port === now.current)) await swap.retire(port, current)
    else if (port !== current && now.damaged.includes(port)) await swap.repairIdle(port, current)
}

function predict(host: Host, props: PortSwapProps, now: State, { current }: State, context: Context): void {
  if (current === null) return
  if (isSwapDue(props, now, context))
    host.writeFile(portProgramPath(props, current), programText(props, current, desiredDigest(props, context.cause)), {
      mode: '0600',
    })
  for (const port of props.ports) {
    const text = host.readText(portProgramPath(props, port))
    if (port === current || text === null) continue
    host.writeFile(
      portProgramPath(props, port),
      isDamaged(props, port, text) ? repairedText(props, port, current) : withoutAutostart(text),
    )
  }
  const text = upstreamText(props.upstream, current)
  host.writeFile(props.upstream.path, text, { mode: '0644' })
  host.record(loadedRecordName(props), digestOf(text))
  if (props.force !== undefined) host.record(forcedRecordName(props), props.force)
}

export const port_swap = defineResource(
  {
    type: 'port_swap',
    doc: 'Keeps one process of a server running behind a web server, and replaces it without downtime. The new process starts on the idle one of two ports, and gets the visitors when it answers. The old process stops when its connections are closed.',
    mirrors: 'nginx: ngx_http_upstream_module; supervisord.conf(5)',
    examples: [
      {
        name: 'shop',
        ports: [9090, 9091] as [number, number],
        command: ['node', 'server.js', '--port', '%{port}'],
        directory: '/srv/www/shop/releases/000042-1a2b3c4d',
        user: 'deploy',
        environment: { NODE_ENV: 'production' },
        ready: { path: '/healthz' },
        upstream: { path: '/etc/nginx/conf.d/shop-upstream.conf', name: 'shop' },
        reload: { name: 'nginx', check: ['nginx', '-t'] },
        stopDeadline: seconds(60),
      },
    ],
    reach: 'paths',
    key: ({ name }) => name,
    props: portSwapProps,
    state,
    readsAhead: true,
    when: 'cause',
  },
  {
    precheck(host, props) {
      for (const port of props.ports)
        refuseConflict(host, { name: portProgramName(props, port), confDir: props.confDir })
    },
    isBroken(host, props) {
      const { name, confDir, ports, upstream } = props
      if (references([name, confDir, ports, upstream]).length > 0) return false
      return isUnreadable(host, props) || isUpstreamDamaged(host, props)
    },
    makeReadable(host, props) {
      writePlaceholders(host, props)
      repairUpstream(host, props)
    },
    read,
    desired,
    apply: (host, props, _, context) => apply(host, props, context),
    async settle(host, props) {
      const { reload } = props
      if (reload === undefined) return
      const { pid } = await serviceReader(host, reload.provider).status(reload.name)
      loadRecord(host, props).settle(host, mainPid(host, reload, pid))
    },
    predict: (host, props, { now, desired }, context) => predict(host, props, now, desired, context),
    paths: ({ upstream: { path } }) => [path],
    words: ({ name }, { now, desired }) => {
      if (now.current !== desired.current)
        return now.current === null ? `start on port ${desired.current}` : `port ${now.current} -> ${desired.current}`
      const parts = [
        ...(now.loaded ? [] : ['reload the web server']),
        ...(desired.current === null || now.up.includes(desired.current) ? [] : [`start on port ${desired.current}`]),
        ...now.up.filter((port) => port !== desired.current).map((port) => `stop ${name}-${port}`),
        ...now.damaged.map((port) => `repair the file of ${name}-${port}`),
      ]
      return parts.join('; ')
    },
    outputs: (_, { current }) => ({ port: current ?? 0 }),
    fingerprint: (_, { current, runs }) => [current, runs],
    placeholders: ({ ports: [first] }) => ({ port: first }),
  },
)
