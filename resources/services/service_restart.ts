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
import { checkConfiguration } from './config_check.ts'
import { currentState, currentStateOf, isUp } from './current_state.ts'
import { serviceManager, serviceReader } from './managers/select_manager.ts'
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

async function read(host: HostReader, given: RestartProps, context: Context): Promise<State> {
  const reader = serviceReader(host, given.provider)
  const found: State = {}
  for (const one of given.services) {
    const { name, server, ready } = one
    const drained = server === undefined ? [] : await balancersStillDraining(host, given.balancers, server, context)
    const status = await reader.status(name)
    found[name] = {
      // A drained service is checked when it is set ready.
      state:
        drained.length > 0 ? status.state : await currentStateOf(host, status, { ready, deadline: given.deadline }),
      restartedFor: await new RestartRecord(host, given, one, context).restartedFor(reader, status),
      drained,
    }
  }
  return found
}

function desired(given: RestartProps, now: State, context: Context): State {
  return Object.fromEntries(
    given.services.map((one) => {
      const found = now[one.name]
      const state = given.start || isUp(found?.state) ? 'running' : (found?.state ?? 'absent')
      return [one.name, { state, restartedFor: restartDigest(given, one, context), drained: [] }]
    }),
  )
}

type Action = 'restart' | 'start' | 'wait for' | 'set ready'

/** Decides what to do with a service: if only a balancer differs, it is only set ready there. */
function chooseAction(now: State[string] | undefined, wanted: State[string] | undefined): Action {
  if (!isUp(now?.state)) return 'start'
  if (now?.restartedFor !== wanted?.restartedFor) return 'restart'
  return now?.state === 'running' ? 'set ready' : 'wait for'
}

const progressVerbs = {
  restart: 'restarting',
  start: 'starting',
  'wait for': 'waiting for',
  'set ready': 'setting ready',
} as const

async function restartAll(host: Host, given: RestartProps, context: Context): Promise<void> {
  const manager = serviceManager(host, given.provider)
  const names = given.services.map(({ name }) => name)
  await checkConfiguration(
    host,
    given,
    `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not restarted`,
    context,
  )
  await manager.refresh()
  // Read again: in a further attempt some of the services are done.
  const now = await read(host, given, context)
  const wanted = desired(given, now, context)
  const changed = given.services.filter(({ name }) => !sameJson(now[name], wanted[name]))
  // Services without visitors come first: then another one is up while the rest restarts.
  const isOut = ({ name }: RestartedService) => !isUp(now[name]?.state) || (now[name]?.drained ?? []).length > 0
  const due = [...changed.filter(isOut), ...changed.filter((one) => !isOut(one))]
  const roll = new ServiceRestarter(host, manager, given.deadline, context)
  const draining = new ServerDrainer(
    host,
    balancersToContact(host, given),
    given.drainDeadline,
    context,
    'restart',
    drainRules(given),
  )
  const done = new Set<string>()
  const failures = new Map<string, unknown>()
  const proving = new Map<string, () => Promise<void>>()
  const stopped = () => failures.size > 0
  const drained = ({ server }: RestartedService) =>
    server === undefined ? [] : balancersWithDrainRecord(host, given.balancers, server)
  let restarts = 0
  let hasWarned = given.balancers.length > 0 || given.neighbours.length === 0
  const warnOfNeighbours = () => {
    if (!hasWarned) context.warn(coordinationWarning(given.neighbours))
    hasWarned = true
  }

  const restart = async (one: RestartedService) => {
    // From here on the process does not match its last restart, also if this restart fails and the release is rolled
    // back.
    const record = new RestartRecord(host, given, one, context)
    record.markStarted(host)
    const proved = await roll.startRestart(one)
    const finish = async () => {
      await proved()
      record.markCompleted(host, (await manager.freshStatus(one.name)).process)
    }
    // A service without a check is watched at the same time as the next ones of that kind.
    if (hasCheck(one.ready) || one.server !== undefined) return finish()
    proving.set(one.name, finish)
  }
  /** Waits until the started services have stayed up for the required time. */
  const settle = async () => {
    for (const [name, finish] of [...proving]) {
      proving.delete(name)
      await finish().then(
        () => done.add(name),
        (error: unknown) => failures.set(name, error),
      )
    }
  }
  const work = async (one: RestartedService, index: number): Promise<boolean> => {
    const what = chooseAction(now[one.name], wanted[one.name])
    if (hasCheck(one.ready)) await settle()
    if (what === 'restart' && restarts++ > 0) await pauseBefore(host, given, one, context)
    if (stopped()) return false
    const reason = what === 'restart' ? new RestartRecord(host, given, one, context).differenceSuffix() : ''
    context.progress(`${progressVerbs[what]} ${one.name} (${index + 1} of ${due.length})${reason}`)
    const { server } = one
    if (what === 'restart') warnOfNeighbours()
    if (server !== undefined && !isUp(now[one.name]?.state)) draining.markIdle(server)
    if (what === 'restart' && server !== undefined && given.drain)
      return draining.restartDrained(server, () => restart(one), given.deadline, stopped)
    if (what === 'set ready' || what === 'wait for') await roll.waitUntilReady(one)
    else await restart(one)
    if (server !== undefined) await draining.setReady(server, given.deadline)
    return true
  }

  await forEachLimited(due, countUnavailable(given.maxUnavailable, given.services.length), async (one, index) => {
    if (stopped()) return
    try {
      if ((await work(one, index)) && !proving.has(one.name)) done.add(one.name)
    } catch (error) {
      failures.set(one.name, error)
    }
  })
  await settle()
  if (stopped()) throw restartError(due, { done, failures, drained, wasUp: ({ name }) => isUp(now[name]?.state) })
}

