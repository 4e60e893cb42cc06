/** Prepares the hosts of a stack for connections: keys, jump hosts, sudo, and the files to upload. */
import type { AgentConnector } from '../../fleet/remote/agent_transport.ts'
import { engineFiles } from '../../fleet/remote/packed_directory.ts'
import { RemoteHost } from '../../fleet/remote/remote_host.ts'
import type { SshTransport, Sudo } from '../../fleet/remote/ssh_transport.ts'
import type { RolloutHost } from '../../fleet/rollout/state/request.ts'
import type { Screen } from '../../fleet/screen/screen.ts'
import { connector } from '../../fleet/ssh/connect.ts'
import { resolveTarget, type SshTarget } from '../../fleet/ssh/target.ts'
import { readUserConfig } from '../../fleet/ssh/user_config.ts'
import { hostNamed } from '../../fleet/stack/documents.ts'
import type { Stack, StackHost } from '../../fleet/stack/stack.ts'
import type { EmitEvent } from '../../fleet/types.ts'
import { expandHome } from '../../host/home_path.ts'
import { asConvergeError, type ConvergeError, throwProblems } from '../../model/errors.ts'
import type { Arguments } from '../command_specs/list.ts'
import { cacheDirectory } from '../inputs/read_inputs.ts'
import type { StackInputs } from './inputs.ts'
import { hasTerminal, Prompter } from './prompt.ts'
import type { SelectableHost } from './select.ts'
import type { StackCommand } from './stack_command.ts'
import { busDirectoryOf } from './state_directory.ts'
import { sudoPassword } from './sudo_password.ts'

export interface FleetOptions {
  readonly hosts: readonly SelectableHost[]
  readonly emit: EmitEvent
  readonly screen: Pick<Screen, 'pause' | 'resume'>
  /** Name of the rollout. */
  readonly rollout: string
  /** Its operator. */
  readonly by: string
  /** Number and comment of the deployment; null if none is recorded. */
  readonly deployment?: (() => string | null) | undefined
}

/** @throws InvalidInput with the problems of ~/.ssh/config, or of an address */
export async function fleetHosts<N>(
  call: StackCommand<N>,
  { stack, packed }: StackInputs<N>,
  { hosts, emit, screen, rollout, by, deployment }: FleetOptions,
): Promise<RolloutHost[]> {
  const { args, catalogue } = call
  const warn = (message: string) => emit({ event: 'warning', message })
  const note = (message: string) => emit({ event: 'note', message })
  const reached = await reachableHosts(call, stack, { hosts, warn, note, screen })
  const engine = engineFiles(catalogue.engineDirectory())
  const packedRecipes = await packed()
  const recipes = packedRecipes && new Map([...packedRecipes].map(([name, content]) => [name, { content }]))
  const runtimes = { cacheDirectory: cacheDirectory(), programs: stack.runtimes }
  return reached.map(({ selectable, host, open, sudo }): RolloutHost => {
    const { name } = selectable
    const remote = new RemoteHost({
      name,
      open,
      sudo,
      stack: stack.name,
      prefix: host.prefix ?? null,
      engine,
      recipes,
      runtimes,
      rollout,
      by,
      deployment,
      secrets: stack.secrets,
      step: (step) => emit({ event: 'host', host: name, phase: 'bring', step }),
      connection: (state, detail) =>
        emit({ event: 'connection', host: name, state, ...(detail === '' ? {} : { detail }) }),
      patience: args.reconnect ?? 120,
      planOptions: planOptions(args),
    })
    return { ...selectable, address: host.address, client: remote }
  })
}

/** Returns the options of `converge stack plan` that each host gets. */
function planOptions({ explain, only = [], skip = [] }: Arguments): string[] {
  return [
    ...(explain === true ? ['--explain'] : []),
    ...only.flatMap((part) => ['--only', part]),
    ...skip.flatMap((part) => ['--skip', part]),
  ]
}

/** A host with its route, not connected yet. */
export interface ReachableHost<P> {
  readonly selectable: P
  readonly host: StackHost
  readonly target: SshTarget
  open(): Promise<SshTransport>
  readonly sudo: Sudo
}

interface ReachOptions<P> {
  readonly hosts: readonly P[]
  readonly warn: (message: string) => void
  readonly note: (message: string) => void
  readonly screen: Pick<Screen, 'pause' | 'resume'>
}

/** @throws InvalidInput with the problems of ~/.ssh/config, or of an address */
export async function reachableHosts<N, P extends { readonly name: string }>(
  { args, secrets }: StackCommand<N>,
  stack: Stack,
  { hosts, warn, note, screen }: ReachOptions<P>,
): Promise<ReachableHost<P>[]> {
  const config = await readUserConfig()
  const prompt = hasTerminal() ? new Prompter(screen).ask : null
  const connections = connector({
    hostKeys: args.acceptNew ? 'accept-new' : 'strict',
    onNewHost: ({ name, type, fingerprint }) =>
      note(`${name} was not known; its ${type} key is trusted from now on: ${fingerprint}`),
    prompt,
  })
  const ask = sudoPassword(prompt, (password) => secrets.add(password))
  const agents = agentConnector(stack)
  const problems: ConvergeError[] = []
  const reached = hosts.flatMap((selectable): ReachableHost<P>[] => {
    const host = hostNamed(stack, selectable.name)
    try {
      const target = resolveTarget(withHome(host), config)
      if (host.transport === 'agent') {
        const open = async () => (await agents()).open(host.name)
        return [{ selectable, host, target, open, sudo: 'none' }]
      }
      const open = () => connections.connect(target)
      return [{ selectable, host, target, open, sudo: sudoOf(host, target.user, ask) }]
    } catch (thrown) {
      problems.push(asConvergeError(thrown))
      return []
    }
  })
  for (const message of config.warnings) warn(message)
  throwProblems(problems)
  return reached
}

/** Returns a function that makes the connector of agents when the first host requires it, and then the same one. */
function agentConnector(stack: Stack): () => Promise<AgentConnector> {
  const make = async () => {
    const [{ AgentConnector }, { BusDirectory }] = await Promise.all([
      import('../../fleet/remote/agent_transport.ts'),
      import('../../bus/bus_directory.ts'),
    ])
    return new AgentConnector(new BusDirectory(busDirectoryOf(stack)))
  }
  let made: Promise<AgentConnector> | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Expands the operator's home directory in the path of the host's key. */
export function withHome(host: StackHost): StackHost {
  return { ...host, identity: host.identity && expandHome(host.identity) }
}

function sudoOf({ sudo }: StackHost, user: string, ask: () => Promise<string>): Sudo {
  if (sudo === false || user === 'root') return 'none'
  return sudo === 'password' ? { password: ask } : 'free'
}
