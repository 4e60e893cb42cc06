/**
 * Restarts services one after the other after changes, and waits for each to be ready; a restart stays due until it
 * succeeds.
 */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { sameJson } from '../../core/model/json.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { Duration, seconds } from '../../core/model/units.ts'
import type { DrainRules } from '../balancer/drain_turn.ts'
import { balancersStillDraining, balancersWithDrainRecord, predictReady } from '../balancer/drained_servers.ts'
import { ServerDrainer } from '../balancer/draining.ts'
import { reachOfProvider } from '../reach.ts'
import { checkConfiguration } from './config_check.ts'
import { currentState, currentStateOf, isUp } from './current_state.ts'
import { refuseMasked } from './managers/masked_unit.ts'
import { serviceManager, serviceReader } from './managers/select_manager.ts'
import { worksWithoutSystemd } from './managers/system.ts'
import { hasCheck } from './readiness/readiness.ts'
import { countUnavailable, forEachLimited } from './restart/max_unavailable.ts'
import { restartError } from './restart/restart_failure.ts'
import { type RestartedService, type RestartProps, restartProps } from './restart/restart_props.ts'
import { RestartRecord, restartDigest } from './restart/restart_record.ts'
import { ServiceRestarter } from './restart/service_restarter.ts'

const state = z.record(
  z.string(),
  z.strictObject({
    state: currentState,
    /** Digest of the causes of its last restart; null if there is no record. */
    restartedFor: z.string().nullable(),
    /** Balancers where an earlier run drained it and has not yet set it ready. */
    drained: z.array(z.string()),
  }),
)
type State = z.output<typeof state>

async function read(host: HostReader, props: RestartProps, context: Context): Promise<State> {
  const reader = serviceReader(host, props.provider)
  const state: State = {}
  for (const service of props.services) {
    const { name, server, ready } = service
    const drained = server === undefined ? [] : await balancersStillDraining(host, props.balancers, server, context)
    const status = await reader.status(name)
    state[name] = {
      // A drained service is checked when it is set ready.
      state:
        drained.length > 0 ? status.state : await currentStateOf(host, status, { ready, deadline: props.deadline }),
      restartedFor: await new RestartRecord(host, props, service, context).restartedFor(reader, status),
      drained,
    }
    const action = chooseAction(state[name], desired({ ...props, services: [service] }, state, context)[name])
    if (props.start ? action === 'start' || action === 'restart' : action === 'restart')
      refuseMasked(host, name, status, action)
  }
  return state
}

function desired(props: RestartProps, now: State, context: Context): State {
  return Object.fromEntries(
    props.services.map((service) => {
      const found = now[service.name]
      const state = props.start || isUp(found?.state) ? 'running' : (found?.state ?? 'absent')
      return [service.name, { state, restartedFor: restartDigest(props, service, context), drained: [] }]
    }),
  )
}

type Action = 'restart' | 'start' | 'wait for' | 'set ready'

/** Decides what to do with a service: if only a balancer differs, it is only set ready there. */
function chooseAction(now: State[string] | undefined, target: State[string] | undefined): Action {
  if (!isUp(now?.state)) return 'start'
  if (now?.restartedFor !== target?.restartedFor) return 'restart'
  return now?.state === 'running' ? 'set ready' : 'wait for'
}

const progressVerbs = {
  restart: 'restarting',
  start: 'starting',
  'wait for': 'waiting for',
  'set ready': 'setting ready',
} as const

async function restartAll(host: Host, props: RestartProps, context: Context): Promise<void> {
  const manager = serviceManager(host, props.provider)
  const names = props.services.map(({ name }) => name)
  await checkConfiguration(
    host,
    props,
    `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not restarted`,
    context,
  )
  await manager.refresh()
  // Read again: in a further attempt some of the services are done.
  const now = await read(host, props, context)
  const target = desired(props, now, context)
  const changed = props.services.filter(({ name }) => !sameJson(now[name], target[name]))
  // Services without visitors come first: then another one is up while the rest restarts.
  const isOut = ({ name }: RestartedService) => !isUp(now[name]?.state) || (now[name]?.drained ?? []).length > 0
  const due = [...changed.filter(isOut), ...changed.filter((service) => !isOut(service))]
  const roll = new ServiceRestarter(host, manager, props.deadline, context)
  const draining = new ServerDrainer(
    host,
    balancersToContact(host, props),
    props.drainDeadline,
    context,
    'restart',
    drainRules(props),
  )
  const restarted = new Set<string>()
  const failures = new Map<string, unknown>()
  const proving = new Map<string, () => Promise<void>>()
  const stopped = () => failures.size > 0
  const drained = ({ server }: RestartedService) =>
    server === undefined ? [] : balancersWithDrainRecord(host, props.balancers, server)
  let restarts = 0
  let hasWarned = props.balancers.length > 0 || props.neighbours.length === 0
  const warnOfNeighbours = () => {
    if (!hasWarned) context.warn(coordinationWarning(props.neighbours))
    hasWarned = true
  }

  const restart = async (service: RestartedService) => {
    // From here on the process does not match its last restart, also if this restart fails and the release is rolled
    // back.
    const record = new RestartRecord(host, props, service, context)
    record.markStarted(host)
    const proved = await roll.startRestart(service)
    const finish = async () => {
      await proved()
      record.markCompleted(host, (await manager.freshStatus(service.name)).process)
    }
    // A service without a check is watched at the same time as the next ones of that kind.
    if (hasCheck(service.ready) || service.server !== undefined) return finish()
    proving.set(service.name, finish)
  }
  /** Waits until the started services have stayed up for the required time. */
  const settle = async () => {
    for (const [name, finish] of [...proving]) {
      proving.delete(name)
      await finish().then(
        () => restarted.add(name),
        (error: unknown) => failures.set(name, error),
      )
    }
  }
  const work = async (service: RestartedService, index: number): Promise<boolean> => {
    const action = chooseAction(now[service.name], target[service.name])
    if (hasCheck(service.ready)) await settle()
    if (action === 'restart' && restarts++ > 0) await pauseBefore(host, props, service, context)
    if (stopped()) return false
    const reason = action === 'restart' ? new RestartRecord(host, props, service, context).differenceSuffix() : ''
    context.progress(`${progressVerbs[action]} ${service.name} (${index + 1} of ${due.length})${reason}`)
    const { server } = service
    if (action === 'restart') warnOfNeighbours()
    if (server !== undefined && !isUp(now[service.name]?.state)) draining.markIdle(server)
    if (action === 'restart' && server !== undefined && props.drain)
      return draining.restartDrained(server, () => restart(service), props.deadline, stopped)
    if (action === 'set ready' || action === 'wait for') await roll.waitUntilReady(service)
    else await restart(service)
    if (server !== undefined) await draining.setReady(server, props.deadline)
    return true
  }

  await forEachLimited(due, countUnavailable(props.maxUnavailable, props.services.length), async (service, index) => {
    if (stopped()) return
    try {
      if ((await work(service, index)) && !proving.has(service.name)) restarted.add(service.name)
    } catch (error) {
      failures.set(service.name, error)
    }
  })
  await settle()
  if (stopped())
    throw restartError(due, { done: restarted, failures, drained, wasUp: ({ name }) => isUp(now[name]?.state) })
}

