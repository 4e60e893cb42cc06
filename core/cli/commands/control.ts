/** Runs `converge control`: the bus of a stack, and the enrolment of its hosts, until it is interrupted. */
import { hostname } from 'node:os'
import type { ExitStatus } from '../exit_status.ts'
import { print } from '../print.ts'
import { stackInputs } from '../stack/inputs.ts'
import type { StackCommand } from '../stack/stack_command.ts'
import { busDirectoryOf } from '../stack/state_directory.ts'
import { usage } from '../usage.ts'

export async function controlCommand<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args } = call
  const [{ BusDirectory }, { checkServer }, { startControlPlane }] = await Promise.all([
    import('../../bus/bus_directory.ts'),
    import('../../bus/server.ts'),
    import('../../bus/control_plane.ts'),
  ])
  const { stack } = await stackInputs(call)
  const given = args.listen === undefined ? null : listenAddress(args.listen)
  const program = args.natsServer ?? 'nats-server'
  const version = await checkServer(program)
  const directory = new BusDirectory(busDirectoryOf(stack))
  // Enrolled hosts know the port and the address: a start without the options keeps both.
  const earlier = directory.exists ? directory.settings() : null
  const listen = given ?? earlier?.listen ?? listenAddress('0.0.0.0:4222')
  const address = args.address ?? earlier?.address ?? hostname()
  await directory.prepare({ stack: stack.name, listen, address })
  const log = (line: string) => print(`${line}\n`)
  const ended = new Promise<void>((end) => {
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
  const running = await startControlPlane({ directory, program, log })
  log(
    `control plane of ${stack.name}: nats-server ${version} on ${listen.host}:${listen.port}, hosts reach it as ${address}`,
  )
  await ended
  await running.stop()
  return 0
}

/** The next port is that of the enrolment. */
function listenAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', digits = ''] = /^\[?([^\]]*)\]?:(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (host !== '' && port >= 1 && port < 65_535) return { host, port }
  throw usage(`invalid --listen ${text}: expected ADDRESS:PORT`, 'for example --listen 0.0.0.0:4222')
}
