/** `converge stack schema`: what a stack file may say, for editors. */
import { stackJsonSchema } from '../../fleet/stack/json_schema.ts'
import type { ExitStatus } from '../process.ts'
import type { StackCall } from './call.ts'

export async function schema<N>({ catalogue }: StackCall<N>): Promise<ExitStatus> {
  process.stdout.write(`${JSON.stringify(stackJsonSchema(await catalogue.schemas()), null, 2)}\n`)
  return 0
}
