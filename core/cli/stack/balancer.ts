/** Runs `converge stack balancer`: the command `converge balancer` on the hosts of the stack that run a balancer. */
import * as z from 'zod'
import type { CommandResult } from '../../fleet/operate/results.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { ExitStatus } from '../exit_status.ts'
import { usage } from '../usage.ts'
import { stackInputs } from './inputs.ts'
import { selectedHosts } from './operate.ts'
import type { StackCommand } from './stack_command.ts'
import { runThisHost } from './this_host.ts'

export async function balancer<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { argument: action = 'list', secondArgument: server, wait, jsonOutput } = call.args
  if (action !== 'list' && server === undefined)
    throw usage(`missing argument SERVER of stack balancer ${action}`, 'converge stack balancer list names them')
  if (action === 'list' && server !== undefined)
    throw usage(`stack balancer list takes no server: ${server}`, 'leave the name out: the list has every server')
  const inputs = await stackInputs(call)
  const all = await selectedHosts(call, inputs)
  const hosts = all.filter(({ selectable }) =>
    selectable.roles.some((role) => call.catalogue.balancerRoles.includes(role)),
  )
  if (hosts.length === 0)
    throw new ConvergeError('none of the selected hosts has a role with a balancer', {
      code: 'NO_HOSTS',
      hint: `select hosts with the role ${call.catalogue.balancerRoles.join(' or ')}, or leave out --layer, --host, --app and --limit`,
      usage: true,
    })
  const words = [
    ...['balancer', action],
    ...(server === undefined ? [] : [server]),
    ...(action === 'drain' && wait !== undefined ? ['--wait', `${wait}`] : []),
    ...(jsonOutput ? ['--json-output'] : []),
  ]
  return runThisHost(call, words, { answer: (result) => ({ balancers: balancersIn(result) }) }, hosts)
}

const answerSchema = z.object({ balancers: z.array(z.looseObject({ where: z.string() })) })

/** Returns the balancers in the answer of a host; null if it printed none. */
function balancersIn({ stdout }: CommandResult): z.infer<typeof answerSchema>['balancers'] | null {
  try {
    const parsed = answerSchema.safeParse(JSON.parse(stdout))
    return parsed.success ? parsed.data.balancers : null
  } catch {
    // The host printed no JSON, such as the reason why it could not query anything.
    return null
  }
}
