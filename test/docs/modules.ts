/** Turns the TypeScript of the documentation into modules that compile. */
import * as api from '../../recipes/api.ts'
import { allBlocks, type Block, where } from './blocks.ts'
import { proofOf } from './examples.ts'

/** @returns the position of each module in the documentation, with its text */
export function documentedModules(): { readonly where: string; readonly text: string }[] {
  return allBlocks().flatMap((block) => {
    const proof = proofOf(block)
    return proof?.kind === 'typescript' ? [{ where: where(block), text: moduleOf(block, proof) }] : []
  })
}

/** Leaves a module unchanged; wraps the statements of a recipe into a module. */
function moduleOf(
  { text }: Block,
  { declares = '', wrap }: { declares?: string; wrap?: (text: string) => string },
): string {
  if (wrap) return wrap(text)
  if (/^(import|export) /m.test(text)) return text
  // `package` is a reserved word.
  const body = text.replace(/^package\(/gm, 'packages(')
  const used = Object.keys(api).filter((name) => new RegExp(`\\b${name}\\b`).test(body + declares))
  const names = [...new Set([...used, 'packages']), 'type Handle', 'type PloneNode', 'type Recipe']
  return `import { ${names.join(', ')} } from 'converge-engine'
${declares}
export function example(r: Recipe<PloneNode>, node: PloneNode): void {
${body}}
`
}