/** A larger number of hosts is counted instead of named. */
const fewNeighbours = 5

function coordinationWarning(neighbours: readonly string[]): string {
  const hosts = neighbours.length > fewNeighbours ? `${neighbours.length} other hosts` : neighbours.join(', ')
  return `no balancer is known here: ${hosts} may restart at the same time; set converge.balancer.port, or converge.balancer.sockets for balancers outside the stack`
}

/** Returns the rules for draining: another host may drain and restart its server for as long as this one may. */
function drainRules({ services, maxUnavailable, drainDeadline, deadline, absent }: RestartProps): DrainRules {
  const ownServers = new Set(services.flatMap(({ server }) => (server === undefined ? [] : [server])))
  const restart = new Duration(drainDeadline.ms + deadline.ms)
  return { ownServers, maxUnavailable, waitLimit: drainDeadline, restartLimit: restart, absent: new Set(absent) }
}

/** Returns the balancers to contact: without draining, only those where a server is still drained. */
function balancersToContact(host: HostReader, { balancers, drain, services }: RestartProps): RestartProps['balancers'] {
  if (drain) return balancers
  return balancers.filter((balancer) =>
    services.some(({ server }) => server && balancersWithDrainRecord(host, [balancer], server).length > 0),
  )
}

async function pauseBefore(
  host: Host,
  props: RestartProps,
  service: RestartedService,
  context: Context,
): Promise<void> {
  const delay = service.delay ?? props.delay
  if (delay.ms === 0) return
  context.progress(`waiting ${delay} before ${service.name}`)
  await host.sleep(delay)
}

export const service_restart = defineResource(
  {
    type: 'service_restart',
    doc: 'Keeps services running, and restarts them one at a time when a resource in `when` has changed since their last restart. The next service is restarted only when the one before is ready; the first failure ends the sequence. Behind a balancer, each service is drained before it stops, so that no visitor notices.',
    mirrors: 'supervisorctl restart, systemctl restart',
    examples: [
      {
        services: [
          { name: 'site-client1', ready: { port: 8081, warmPaths: ['/news'] } },
          { name: 'site-client2', ready: { port: 8082 } },
        ],
        provider: { kind: 'supervisor' as const },
        delay: seconds(5),
      },
      { services: [{ name: 'varnish' }], provider: { kind: 'systemd' as const } },
      {
        services: [
          { name: 'site-client1', ready: { port: 8081 }, server: 'plone_instances/plone1-1' },
          { name: 'site-client2', ready: { port: 8082 }, server: 'plone_instances/plone1-2' },
        ],
        provider: { kind: 'supervisor' as const },
        balancers: [{ socket: '/run/haproxy/admin.sock' }, { host: 'lb2.internal', port: 9999 }],
      },
    ],
    reach: ({ provider }) => reachOfProvider(provider),
    key: ({ services }) => services.map(({ name }) => name).join(' '),
    props: restartProps,
    state,
    readsAhead: true,
    when: 'cause',
  },
  {
    read,
    withoutSystemd: (host, props) => {
      const services = props.services.filter(({ name }) => worksWithoutSystemd(host, props.provider, name))
      return services.length === 0 ? null : { ...props, services }
    },
    desired,
    apply: (host, props, _, context) => restartAll(host, props, context),
    settle(host, props, _, context) {
      for (const one of props.services) new RestartRecord(host, props, one, context).settle(host)
    },
    words: ({ services }, { now, desired }) => {
      const due = services.filter(({ name }) => !sameJson(now[name], desired[name]))
      const parts = (['restart', 'start', 'wait for', 'set ready'] as const).map((word) => {
        const some = due.filter(({ name }) => chooseAction(now[name], desired[name]) === word)
        return some.length > 0 ? [`${word} ${some.map(({ name }) => name).join(', ')}`] : []
      })
      return parts.flat().join('; ')
    },
    predict(host, props, change, context) {
      for (const one of props.services) {
        if (sameJson(change.now[one.name], change.desired[one.name])) continue
        new RestartRecord(host, props, one, context).markCompleted(host, null)
        if (one.server !== undefined) predictReady(host, props.balancers, one.server)
      }
    },
  },
)
