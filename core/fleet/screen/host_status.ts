/** Describes what `converge status --json-output` prints on a host. */
import * as z from 'zod'

/** The expected output: the host decides what it sends, and other output is reported as unreadable. */
export const hostStatusSchema = z.object({
  roles: z.array(z.string()),
  apps: z.array(
    z.object({
      name: z.string(),
      unreleased: z.boolean().optional(),
      stopped: z.object({ by: z.string(), at: z.string() }).nullish(),
      closed: z.object({ by: z.string().nullable(), at: z.string().nullable() }).nullish(),
      pinnedFrom: z.string().nullish(),
      jobs: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })).default([]),
      current: z.object({ id: z.string(), commit: z.string(), revision: z.string() }).nullable(),
      services: z.array(
        z.object({
          name: z.string(),
          state: z.string(),
          up: z.boolean(),
          readiness: z.string().optional(),
          detail: z.string().optional(),
        }),
      ),
    }),
  ),
  lastRun: z.object({ started: z.string(), outcome: z.string(), events: z.array(z.string()) }).nullable(),
  lock: z.object({ by: z.string(), since: z.string(), message: z.string() }).nullable(),
  rollout: z.string().nullish(),
  disk: z.object({ state: z.enum(['full', 'low', 'unknown']), detail: z.string() }).nullish(),
  restarts: z
    .object({ services: z.array(z.string()), reboot: z.string().nullable(), problem: z.string().nullable() })
    .nullish(),
})
