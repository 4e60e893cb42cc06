/** `converge attributes`: the merged values, where each comes from, and their schema. */
import picocolors from 'picocolors'
import type { Secrets } from '../model/secrets.ts'
import type { Explanation } from '../node/explain.ts'
import { factKeys, neutralFacts } from '../node/facts.ts'
import { buildNode, type Node } from '../node/node.ts'
import type { Catalogue } from './catalogue.ts'
import { gather, warningText } from './inputs.ts'
import type { Arguments } from './options.ts'
import { type ExitStatus, useColor } from './process.ts'

export async function attributes<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  if (args.schema) {
    const { attributesJsonSchema } = await import('../node/schema.ts')
    return print(attributesJsonSchema(await catalogue.schemas()))
  }
  const built = args.defaults
    ? await defaults(catalogue)
    : (await gather(args, catalogue, secrets, { needsRole: false })).built
  for (const warning of built.warnings) process.stderr.write(`warning: ${secrets.mask(warningText(warning))}\n`)
  const { explain, shownAttributes } = await import('../node/explain.ts')
  if (args.explain === undefined) {
    const all = shownAttributes(built) as Record<string, unknown>
    if (args.defaults) for (const key of factKeys) delete all[key]
    return print(secrets.maskDeep(all))
  }
  const explanations = secrets.maskDeep(explain(built, args.explain))
  if (args.jsonOutput) return print({ attributes: explanations })
  const paint = picocolors.createColors(args.color ?? useColor(process.stdout))
  for (const explanation of explanations) process.stdout.write(`${text(explanation, paint)}\n`)
  return 0
}

/** Nothing but the schemas: no file, no environment, no host. */
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

function print(value: unknown): ExitStatus {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  return 0
}
