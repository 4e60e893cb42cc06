/** How a recipe names a balancer, and a server in it. */
import * as z from 'zod'
import { absolutePath } from '../../core/model/units.ts'

// What HAProxy takes in the name of a backend or a server; a space or a semicolon would begin another command.
const name = '[A-Za-z0-9_.:-]+'

export const serverProp = z.string().regex(new RegExp(`^${name}/${name}$`), { error: 'a server as backend/name' })

export const balancerProp = z.union(
  [
    z.strictObject({ socket: absolutePath.describe('Path of its runtime socket') }),
    z.strictObject({
      host: z.string().min(1).describe('Where it runs'),
      port: z.int().min(1).max(65_535).describe('TCP port of its runtime socket'),
    }),
  ],
  { error: 'a balancer as { socket: "/path" } or { host, port }' },
)
