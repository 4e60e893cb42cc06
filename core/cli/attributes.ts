/** `converge attributes`: the merged values, where each comes from, and their schema. */
import picocolors from 'picocolors'
import type { Explanation } from '../node/explain.ts'
import type { Catalogue } from './catalogue.ts'
import { gather } from './inputs.ts'
import { type ExitStatus, useColor } from './main.ts'
import type { Arguments } from './options.ts'
import { warningText } from './run.ts'

export async function attributes<N>(args: Arguments, catalogue: Catalogue<N>): Promise<ExitStatus> {
  const schemas = await catalogue.schemas()
  if (args.schema) {
    const { attributesJsonSchema } = await import('../node/schema.ts')
    return print(attributesJsonSchema(schemas))
  }
  const bare: Arguments = args.defaults ? { configDir: '/nonexistent' } : args
  const { built } = await gather({ ...bare, role: args.role ?? [] }, catalogue, undefined, false)
  for (const warning of built.warnings) process.stderr.write(`warning: ${warningText(warning)}\n`)
  const { explain, shownAttributes } = await import('../node/explain.ts')
  if (args.explain === undefined) return print(shownAttributes(built))
  const explanations = explain(built, args.explain)
  if (args.jsonOutput) return print({ attributes: explanations })
  const paint = picocolors.createColors(args.color ?? useColor(process.stdout))
  for (const explanation of explanations) process.stdout.write(`${text(explanation, paint)}\n`)
  return 0
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
