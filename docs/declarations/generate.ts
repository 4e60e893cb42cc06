/** Documents the declarations of the package in dist/types; `npm pack` runs it after the compiler. */
import { fileURLToPath } from 'node:url'
import { documentDeclarations } from './document_declarations.ts'

const incomplete = documentDeclarations(fileURLToPath(new URL('../../dist/types', import.meta.url)))
if (incomplete.length > 0) {
  process.stderr.write(`without a description or a valid example (docs/declarations/value_examples.ts):\n`)
  for (const member of incomplete) process.stderr.write(`  ${member}\n`)
  process.exitCode = 1
}
