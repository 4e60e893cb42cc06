/** Defines the properties by which a recipe names a balancer, and a server in it. */
import * as z from 'zod'
import { absolutePath, duration, seconds } from '../../core/model/units.ts'

// The characters that HAProxy accepts in the name of a backend or a server; a space or a semicolon would begin another
// command.
const name = '[A-Za-z0-9_.:-]+'

export const serverProp = z.string().regex(new RegExp(`^${name}/${name}$`), { error: 'a server as backend/name' })

const balancerProp = z.union(
  [
    z.strictObject({ socket: absolutePath.describe('Path of its runtime socket') }),
    z.strictObject({
      host: z.string().min(1).describe('Where it runs'),
      port: z.int().min(1).max(65_535).describe('TCP port of its runtime socket'),
    }),
  ],
  { error: 'a balancer as { socket: "/path" } or { host, port }' },
)

export const drainProps = {
  balancers: z
    .array(balancerProp)
    .default([])
    .describe(
      'Runtime sockets of the HAProxy processes that send it visitors: `{ socket }`, or `{ host, port }` on another host. A service with a `server` is drained there before it stops',
    ),
  drainDeadline: duration
    .default(() => seconds(60))
    .describe('How long to wait for the last session of a drained server before the run continues; default 60 s'),
}
