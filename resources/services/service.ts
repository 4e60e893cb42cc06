/** Keeps one service running, or stopped. */
import * as z from 'zod'
import type { Host } from '../../core/host/types.ts'
import { type Context, defineResource } from '../../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'
import { drainProps, serverProp } from '../balancer/balancer_props.ts'
import { balancersStillDraining, predictReady } from '../balancer/drained_servers.ts'
import { ServerDrainer } from '../balancer/draining.ts'
import type { BalancerServer } from '../balancer/haproxy_runtime.ts'
import { reachOfProvider } from '../reach.ts'
import { currentState, currentStateOf } from './current_state.ts'
import { refuseMasked } from './managers/masked_unit.ts'
import { serviceManager, serviceReader } from './managers/select_manager.ts'
import { worksWithoutSystemd } from './managers/system.ts'
import { nameProp, providerProp } from './managers/types.ts'
import { recordPlannedStart } from './planned_start.ts'
import { readyProp } from './readiness/ready_props.ts'
import { ServiceRestarter } from './restart/service_restarter.ts'

const props = z.strictObject({
  name: nameProp.describe('Name of the unit, init script or program'),
  action: z.enum(['running', 'stopped']).default('running').describe("Its state: 'running' (default) or 'stopped'"),
  enabled: z
    .boolean()
    .optional()
    .describe('Whether it starts at boot; only for systemd; unchanged for other managers and static units'),
  provider: providerProp
    .default({ kind: 'systemd' })
    .describe('Its service manager; default: systemd, or init scripts if systemd does not run'),
  ready: readyProp
    .optional()
    .describe('How it shows that it is ready, waited for after a start; default: it stays up for 5 s'),
  log: absolutePath.optional().describe('Log whose end is displayed after a failure; default: the log of its manager'),
  deadline: duration
    .default(() => seconds(60))
    .describe('How long it may take to start, and to be ready, or to stop; default 60 s'),
  server: serverProp
    .optional()
    .describe('Its name in `balancers`, as `backend/name`; without it, the service is not drained'),
  ...drainProps,
})
type Props = z.output<typeof props>

const state = z.strictObject({
  state: currentState,
  /** Whether it starts with the host; null if not declared or not known. */
  enabled: z.boolean().nullable(),
  /** Balancers where an earlier run drained it, and where it must be set ready. */
  drained: z.array(z.string()),
})
type State = z.output<typeof state>

export const service = defineResource(
  {
    type: 'service',
    doc: 'Keeps a service running, or stopped; never restarts it. Behind a balancer it is drained before it stops.',
    mirrors: "Chef's service resource, systemctl(1), service(8)",
    examples: [
      { name: 'supervisor', enabled: true },
      { name: 'apache2', action: 'stopped' as const, enabled: false },
      { name: 'site-worker', provider: { kind: 'supervisor' as const } },
      {
        name: 'site-client1',
        action: 'stopped' as const,
        provider: { kind: 'supervisor' as const },
        server: 'plone_instances/plone1-1',
        balancers: [{ socket: '/run/haproxy/admin.sock' }],
      },
    ],
    reach: ({ provider }) => reachOfProvider(provider),
    key: ({ name }) => name,
    props,
    state,
    readsAhead: true,
  },
  {
    async read(host, { name, provider, enabled, action, server, balancers, ready, deadline }, context): Promise<State> {
      const status = await serviceReader(host, provider).status(name)
      if (enabled === true && status.enabled === false) refuseMasked(host, name, status, 'enable')
      if (action === 'running' && status.state !== 'running') refuseMasked(host, name, status)
      // A service that is down stays drained at a balancer without a health check, which would send it visitors.
      const isLeftDrained = (server: BalancerServer) =>
        action === 'running' || (server.checked && status.state !== 'running')
      const drained =
        server === undefined ? [] : await balancersStillDraining(host, balancers, server, context, isLeftDrained)
      // A drained service is checked when it is set ready.
      const needsReadiness = action === 'running' && drained.length === 0
      return {
        state: needsReadiness ? await currentStateOf(host, status, { ready, deadline }) : status.state,
        enabled: enabled === undefined ? null : status.enabled,
        drained,
      }
    },
    withoutSystemd: (host, props) => (worksWithoutSystemd(host, props.provider, props.name) ? props : null),
    desired({ action, enabled }, now): State {
      const down = now.state === 'absent' || now.state === 'failed'
      return {
        state: action === 'stopped' && down ? now.state : action,
        // If it cannot be set, no value is declared; for a service that does not exist yet it is unknown.
        enabled: now.enabled === null ? null : (enabled ?? null),
        drained: [],
      }
    },
    async apply(host, props, { now, desired }, context) {
      const manager = serviceManager(host, props.provider)
      const { name, enabled } = props
      if (enabled !== undefined && now.enabled !== null && now.enabled !== enabled)
        await manager.setEnabled?.(name, enabled)
      if (desired.state === 'running') await start(host, props, now, context)
      else if (now.state !== desired.state || now.drained.length > 0) await stop(host, props, context)
    },
    predict(host, { server, balancers }, { now, desired }, { name }) {
      if (desired.state === 'running' && now.state !== 'running') recordPlannedStart(host, name)
      if (server !== undefined && now.drained.length > 0) predictReady(host, balancers, server)
    },
  },
)

async function start(host: Host, props: Props, now: State, context: Context): Promise<void> {
  const { provider, deadline, server, balancers, drainDeadline } = props
  if (now.state === 'running' && now.drained.length === 0) return
  const manager = serviceManager(host, provider)
  const restarter = new ServiceRestarter(host, manager, deadline, context)
  if (now.state === 'running' || now.state === 'not ready') await restarter.waitUntilReady(props)
  else {
    await manager.refresh()
    await restarter.restart(props)
  }
  if (server !== undefined) await new ServerDrainer(host, balancers, drainDeadline, context).setReady(server, deadline)
}

async function stop(host: Host, props: Props, context: Context): Promise<void> {
  const { name, provider, deadline, server, balancers, drainDeadline } = props
  const manager = serviceManager(host, provider)
  await manager.refresh()
  const stopService = () => new ServiceRestarter(host, manager, deadline, context).stop(name)
  if (server === undefined) await stopService()
  else await new ServerDrainer(host, balancers, drainDeadline, context, 'stop').stopDrained(server, stopService)
}
