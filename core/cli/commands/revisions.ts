/** Runs `converge revisions`: prints the commit that a deploy would use, for each app of the roles. */
import { compile } from '../../compile/compile.ts'
import { openHost } from '../../host/open_host.ts'
import type { Secrets } from '../../model/secrets.ts'
import { withLocations } from '../../node/located.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { loadInputs } from '../inputs/run_inputs.ts'
import { print, printError, printJson } from '../print.ts'

export async function revisions<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const warn = (text: string) => printError(`warning: ${secrets.mask(text)}\n`)
  const inputs = await loadInputs(args, catalogue, secrets)
  for (const warning of inputs.mergedNode.warnings) warn(warningText(warning))
  const host = await openHost(inputs.stateDirectory)
  const plans = inputs.roles.map((role) => {
    const event = role.events.has('build') ? 'build' : 'deploy'
    return withLocations(inputs.mergedNode, () =>
      compile([role], [event], inputs.buildRecipeNode([event]), { mask: (text) => secrets.mask(text) }).bind(host),
    )
  })
  for (const text of new Set(plans.flatMap(({ warnings }) => warnings))) warn(text)
  // Two roles of one app, such as zeo-client and celerybeat, share one release.
  const resources = new Map(plans.flatMap((plan) => plan.resources.map((one) => [one.name, one])))
  const context = { warn, secret: (value: string) => secrets.add(value) }
  const appRevisions = await catalogue.revisions([...resources.values()], host, context)
  if (args.jsonOutput) for (const one of appRevisions) printJson(secrets.maskDeep(one))
  else if (appRevisions.length === 0) print('none of these roles has releases\n')
  else
    for (const { app, revision, commit } of appRevisions)
      print(
        `${app}  ${revision === null ? 'a directory of this host' : `${secrets.mask(revision)}  ${commit ?? 'known once it is fetched'}`}\n`,
      )
  return 0
}
