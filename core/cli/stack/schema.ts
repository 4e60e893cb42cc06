/** Runs `converge stack schema`: prints the JSON schema of a stack file, for editors. */
import { stackJsonSchema } from '../../fleet/stack/json_schema.ts'
import { printJson } from '../print.ts'
import type { ExitStatus } from '../process.ts'
import type { StackCall } from './call.ts'

export async function schema<N>({ catalogue }: StackCall<N>): Promise<ExitStatus> {
  printJson(stackJsonSchema(await catalogue.schemas()), 2)
  return 0
}
