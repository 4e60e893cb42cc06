/** Defines how the API shows a balancer with its servers. */
import * as z from 'zod'

export const backendServer = z.object({
  /** `backend/name`. */
  name: z.string(),
  address: z.string(),
  admin: z.string(),
  up: z.boolean(),
  check: z.string(),
  takesVisitors: z.boolean(),
  sessions: z.number(),
  queue: z.number(),
})

export const balancerAnswer = z.object({
  /** The host that runs the balancer. */
  host: z.string(),
  /** Its socket or address, as the host names it. */
  where: z.string(),
  servers: z.array(backendServer),
  /** Null: the balancer has answered. */
  failure: z.string().nullable(),
})
export type BalancerState = z.output<typeof balancerAnswer>
