/** Runs `converge attributes`: prints the merged values, where each comes from, and their schema. */
import { withOwnAttributes } from '../../load/own_attributes.ts'
import { throwProblems } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import { factKeys } from '../../node/fact_attributes.ts'
import { neutralFacts } from '../../node/facts.ts'
import { buildNode, type Node } from '../../node/node.ts'
import type { Schemas } from '../../node/notes.ts'
import { printAttributes } from '../attribute_output.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { userRecipes, warningText } from '../inputs/read_inputs.ts'
import { loadInputs } from '../inputs/run_inputs.ts'
import { printError, printJson } from '../print.ts'

export async function attributes<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  if (args.schema) {
    const { attributesJsonSchema } = await import('../../node/schema.ts')
    return printValue(attributesJsonSchema(await schemasOf(args, catalogue)))
  }
  const mergedNode = args.defaults
    ? await defaults(args, catalogue)
    : (await loadInputs(args, catalogue, secrets, { needsRole: false })).mergedNode
  for (const warning of mergedNode.warnings) printError(`warning: ${secrets.mask(warningText(warning))}\n`)
  await printAttributes(mergedNode, args, secrets, args.defaults ? factKeys : [])
  return 0
}

/** Builds a node from the schemas alone, without files, environment or host. */
async function defaults<N>(args: Arguments, catalogue: Catalogue<N>): Promise<Node<unknown>> {
  // A configuration in the working directory is an input like the attribute files.
  const isNamed = args.recipes !== undefined || args.config !== undefined
  const schemas = isNamed ? await schemasOf(args, catalogue) : await catalogue.schemas()
  return buildNode({ layers: [], facts: neutralFacts, schemas })
}

/** Returns the schemas of all attributes, those of the user's recipes included. */
async function schemasOf<N>(args: Arguments, catalogue: Catalogue<N>): Promise<Schemas> {
  const { problems } = await userRecipes(args, catalogue)
  throwProblems(problems, 'the recipes cannot be loaded')
  return withOwnAttributes(await catalogue.schemas())
}

function printValue(value: unknown): ExitStatus {
  printJson(value, 2)
  return 0
}
