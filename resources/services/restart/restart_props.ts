/** Defines the properties of service_restart. */
import * as z from 'zod'
import { absolutePath, duration, seconds } from '../../../core/model/units.ts'
import { drainProps, serverProp } from '../../balancer/balancer_props.ts'
import { checkProps } from '../config_check.ts'
import { nameProp, providerProp } from '../managers/types.ts'
import { readyProp } from '../readiness/ready_props.ts'
import { loadsProp } from './loaded_files.ts'
import { maxUnavailableProp } from './max_unavailable.ts'

const serviceProps = z.strictObject({
  name: nameProp.describe('Name of the program or unit'),
  configuration: z
    .string()
    .optional()
    .describe('Digest that only this service depends on, such as `program.digest`; a change restarts it'),
  loads: loadsProp.optional(),
  ready: readyProp.optional().describe('Check that it is ready; default: it stays up for 5 s'),
  log: absolutePath.optional().describe('Log whose end is displayed after a failure; default: the log of its manager'),
  delay: duration.optional().describe('Pause before this service, instead of the common `delay`'),
  server: serverProp
    .optional()
    .describe('Its name in `balancers`, as `backend/name`; without it, the service is not drained'),
})

export const restartProps = z
  .strictObject({
    services: z.array(serviceProps).min(1).describe('In the order they are restarted in'),
    provider: providerProp
      .default({ kind: 'systemd' })
      .describe('Their service manager; default: systemd, or init scripts if systemd does not run'),
    delay: duration
      .default(() => seconds(0))
      .describe('Pause between two restarts of services that were running; default 0. Cookbook: restart_delay'),
    ...checkProps,
    deadline: duration
      .default(() => seconds(120))
      .describe('Time limit for each service to stop, start and become ready; default 120 s'),
    ...drainProps,
    drain: z
      .boolean()
      .default(true)
      .describe(
        'With false, no server is drained; servers that an earlier run has left drained are set ready anyway; default true',
      ),
    neighbours: z
      .array(z.string())
      .default([])
      .describe(
        'Hosts that may restart the same services at the same time: without `balancers`, a warning names them; default: none',
      ),
    absent: z
      .array(serverProp)
      .default([])
      .describe(
        'Servers of `balancers` on hosts that the rollout cannot reach. While one is down, only the last server that is up waits for it. Default: none',
      ),
    maxUnavailable: maxUnavailableProp
      .default(1)
      .describe(
        "How many may be restarted at once: a count, or a share such as '25%' (rounded down, at least 1). It applies to the services here, and to all servers of a backend, also of other hosts. Default 1",
      ),
    adopt: z
      .boolean()
      .default(false)
      .describe(
        'Count a running service as up to date if no run has restarted it yet and no resource in `when` has changed; default false',
      ),
    start: z
      .boolean()
      .default(true)
      .describe(
        'Start services that are down; default true. With false, they stay down, and read everything when they start',
      ),
    force: z
      .string()
      .min(1)
      .optional()
      .describe('Name of one command that restarts all services regardless of changes, once for each name'),
  })
  .refine(({ services }) => new Set(services.map(({ name }) => name)).size === services.length, {
    error: 'each service once',
    path: ['services'],
  })
export type RestartProps = z.output<typeof restartProps>
export type RestartedService = z.output<typeof serviceProps>
