/** Runs `converge agent`: enrols and revokes hosts, lists them, and runs the agent of this host. */
import { resolve } from 'node:path'
import type { BusDirectory } from '../../bus/bus_directory.ts'
import { asConvergeError } from '../../model/errors.ts'
import { plain } from '../../report/printable.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print } from '../print.ts'
import { stackInputs } from '../stack/inputs.ts'
import { requestedHost } from '../stack/requested_host.ts'
import type { StackCommand } from '../stack/stack_command.ts'
import { busDirectoryOf } from '../stack/state_directory.ts'
import { usage } from '../usage.ts'

/** How long a token is valid. Seconds. */
const tokenLifetime = 3600

export async function agentCommand<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args } = call
  switch (args.argument) {
    case 'invite':
      return invite(call)
    case 'revoke':
      return revoke(call)
    case 'list':
      return list(call)
    case 'enrol':
      return enrolHost(call)
    case 'run':
      return run(call)
    default:
      throw usage(
        `unknown argument ${args.argument}: expected invite, enrol, run, list or revoke`,
        'converge agent --help explains them',
      )
  }
}

async function busOf<N>(call: StackCommand<N>) {
  const { BusDirectory } = await import('../../bus/bus_directory.ts')
  const { stack } = await stackInputs(call)
  const directory: BusDirectory = new BusDirectory(busDirectoryOf(stack))
  directory.settings()
  return { stack, directory }
}

async function invite<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { stack, directory } = await busOf(call)
  const { name } = requestedHost(stack, call.args.secondArgument)
  print(`${directory.invite(name, tokenLifetime, Date.now())}\n`)
  return 0
}

async function revoke<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { revokeHost } = await import('../../bus/control_plane.ts')
  // The stack file may no longer have the host.
  const host = call.args.secondArgument
  if (host === undefined) throw usage('missing argument HOST', 'name the host: converge agent revoke HOST')
  const { directory } = await busOf(call)
  const wasEnrolled = await revokeHost(directory, host)
  print(wasEnrolled ? `${host} is revoked\n` : `${host} was not enrolled\n`)
  return 0
}

async function list<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { AgentConnector } = await import('../../fleet/remote/agent_transport.ts')
  const { directory } = await busOf(call)
  const agents = new AgentConnector(directory, { connect: 3, silence: 10 })
  const lines = await Promise.all(
    directory.hosts().map(async ({ host, since }) => {
      try {
        const transport = await agents.open(host)
        transport.close()
        return `${host}  answers  enrolled ${since}\n`
      } catch (thrown) {
        return `${host}  ${asConvergeError(thrown).message}  enrolled ${since}\n`
      }
    }),
  )
  print(lines.length === 0 ? 'no host is enrolled\n' : lines.join(''))
  return 0
}

async function agentDirectory<N>({ args }: StackCommand<N>) {
  const { AgentDirectory, defaultAgentDirectory } = await import('../../agent/agent_directory.ts')
  return new AgentDirectory(resolve(args.stateDir ?? defaultAgentDirectory))
}

async function enrolHost<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { enrol } = await import('../../agent/enrol.ts')
  const { secondArgument } = call.args
  if (secondArgument === undefined)
    throw usage('missing argument TOKEN', 'give the token that converge agent invite has printed, or - to read it')
  const token = secondArgument === '-' ? await readInput() : secondArgument
  const { host, stack } = await enrol(token.trim(), await agentDirectory(call))
  print(`enrolled as ${host} of ${stack}\n`)
  return 0
}

async function readInput(): Promise<string> {
  let text = ''
  for await (const part of process.stdin) text += part
  return text
}

async function run<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { Agent } = await import('../../agent/agent.ts')
  const directory = await agentDirectory(call)
  const log = (line: string) => print(`${plain(line)}\n`)
  const agent = new Agent({ directory, version: call.catalogue.version, log })
  const stop = () => void agent.stop()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  await agent.run()
  call.endProcess()
  return 0
}
