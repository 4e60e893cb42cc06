/** Defines the state of the hosts of a stack, as the pages show it. */
import * as z from 'zod'
import { hostStatusSchema } from '../../fleet/screen/host_status.ts'

export const hostStateSchema = z.object({
  host: z.string(),
  /** `unknown`: the host does not answer, or not readably. */
  state: z.enum(['good', 'attention', 'unknown']),
  /** Why it is unknown. */
  reason: z.string().nullable(),
  hint: z.string().nullable(),
  /** The deployment that it missed. */
  missed: z.string().nullable(),
  /** Null if it is unknown. */
  status: hostStatusSchema.nullable(),
})
export type HostState = z.output<typeof hostStateSchema>

export const stackStateSchema = z.object({
  /** ISO time at which the answers were complete. */
  checked: z.string(),
  hosts: z.array(hostStateSchema),
})
export type StackState = z.output<typeof stackStateSchema>
