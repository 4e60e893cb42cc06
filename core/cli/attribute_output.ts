/** Prints the attributes of a host, and the layers that set each. */
import picocolors from 'picocolors'
import type { Secrets } from '../model/secrets.ts'
import type { Explanation } from '../node/explain.ts'
import type { Node } from '../node/node.ts'
import { print, printJson, useColor } from './print.ts'

export interface AttributeOutput {
  /** Prints this attribute, or all below it, with the layers that set it. */
  readonly explain?: string | boolean | undefined
  /** Prints the attributes that are set, with the layers that set them. */
  readonly origins?: boolean | undefined
  readonly jsonOutput?: boolean | undefined
  readonly color?: boolean | undefined
}

/**
 * @param hidden attributes that are not printed unless `explain` names them
 * @throws UNKNOWN_ATTRIBUTE
 */
export async function printAttributes(
  mergedNode: Node<unknown>,
  output: AttributeOutput,
  secrets: Secrets,
  hidden: readonly string[] = [],
): Promise<void> {
  const { explain, explainSet, shownAttributes } = await import('../node/explain.ts')
  const { origins, jsonOutput } = output
  const key = typeof output.explain === 'string' ? output.explain : undefined
  if (key === undefined && !origins) {
    const all = shownAttributes(mergedNode) as Record<string, unknown>
    for (const name of hidden) delete all[name]
    printJson(secrets.maskDeep(all), 2)
    return
  }
  const explanations = secrets.maskDeep(key === undefined ? explainSet(mergedNode) : explain(mergedNode, key))
  if (jsonOutput) return printJson({ attributes: explanations }, 2)
  const color = output.color ?? useColor(process.stdout)
  const paint = picocolors.createColors(color)
  for (const explanation of explanations) print(`${describeExplanation(explanation, paint)}\n`, color)
}

function describeExplanation(
  { path, value, origins }: Explanation,
  paint: ReturnType<typeof picocolors.createColors>,
): string {
  const lines = [`${paint.bold(path)} = ${JSON.stringify(value)}`]
  for (const origin of origins) {
    lines.push(`    ${origin.kind.padEnd(10)} ${paint.dim(origin.from)} ${JSON.stringify(origin.value)}`)
  }
  return lines.join('\n')
}
