/** Runs `converge stack exec -- COMMAND`: runs a command on hosts, and prints its output. */
import type { ExitStatus } from '../exit_status.ts'
import { stackInputs } from './inputs.ts'
import { selectedHosts } from './operate.ts'
import { runOnHosts } from './run_on_hosts.ts'
import type { StackCommand } from './stack_command.ts'

export async function exec<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { command = [], user, sudo, jsonOutput } = call.args
  const inputs = await stackInputs(call)
  const hosts = await selectedHosts(call, inputs)
  const words = command.length === 1 ? ['sh', '-c', command[0] ?? ''] : command
  return runOnHosts(call, inputs, hosts, {
    displayedWords: command,
    words: () => words,
    asRoot: sudo === true || user !== undefined,
    account: user ?? null,
    isStreaming: hosts.length === 1 && !jsonOutput,
  })
}
