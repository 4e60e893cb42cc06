/** Runs `converge debug-client`: an interactive Zope client of the current release, outside the balancer. */
import { resolve } from 'node:path'
import { openHost } from '../../host/open_host.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { loadInputs } from '../inputs/run_inputs.ts'

export async function debugClientCommand<N>(
  args: Arguments,
  catalogue: Catalogue<N>,
  secrets: Secrets,
): Promise<ExitStatus> {
  const inputs = await loadInputs(args, catalogue, secrets)
  const host = await openHost(inputs.stateDirectory)
  const roles = inputs.roles.map(({ name }) => name)
  if (!roles.includes('zeo-client'))
    throw new ConvergeError(`no role of ${roles.join(', ')} has a Zope client`, {
      code: 'NO_DEBUG_CLIENT',
      hint: 'name the role of the clients: --role zeo-client',
      usage: true,
    })
  const client = await catalogue.debugClient(inputs.buildRecipeNode([]), host)
  const words = args.argument === undefined ? ['debug'] : ['run', resolve(args.argument)]
  process.stderr.write(`${client.app}: a debug client of ${client.release}, without a port; exit with Ctrl-D\n`)
  try {
    const { account, directory: cwd, environment } = client
    const status = await host.interact([client.script, ...words], { ...account, cwd, environment })
    return status === 0 ? 0 : 1
  } finally {
    client.remove()
    await host.close()
  }
}
