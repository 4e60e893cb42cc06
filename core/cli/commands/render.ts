/** Runs `converge render`: renders the files that the roles would write, from the attributes alone. */
import { compile, defaultEvents } from '../../compile/compile.ts'
import { ConvergeError } from '../../model/errors.ts'
import { nearest } from '../../model/nearest.ts'
import type { Secrets } from '../../model/secrets.ts'
import { neutralFacts } from '../../node/facts.ts'
import { withLocations } from '../../node/located.ts'
import type { Catalogue } from '../catalogue.ts'
import type { Arguments } from '../command_specs/list.ts'
import type { ExitStatus } from '../exit_status.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { renderedFiles } from '../inputs/rendered_files.ts'
import { compileOrDiagnose, loadInputs } from '../inputs/run_inputs.ts'
import { printContent, printError, printJson } from '../print.ts'

export async function render<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const warn = (text: string) => printError(`warning: ${secrets.mask(text).replace(/\n(?=\S)/g, '\n  ')}\n`)
  const inputs = await loadInputs(args, catalogue, secrets, { facts: neutralFacts, events: defaultEvents })
  for (const warning of inputs.mergedNode.warnings) warn(warningText(warning))
  const plan = await compileOrDiagnose(
    () =>
      withLocations(inputs.mergedNode, () =>
        compile(inputs.roles, defaultEvents, inputs.buildRecipeNode(defaultEvents), {
          mask: (text) => secrets.mask(text),
        }),
      ),
    () => inputs.diagnose(defaultEvents),
  )
  for (const warning of plan.warnings) warn(warning)
  const files = await renderedFiles(plan)
  if (args.path === undefined) {
    printJson({ files }, 2)
    return 0
  }
  const requested = args.path
  const matches = Object.keys(files).filter((path) => path === requested || path.endsWith(`/${requested}`))
  const [match] = matches
  if (match === undefined || matches.length > 1)
    throw new ConvergeError(
      match === undefined
        ? `no rendered file has the path ${requested}, or ends with it`
        : `several rendered files end with ${requested}: ${matches.join(', ')}`,
      {
        code: 'NO_SUCH_FILE',
        hint: nearest(requested, Object.keys(files)) ?? `there are: ${Object.keys(files).join(', ')}`,
        usage: true,
      },
    )
  printContent(files[match]?.content ?? '')
  return 0
}