/** A larger number of hosts is counted instead of named. */
const fewNeighbours = 5

function coordinationWarning(neighbours: readonly string[]): string {
  const hosts = neighbours.length > fewNeighbours ? `${neighbours.length} other hosts` : neighbours.join(', ')
  return `no balancer is known here: ${hosts} may restart at the same time; set converge.balancer.port, or converge.balancer.sockets for balancers outside the stack`
}

/** Returns the rules for draining: another host may drain and restart its server for as long as this one may. */
function drainRules({ services, maxUnavailable, drainDeadline, deadline }: RestartProps): DrainRules {
  const own = new Set(services.flatMap(({ server }) => (server === undefined ? [] : [server])))
  const restart = new Duration(drainDeadline.ms + deadline.ms)
  return { own, maxUnavailable, waitLimit: drainDeadline, restartLimit: restart }
}

/** Returns the balancers to contact: without draining, only those where a server is still drained. */
function balancersToContact(host: HostReader, { balancers, drain, services }: RestartProps): RestartProps['balancers'] {
  if (drain) return balancers
  return balancers.filter((one) =>
    services.some(({ server }) => server && balancersWithDrainRecord(host, [one], server).length > 0),
  )
}

async function pauseBefore(host: Host, given: RestartProps, one: RestartedService, context: Context): Promise<void> {
  const delay = one.delay ?? given.delay
  if (delay.ms === 0) return
  context.progress(`waiting ${delay} before ${one.name}`)
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
    key: ({ services }) => services.map(({ name }) => name).join(' '),
    props: restartProps,
    state,
    readsAhead: true,
    when: 'cause',
  },
  {
    read,
    desired,
    apply: (host, given, _, context) => restartAll(host, given, context),
    settle(host, given, _, context) {
      for (const one of given.services) new RestartRecord(host, given, one, context).settle(host)
    },
    words: ({ services }, { now, desired }) => {
      const due = services.filter(({ name }) => !sameJson(now[name], desired[name]))
      const parts = (['restart', 'start', 'wait for', 'set ready'] as const).map((word) => {
        const some = due.filter(({ name }) => chooseAction(now[name], desired[name]) === word)
        return some.length > 0 ? [`${word} ${some.map(({ name }) => name).join(', ')}`] : []
      })
      return parts.flat().join('; ')
    },
    predict(host, given, change, context) {
      for (const one of given.services) {
        if (sameJson(change.now[one.name], change.desired[one.name])) continue
        new RestartRecord(host, given, one, context).markCompleted(host, null)
        if (one.server !== undefined) predictReady(host, given.balancers, one.server)
      }
    },
  },
)
