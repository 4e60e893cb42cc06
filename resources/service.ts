/** Keeps one service running, or stopped. */
import * as z from 'zod'
import { defineResource } from '../core/model/resource.ts'
import { absolutePath, duration, seconds } from '../core/model/units.ts'
import { managerOf, readerOf } from './services/manager.ts'
import { Roll } from './services/roll.ts'
import { nameProp, providerProp, readyProp, serviceStates } from './services/types.ts'

const state = z.strictObject({
  state: z.enum(serviceStates),
  /** Whether it starts with the machine; null where nobody asked, or it can't be said. */
  enabled: z.boolean().nullable(),
})
type State = z.output<typeof state>

export const service = defineResource(
  {
    type: 'service',
    doc: 'Keeps a service running, or stopped; never restarts it.',
    mirrors: "Chef's service resource, systemctl(1), service(8)",
    examples: [
      { name: 'supervisor', enabled: true },
      { name: 'apache2', action: 'stopped' as const, enabled: false },
      { name: 'site-worker', provider: { kind: 'supervisor' as const } },
    ],
    key: ({ name }) => name,
    props: z.strictObject({
      name: nameProp.describe('Name of the unit, init script or program'),
      action: z
        .enum(['running', 'stopped'])
        .default('running')
        .describe("What it is kept at: 'running' (default) or 'stopped'"),
      enabled: z
        .boolean()
        .optional()
        .describe('Whether it starts with the machine; for systemd only, elsewhere and for static units left as it is'),
      provider: providerProp
        .default({ kind: 'systemd' })
        .describe('What runs it; default: systemd, or init scripts where no systemd runs'),
      ready: readyProp
        .optional()
        .describe('How it shows that it is ready, waited for after a start; default: running is enough'),
      log: absolutePath.optional().describe('Log whose end is shown when it fails; default: what its manager keeps'),
      deadline: duration
        .default(() => seconds(60))
        .describe('How long it may take to start, and to be ready, or to stop; default 60 s'),
    }),
    state,
    readsAhead: true,
  },
  {
    async read(host, { name, provider, enabled }): Promise<State> {
      const status = await readerOf(host, provider).status(name)
      return { state: status.state, enabled: enabled === undefined ? null : status.enabled }
    },
    desired({ action, enabled }, now): State {
      const down = now.state === 'absent' || now.state === 'failed'
      return {
        state: action === 'stopped' && down ? now.state : action,
        // Where it can't be set nothing is wanted; of a service yet to come it can't be known.
        enabled: now.enabled === null ? null : (enabled ?? null),
      }
    },
    async apply(host, given, { now, desired }, context) {
      const manager = managerOf(host, given.provider)
      const { name, enabled, deadline, ready, log } = given
      if (enabled !== undefined && now.enabled !== null && now.enabled !== enabled)
        await manager.setEnabled(name, enabled)
      if (now.state === desired.state) return
      await manager.refresh()
      const roll = new Roll(host, manager, deadline, context)
      if (desired.state === 'running') await roll.restart({ name, ready, log })
      else await roll.stop(name)
    },
    predict: () => undefined,
  },
)
