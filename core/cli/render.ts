/** Runs `converge render`: renders the files that the roles would write, from the attributes alone. */

import { compile, defaultEvents, type Plan } from '../compile/compile.ts'
import { checkProps } from '../compile/props.ts'
import { recipeFault } from '../compile/source.ts'
import { ConvergeError, problemsOf, throwProblems } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { resolveReferences } from '../model/reference.ts'
import type { PlannedResource, RenderedFile } from '../model/resource.ts'
import type { Secrets } from '../model/secrets.ts'
import { neutralFacts } from '../node/facts.ts'
import { withLocations } from '../node/located.ts'
import type { Catalogue } from './catalogue.ts'
import { compiled, gather } from './gather.ts'
import { warningText } from './inputs.ts'
import type { Arguments } from './options.ts'
import { printContent, printError, printJson } from './print.ts'
import type { ExitStatus } from './process.ts'

export async function render<N>(args: Arguments, catalogue: Catalogue<N>, secrets: Secrets): Promise<ExitStatus> {
  const warn = (text: string) => printError(`warning: ${secrets.mask(text).replace(/\n(?=\S)/g, '\n  ')}\n`)
  const inputs = await gather(args, catalogue, secrets, { facts: neutralFacts, events: defaultEvents })
  for (const warning of inputs.built.warnings) warn(warningText(warning))
  const plan = await compiled(
    () =>
      withLocations(inputs.built, () =>
        compile(inputs.roles, defaultEvents, inputs.node(defaultEvents, null), { mask: (text) => secrets.mask(text) }),
      ),
    () => inputs.diagnose(defaultEvents, null),
  )
  for (const warning of plan.warnings) warn(warning)
  const files = await renderedFiles(plan)
  if (args.path === undefined) {
    printJson({ files }, 2)
    return 0
  }
  const wanted = args.path
  const matches = Object.keys(files).filter((path) => path === wanted || path.endsWith(`/${wanted}`))
  const [match] = matches
  if (match === undefined || matches.length > 1)
    throw new ConvergeError(
      match === undefined
        ? `no rendered file is or ends in ${wanted}`
        : `${wanted} is the end of several: ${matches.join(', ')}`,
      {
        code: 'NO_SUCH_FILE',
        hint: nearest(wanted, Object.keys(files)) ?? `there are: ${Object.keys(files).join(', ')}`,
        usage: true,
      },
    )
  printContent(files[match]?.content ?? '')
  return 0
}

type Files = Readonly<Record<string, Omit<RenderedFile, 'path'>>>

/**
 * Returns the files that a plan would write, by path.
 * @throws InvalidInput with each resource whose files cannot be rendered
 */
export async function renderedFiles(plan: Plan): Promise<Files> {
  const { files, problems } = await draftFiles(plan)
  throwProblems(problems, 'the files cannot be made')
  return files
}

/** Returns the files that can be rendered, and the problems of the others. */
export async function draftFiles({
  resources,
}: Plan): Promise<{ readonly files: Files; readonly problems: readonly ConvergeError[] }> {
  const files: Record<string, Omit<RenderedFile, 'path'>> = {}
  const problems: ConvergeError[] = []
  const byName = new Map(resources.map((resource) => [resource.name, resource]))
  for (const resource of resources) {
    const { implementation } = resource.definition
    if (!implementation.files || resource.options.onlyIf === false || resource.options.notIf === true) continue
    await implementation.prepare?.()
    try {
      for (const { path, ...file } of implementation.files(withPlaceholders(resource, byName))) files[path] = file
    } catch (thrown) {
      const { name, source } = resource
      const fault = recipeFault(thrown, `the files of ${name} cannot be made`, source())
      problems.push(...problemsOf(fault).map((problem) => problem.at({ resource: name, source: source() })))
    }
  }
  return { files, problems }
}

/** Replaces values that only a run can know with placeholders, e.g. `releases/<release>`. */
function withPlaceholders(resource: PlannedResource, byName: ReadonlyMap<string, PlannedResource>): unknown {
  if (!resource.hasReferences) return resource.props
  const props = resolveReferences(resource.props, ({ provider, output, transform }) => {
    const definition = byName.get(provider)?.definition
    const outputs = definition?.implementation.placeholders?.(byName.get(provider)?.props) as
      | Record<string, unknown>
      | undefined
    const value = outputs?.[output] ?? `<${output} of ${provider}>`
    return transform ? transform(value as never) : value
  })
  const checked = checkProps(resource.definition, props as object)
  return 'props' in checked ? checked.props : props
}
