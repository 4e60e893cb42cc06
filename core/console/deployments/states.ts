/** Defines a deployment: its request, its plan and its state. */
import * as z from 'zod'
import type { State } from './state_names.ts'

/** Control characters, written as readers of OpenAPI understand them. */
const control = '\\u0000-\\u001f\\u007f-\\u009f'

/** A name in a stack file. A leading hyphen would be an option of the command. */
export const stackName = z
  .string()
  .min(1)
  .max(200)
  .regex(new RegExp(`^[^\\-${control}][^${control}]*$`), 'expected a name')

/** A text of at most `max` characters on one line. */
export function oneLine(max: number) {
  return z
    .string()
    .max(max)
    .regex(new RegExp(`^[^${control}]*$`), 'expected one line')
}

const nameList = z.array(stackName).max(1000).default([])

/** Characters of a custom JSON. OpsWorks permits 80 kB. */
const maxCustomJson = 80_000
const maxDepth = 100

const customJsonSchema = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message })
  // The other checks call themselves for each level.
  if (isDeeperThan(value, maxDepth)) refuse(`expected at most ${maxDepth} levels`)
  else if (JSON.stringify(value).length > maxCustomJson) refuse(`expected at most ${maxCustomJson} characters`)
})

function isDeeperThan(value: unknown, levels: number): boolean {
  let current: unknown[] = [value]
  for (let level = 0; current.length > 0; level++) {
    if (level > levels) return true
    current = current.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return false
}

/** The request of a person or a pipeline. */
export const requestSchema = z
  .strictObject({
    action: z.enum(['deploy', 'rollback', 'configure', 'setup']).default('deploy'),
    apps: nameList,
    layers: nameList,
    hosts: nameList,
    revision: stackName.optional(),
    to: stackName.optional(),
    strategy: z.enum(['rolling', 'canary', 'parallel']).default('rolling'),
    batch: z
      .string()
      .regex(/^[1-9]\d{0,4}%?$/, 'expected a number of hosts such as 2, or a percentage such as 25%')
      .optional(),
    maxFailures: z
      .string()
      .regex(/^\d{1,5}%?$/, 'expected a number of hosts such as 1, or a percentage such as 10%')
      .optional(),
    rollbackOnFailure: z.boolean().default(false),
    /** Attributes of this deployment, above those of the stack file. */
    customJson: customJsonSchema.optional(),
    comment: oneLine(500).default(''),
    /** Whether to continue after the plan without a person, as a pipeline does. */
    automatic: z.boolean().default(false),
  })
  .superRefine(({ action, revision, to, rollbackOnFailure }, context) => {
    const deploys = action === 'deploy' || action === 'setup'
    if (rollbackOnFailure && !deploys)
      context.addIssue({ code: 'custom', path: ['rollbackOnFailure'], message: `${action} cannot roll back` })
    if (revision !== undefined && !deploys)
      context.addIssue({ code: 'custom', path: ['revision'], message: `${action} takes no revision` })
    if (to !== undefined && action !== 'rollback')
      context.addIssue({ code: 'custom', path: ['to'], message: `only a rollback takes the commit to return to` })
  })
export type DeploymentRequest = z.output<typeof requestSchema>

/** The changes that a deployment would make. */
export interface PlanSummary {
  /** SHA-256 of the plan: the run refuses if it has changed since. */
  readonly digest: string
  /** Hosts with the same changes, once. */
  readonly groups: readonly PlanGroup[]
  /** The changes of releases, as printed before a rollout. */
  readonly releases: readonly unknown[]
  readonly warnings: readonly string[]
}

export interface PlanGroup {
  readonly hosts: readonly string[]
  readonly changes: readonly PlannedChange[]
}

export interface PlannedChange {
  readonly resource: string
  readonly outcome: string
  readonly summary: string | null
  readonly diff: readonly string[]
}

export interface ConsoleDeployment {
  readonly id: number
  readonly stack: string
  readonly state: State
  /** The reason for this state, if the state alone does not explain it. */
  readonly reason: string | null
  readonly request: DeploymentRequest
  readonly by: string
  /** ISO times. */
  readonly created: string
  readonly started: string | null
  readonly ended: string | null
  /** The current state ends automatically at this time. */
  readonly deadline: string | null
  readonly plan: PlanSummary | null
  readonly confirmedBy: string | null
  readonly approvedBy: string | null
  /** The account that has interrupted it, or `its deadline`. */
  readonly abortedBy: string | null
  /** The number of the record, as `converge stack log` takes it. */
  readonly record: string | null
}
