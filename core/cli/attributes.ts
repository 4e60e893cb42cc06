/** Runs `converge attributes`: prints the merged values, where each comes from, and their schema. */
import picocolors from 'picocolors'
import type { Secrets } from '../model/secrets.ts'
import type { Explanation } from '../node/explain.ts'
import { factKeys, neutralFacts } from '../node/facts.ts'
import { buildNode, type Node } from '../node/node.ts'
import type { Catalogue } from './catalogue.ts'
import { gather } from './gather.ts'
import { warningText } from './inputs.ts'
import type { Arguments } from './options.ts'
import { print, printError, printJson } from './print.ts'
import { type ExitStatus, useColor } from './process.ts'

export async function attributes<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  if (args.schema) {
    const { attributesJsonSchema } = await import('../node/schema.ts')
    return printValue(attributesJsonSchema(await catalogue.schemas()))
  }
  const built = args.defaults
    ? await defaults(catalogue)
    : (await gather(args, catalogue, secrets, { needsRole: false })).built
  for (const warning of built.warnings) printError(`warning: ${secrets.mask(warningText(warning))}\n`)
  const { explain, shownAttributes } = await import('../node/explain.ts')
  if (args.explain === undefined) {
    const all = shownAttributes(built) as Record<string, unknown>
    if (args.defaults) for (const key of factKeys) delete all[key]
    return printValue(secrets.maskDeep(all))
  }
  const explanations = secrets.maskDeep(explain(built, args.explain))
  if (args.jsonOutput) return printValue({ attributes: explanations })
  const color = args.color ?? useColor(process.stdout)
  const paint = picocolors.createColors(color)
  for (const explanation of explanations) print(`${text(explanation, paint)}\n`, color)
  return 0
}

/** Builds a node from the schemas alone, without files, environment or host. */
async function defaults<N>(catalogue: Catalogue<N>): Promise<Node<unknown>> {
  return buildNode({ layers: [], facts: neutralFacts, schemas: await catalogue.schemas() })
}

function text({ path, value, origins }: Explanation, paint: ReturnType<typeof picocolors.createColors>): string {
  const lines = [`${paint.bold(path)} = ${JSON.stringify(value)}`]
  for (const origin of origins) {
    lines.push(`    ${origin.kind.padEnd(10)} ${paint.dim(origin.from)} ${JSON.stringify(origin.value)}`)
  }
  return lines.join('\n')
}

function printValue(value: unknown): ExitStatus {
  printJson(value, 2)
  return 0
}
