/** Runs `converge stack check`: finds all mistakes in a stack that can be found without connecting to a host. */
import picocolors from 'picocolors'
import { many } from '../../fleet/screen/text.ts'
import type { Concern } from '../../fleet/stack/services.ts'
import type { Stack } from '../../fleet/stack/stack.ts'
import { throwProblems } from '../../model/errors.ts'
import { byPosition } from '../../model/findings.ts'
import { plain } from '../../report/printable.ts'
import type { ExitStatus } from '../exit_status.ts'
import { withWarnings } from '../inputs/input_warnings.ts'
import { warningText } from '../inputs/read_inputs.ts'
import { print, printError, printJson, useColor } from '../print.ts'
import { preparationProblems } from './check_preparation.ts'
import { type CompiledStack, concernText, draftHosts } from './compile_stack.ts'
import { checkEnvironments } from './environments.ts'
import { draftInputs, openStack } from './inputs.ts'
import type { StackCommand } from './stack_command.ts'

export async function check<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, secrets } = call
  const source = await openStack(call)
  const { inputs, draft } = await draftInputs(call, source, args.environment)
  const { concerns, problems: ofHosts } = await draftHosts(call, inputs, draft)
  const problems = [...draft.problems, ...ofHosts, ...(await preparationProblems(inputs))]
  const others =
    args.environment === undefined ? await checkEnvironments(call, source, problems) : { problems: [], skipped: [] }
  const all = [...stackConcerns(inputs.stack, concerns), ...others.skipped]
  await withWarnings(
    () => all.map((concern) => concernText(concern, inputs.stack)),
    () => throwProblems(byPosition([...problems, ...others.problems]), `${inputs.stack.file} is not a valid stack`),
  )
  if (args.jsonOutput) {
    const { name, environment, hosts } = inputs.stack
    const output = { stack: name, environment, hosts: hosts.map((host) => host.name), warnings: all }
    printJson(secrets.maskDeep(output), 2)
    return 0
  }
  const isColored = args.color ?? useColor(process.stderr)
  const color = picocolors.createColors(isColored)
  for (const concern of all) {
    const text = plain(concernText(concern, inputs.stack))
    printError(secrets.mask(`${color.yellow('warning:')} ${text}\n`), isColored)
  }
  print(`${verdict(inputs.stack, all.length)}\n`)
  return 0
}

/** Lists the concerns about the stack, those about the file itself first. */
function stackConcerns({ warnings }: Stack, concerns: CompiledStack['concerns']): readonly Concern[] {
  return [...warnings.map((warning) => ({ message: warningText(warning), hosts: [] })), ...concerns]
}

function verdict({ name, environment, hosts, layers, apps }: Stack, warnings: number): string {
  const sizes = `${many(hosts.length, 'host')}, ${many(layers.length, 'layer')}, ${many(apps.length, 'app')}`
  const rest = warnings === 0 ? 'nothing wrong' : `nothing wrong, ${many(warnings, 'warning')}`
  return `${name}${environment === null ? '' : ` (${environment})`}: ${sizes}: ${rest}`
}
