/** Defines how the API shows a deployment. */
import * as z from 'zod'
import { states } from '../deployments/state_names.ts'
import { type ConsoleDeployment, requestSchema } from '../deployments/states.ts'

const plan = z.object({
  digest: z.string(),
  groups: z.array(
    z.object({
      hosts: z.array(z.string()),
      changes: z.array(
        z.object({
          resource: z.string(),
          outcome: z.string(),
          summary: z.string().nullable(),
          diff: z.array(z.string()),
        }),
      ),
    }),
  ),
  releases: z.array(z.unknown()),
  warnings: z.array(z.string()),
})

export const deploymentAnswer = z.object({
  id: z.number(),
  stack: z.string(),
  state: z.enum(states),
  reason: z.string().nullable(),
  request: z.looseObject({ action: requestSchema.shape.action, comment: z.string() }),
  by: z.string(),
  created: z.string(),
  started: z.string().nullable(),
  ended: z.string().nullable(),
  deadline: z.string().nullable(),
  /** Null in lists. */
  plan: plan.nullable(),
  confirmedBy: z.string().nullable(),
  approvedBy: z.string().nullable(),
  abortedBy: z.string().nullable(),
  record: z.string().nullable(),
})
export type DeploymentAnswer = z.output<typeof deploymentAnswer>

function difference<T extends z.ZodType>(value: T) {
  return z.object({ name: z.string(), from: value.nullable(), to: value.nullable() })
}

export const comparisonAnswer = z.object({
  from: deploymentAnswer,
  to: deploymentAnswer,
  request: z.array(difference(z.string())),
  commits: z.array(difference(z.string())),
  hosts: z.array(difference(z.object({ outcome: z.string(), durationMs: z.number() }))),
  changes: z.array(difference(z.array(z.string()))),
  sameChanges: z.number(),
})

export function answerOf(deployment: ConsoleDeployment): DeploymentAnswer {
  return deployment as unknown as DeploymentAnswer
}

/** For lists: plans can be large. */
export function withoutPlan(deployment: ConsoleDeployment): DeploymentAnswer {
  return answerOf({ ...deployment, plan: null })
}
