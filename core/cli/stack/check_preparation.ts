/** Checks the preparations of a rollout before it connects: the route to each host, and the recipes to upload. */
import { invalidHop } from '../../fleet/ssh/jump.ts'
import { resolveTarget } from '../../fleet/ssh/target.ts'
import { readUserConfig } from '../../fleet/ssh/user_config.ts'
import type { StackHost } from '../../fleet/stack/stack.ts'
import { type ConvergeError, problemsOf } from '../../model/errors.ts'
import { withHome } from './hosts.ts'
import type { StackInputs } from './inputs.ts'

export async function preparationProblems<N>({ stack, packed }: StackInputs<N>): Promise<readonly ConvergeError[]> {
  const connections = await collectProblems(() => connectionProblems(stack.hosts))
  const recipes = await collectProblems(async () => {
    await packed()
    return []
  })
  return [...connections, ...recipes]
}

async function connectionProblems(hosts: readonly StackHost[]): Promise<readonly ConvergeError[]> {
  const config = await readUserConfig()
  const problems: ConvergeError[] = []
  for (const host of hosts) {
    // The check of the stack file reports it with its line.
    if (host.jump !== undefined && invalidHop(host.jump) !== null) continue
    try {
      resolveTarget(withHome(host), config)
    } catch (error) {
      problems.push(...problemsOf(error))
    }
  }
  return problems
}

async function collectProblems(work: () => Promise<readonly ConvergeError[]>): Promise<readonly ConvergeError[]> {
  try {
    return await work()
  } catch (error) {
    return problemsOf(error)
  }
}
