/** Maps the `converge stack` commands to their functions, and loads each when it is called. */
import { ConvergeError } from '../../model/errors.ts'
import type { CommandSpec } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import type { StackCommand } from './stack_command.ts'

type Handler = <N>(call: StackCommand<N>) => Promise<ExitStatus>

const actions = ['setup', 'configure', 'deploy', 'undeploy', 'shutdown', 'rollback', 'plan', 'status', 'run'] as const

/** The functions by the second word of the command. */
const handlers: Readonly<Record<string, () => Promise<Handler>>> = {
  ...Object.fromEntries(
    actions.map((action) => [action, async () => (await import('./rollout.ts')).rolloutOf(action)]),
  ),
  attributes: async () => (await import('./attributes.ts')).attributes,
  balancer: async () => (await import('./balancer.ts')).balancer,
  check: async () => (await import('./check.ts')).check,
  doctor: async () => (await import('./this_host.ts')).doctor,
  lock: async () => (await import('./this_host.ts')).lock,
  maintenance: async () => (await import('./this_host.ts')).maintenance,
  unlock: async () => (await import('./this_host.ts')).unlock,
  exec: async () => (await import('./exec.ts')).exec,
  logs: async () => (await import('./logs.ts')).logs,
  ssh: async () => (await import('./ssh.ts')).ssh,
  pause: async () => (await import('./pause.ts')).pause,
  continue: async () => (await import('./pause.ts')).continueRollout,
  deployments: async () => (await import('./records.ts')).deployments,
  hooks: async () => (await import('./hooks.ts')).hooks,
  log: async () => (await import('./records.ts')).log,
  schema: async () => (await import('./schema.ts')).schema,
  show: async () => (await import('./show.ts')).show,
  userdata: async () => (await import('./userdata.ts')).userdata,
}

export async function stackCommand<N>({ name }: CommandSpec, call: StackCommand<N>): Promise<ExitStatus> {
  const load = handlers[name.replace(/^\w+ /, '')]
  if (load === undefined) throw new ConvergeError(`the command "${name}" has no function`, { code: 'NO_HANDLER' })
  return (await load())(call)
}
