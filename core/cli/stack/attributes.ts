/** Runs `converge stack attributes HOST`: prints the attributes of a host of a stack, and where each comes from. */
import { printAttributes } from '../attribute_output.ts'
import type { ExitStatus } from '../exit_status.ts'
import { factsOf } from './host_check.ts'
import { stackInputs } from './inputs.ts'
import { StackNodes } from './nodes.ts'
import { requestedHost } from './requested_host.ts'
import type { StackCommand } from './stack_command.ts'

export async function attributes<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const inputs = await stackInputs(call)
  const host = requestedHost(inputs.stack, args.argument)
  const nodes = await StackNodes.of(call, inputs)
  const { mergedNode } = await nodes.build(host, factsOf(host))
  await printAttributes(mergedNode, args, secrets)
  return 0
}
