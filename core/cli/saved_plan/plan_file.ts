/** Reads and writes the file of a saved plan. */
import * as z from 'zod'
import { ConvergeError } from '../../model/errors.ts'
import { sameJson } from '../../model/json.ts'
import { readInput } from '../inputs/read_inputs.ts'
import { writeOutputFile } from '../output_file.ts'
import type { PlanKey } from './plan_key.ts'

/** Incremented when an older converge could misunderstand a plan. */
const formatVersion = 1

const texts = z.array(z.string()).optional()
const digests = z.record(z.string(), z.string())

/** The options of `plan` that decide what is compiled; `apply` uses them again. */
const options = z.strictObject({
  role: texts,
  json: texts,
  nodeJson: texts,
  configDir: z.string().optional(),
  secrets: z.string().optional(),
  prefix: z.string().optional(),
  revision: z.string().optional(),
  recipes: texts,
  config: z.string().optional(),
  stateDir: z.string().optional(),
  migrate: z.boolean().optional(),
  retryFailed: z.boolean().optional(),
  only: texts,
  skip: texts,
})
export const planOptionNames = Object.keys(options.shape) as (keyof z.output<typeof options>)[]

const planFile = z.strictObject({
  format: z.literal('converge plan'),
  version: z.literal(formatVersion),
  converge: z.string(),
  /** Also the id of the run in the node, so that a restart of this plan is made once. */
  id: z.string(),
  host: z.string(),
  /** Number of the account that saved it. */
  account: z.number(),
  /** ISO time. */
  created: z.string(),
  by: z.string(),
  directory: z.string(),
  events: z.array(z.string()),
  options,
  revisions: z.array(
    z.strictObject({ app: z.string(), revision: z.string().nullable(), commit: z.string().nullable() }),
  ),
  /** The changes, for readers, with secrets masked; `digest` covers the states before and after. */
  changes: z.array(
    z.strictObject({
      name: z.string(),
      role: z.string(),
      event: z.string(),
      outcome: z.string(),
      words: z.string().optional(),
      patch: z.array(z.json()).optional(),
      digest: z.string(),
    }),
  ),
  attributes: digests,
  recipes: digests,
  declared: digests,
  signature: z.string(),
})
export type SavedPlan = z.output<typeof planFile>
export type PlanContent = Omit<SavedPlan, 'format' | 'version' | 'signature'>
export type PlannedChange = SavedPlan['changes'][number]

/**
 * Writes a plan to a file that only this account can read.
 * @throws ConvergeError CANNOT_WRITE_PLAN
 */
export function writePlan(path: string, content: PlanContent, key: PlanKey): void {
  const unsigned = JSON.parse(JSON.stringify({ format: 'converge plan', version: formatVersion, ...content })) as object
  writeOutputFile(path, `${JSON.stringify({ ...unsigned, signature: key.digest(unsigned) }, null, 2)}\n`, {
    failure: `cannot write the plan to ${path}`,
    code: 'CANNOT_WRITE_PLAN',
    hint: 'name a file in a directory that this account may write to',
  })
}

/** @throws ConvergeError NO_FILE, INVALID_PLAN, NEWER_PLAN */
export function readPlan(path: string): SavedPlan {
  const value = parsePlan(readInput(path, 'apply'))
  const head = z.looseObject({ format: z.literal('converge plan'), version: z.number() }).safeParse(value)
  if (head.success && head.data.version > formatVersion)
    throw new ConvergeError(`${path} was saved by a newer version of converge (${String(head.data.converge)})`, {
      code: 'NEWER_PLAN',
      hint: 'make the plan again with the version on this host',
      usage: true,
    })
  const plan = planFile.safeParse(value)
  if (plan.success) return plan.data
  throw new ConvergeError(`${path} is not a plan that converge plan --out has written`, {
    code: 'INVALID_PLAN',
    hint: `save one: converge plan --role ROLE --out ${path}`,
    usage: true,
  })
}

function parsePlan(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Decides whether the plan is unchanged since it was signed with the key. */
export function isIntact({ signature, ...rest }: SavedPlan, key: PlanKey): boolean {
  return sameJson(key.digest(rest), signature)
}
