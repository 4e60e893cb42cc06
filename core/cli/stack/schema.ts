/** Runs `converge stack schema`: prints the JSON schema of a stack file, for editors. */
import { stackJsonSchema } from '../../fleet/stack/json_schema.ts'
import { withOwnAttributes } from '../../load/own_attributes.ts'
import { throwProblems } from '../../model/errors.ts'
import type { ExitStatus } from '../exit_status.ts'
import { userRecipes } from '../inputs/read_inputs.ts'
import { printJson } from '../print.ts'
import type { StackCommand } from './stack_command.ts'

export async function schema<N>({ args, catalogue }: StackCommand<N>): Promise<ExitStatus> {
  const { problems } = await userRecipes(args, catalogue)
  throwProblems(problems, 'the recipes cannot be loaded')
  printJson(stackJsonSchema(withOwnAttributes(await catalogue.schemas())), 2)
  return 0
}
