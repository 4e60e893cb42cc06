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
  hasAutostart,
  isDamaged,
  isUnreadable,
  portProgramName,
  portProgramPath,
  programText,
  repairedText,
  startedDigest,
  wantedDigest,
  withoutAutostart,
  writePlaceholders,
} from './programs.ts'
import { type PortSwapProps, portSwapProps } from './props.ts'
import { isUpstreamDamaged, loadedPort, loadedRecordName, loadRecord, repairUpstream, Swap } from './swap.ts'
import { parsePort, upstreamText } from './upstream.ts'

const state = z.strictObject({
  /** The port in the upstream file; if that is damaged, the port it named last; null if there is none. */
  live: z.number().nullable(),
  /** Digest of the process on the current port; null if unknown. */
  runs: z.string().nullable(),
  /** Whether the web server has loaded the current upstream file. */
  told: z.boolean(),
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

async function read(host: HostReader, given: PortSwapProps, context: Context): Promise<State> {
  const reader = serviceReader(host, { kind: 'supervisor', socket: given.socket })
  const statuses = await Promise.all(given.ports.map((port) => reader.status(portProgramName(given, port))))
  const text = host.readText(given.upstream.path)
  const live = parsePort(text, given.ports) ?? loadedPort(host, given)
  const wanted = wantedDigest(given, context.cause)
  const digests = given.ports.map((port) => startedDigest(host, given, port, wanted))
  const upAt = (port: number, status: ServiceStatus) =>
    port === live ? status.state === 'running' : !isStopped(status) || hasAutostart(host, given, port)
  const digest = live === null ? null : (digests[given.ports.indexOf(live)] ?? null)
  // A file that someone changed, loaded and restored looks unchanged, but supervisord knows.
  const isOutdated = (port: number) =>
    statuses[given.ports.indexOf(port)]?.state === 'running' && reader.isOutdated(portProgramName(given, port))
  const isTold =
    live !== null &&
    text === upstreamText(given.upstream, live) &&
    host.recorded(loadedRecordName(given)) === digestOf(text)
  const found = {
    live,
    runs: digest === wanted && live !== null && (await isOutdated(live)) ? null : digest,
    told: isTold && !(await mayHaveLoadedAnother(host, given)),
    up: given.ports.filter((port, index) => upAt(port, statuses[index] as ServiceStatus)),
    damaged: given.ports.filter(
      (port) => port !== live && isDamaged(given, port, host.readText(portProgramPath(given, port))),
    ),
    stranger: null,
    forced: given.force === undefined ? null : host.recorded(forcedRecordName(given)),
  }
  const port = portToStart(given, found, context)
  const idle = port !== null && isStopped(statuses[given.ports.indexOf(port)] as ServiceStatus)
  return { ...found, stranger: idle && (await isPortTaken(host, port, '127.0.0.1')) ? port : null }
}

/** Decides whether the upstream file was changed and restored, and the web server may have read it in between. */
async function mayHaveLoadedAnother(host: HostReader, given: PortSwapProps): Promise<boolean> {
  const { reload } = given
  if (reload === undefined) return false
  const { pid, state } = await serviceReader(host, reload.provider).status(reload.name)
  return state === 'running' && loadRecord(host, given).mayHaveLoadedOthers(mainPid(host, reload, pid))
}

function isStopped({ state, stopping }: ServiceStatus): boolean {
  return !stopping && (state === 'stopped' || state === 'absent' || state === 'failed')
}

function forcedRecordName({ name }: PortSwapProps): string {
  return `port_swap ${name} forced`
}

/** Decides whether the current process must be replaced. */
function isSwapDue(given: PortSwapProps, now: State, { cause }: Context): boolean {
  return now.live === null || now.runs !== wantedDigest(given, cause) || now.forced !== (given.force ?? null)
}

/** Returns the port that is current at the end. */
function nextPort(given: PortSwapProps, now: State, context: Context): number {
  const [first, second] = given.ports
  if (now.live !== null && !isSwapDue(given, now, context)) return now.live
  if (now.live !== null) return now.live === first ? second : first
  return given.ports.find((port) => !now.up.includes(port)) ?? first
}

/** Returns the port on which to start a process; null if there is none. */
function portToStart(given: PortSwapProps, now: State, context: Context): number | null {
  const live = nextPort(given, now, context)
  return isSwapDue(given, now, context) || !now.up.includes(live) ? live : null
}

function desired(given: PortSwapProps, now: State, context: Context): State {
  if (now.stranger !== null)
    throw new ConvergeError(`port ${now.stranger}, which ${given.name} needs, is taken by another process`, {
      code: 'PORT_TAKEN',
      hint: `find the process with ss -ltnp 'sport = :${now.stranger}' and end it, or give ${given.name} other ports; nothing was changed`,
    })
  const live = nextPort(given, now, context)
  const runs = wantedDigest(given, context.cause)
  return { live, runs, told: true, up: [live], damaged: [], stranger: null, forced: given.force ?? null }
}

async function apply(host: Host, given: PortSwapProps, context: Context): Promise<void> {
  const swap = new Swap(host, given, context)
  // Read again: an earlier attempt may have done a part of the work.
  const now = await read(host, given, context)
  const wanted = desired(given, now, context)
  const { live } = wanted
  // An interrupted run left visitors at the port that this run uses next.
  if (now.live !== null && !now.told) await swap.switchTo(now.live)
  if (live !== null && isSwapDue(given, now, context)) await swap.replaceProcess(live, now.live)
  else if (live !== null && !now.up.includes(live)) await swap.start(live)
  if (given.force !== undefined) host.record(forcedRecordName(given), given.force)
  for (const port of given.ports)
    if (port !== live && (now.up.includes(port) || port === now.live)) await swap.retire(port, live)
    else if (port !== live && now.damaged.includes(port)) await swap.repairIdle(port, live)
}

function predict(host: Host, given: PortSwapProps, now: State, { live }: State, context: Context): void {
  if (live === null) return
  if (isSwapDue(given, now, context))
    host.writeFile(portProgramPath(given, live), programText(given, live, wantedDigest(given, context.cause)), {
      mode: '0600',
    })
  for (const port of given.ports) {
    const text = host.readText(portProgramPath(given, port))
    if (port === live || text === null) continue
    host.writeFile(
      portProgramPath(given, port),
      isDamaged(given, port, text) ? repairedText(given, port, live) : withoutAutostart(text),
    )
  }
  const text = upstreamText(given.upstream, live)
  host.writeFile(given.upstream.path, text, { mode: '0644' })
  host.record(loadedRecordName(given), digestOf(text))
  if (given.force !== undefined) host.record(forcedRecordName(given), given.force)
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
    key: ({ name }) => name,
    props: portSwapProps,
    state,
    readsAhead: true,
    when: 'cause',
  },
  {
    precheck(host, given) {
      for (const port of given.ports)
        refuseConflict(host, { name: portProgramName(given, port), confDir: given.confDir })
    },
    isBroken(host, given) {
      const { name, confDir, ports, upstream } = given
      if (references([name, confDir, ports, upstream]).length > 0) return false
      return isUnreadable(host, given) || isUpstreamDamaged(host, given)
    },
    makeReadable(host, given) {
      writePlaceholders(host, given)
      repairUpstream(host, given)
    },
    read,
    desired,
    apply: (host, given, _, context) => apply(host, given, context),
    settle: (host, given) => given.reload && loadRecord(host, given).settle(host),
    predict: (host, given, { now, desired }, context) => predict(host, given, now, desired, context),
    paths: ({ upstream: { path } }) => [path],
    words: ({ name }, { now, desired }) => {
      if (now.live !== desired.live)
        return now.live === null ? `start on port ${desired.live}` : `port ${now.live} -> ${desired.live}`
      const parts = [
        ...(now.told ? [] : ['reload the web server']),
        ...(desired.live === null || now.up.includes(desired.live) ? [] : [`start on port ${desired.live}`]),
        ...now.up.filter((port) => port !== desired.live).map((port) => `stop ${name}-${port}`),
        ...now.damaged.map((port) => `repair the file of ${name}-${port}`),
      ]
      return parts.join('; ')
    },
    outputs: (_, { live }) => ({ port: live ?? 0 }),
    fingerprint: (_, { live, runs }) => [live, runs],
    placeholders: ({ ports: [first] }) => ({ port: first }),
  },
)
