/** Renders the files that the resources of a plan would write. */
import type { Plan } from '../../compile/compile.ts'
import { checkProps } from '../../compile/props.ts'
import { recipeFault } from '../../compile/source.ts'
import { type ConvergeError, problemsOf, throwProblems } from '../../model/errors.ts'
import { resolveReferences } from '../../model/reference.ts'
import type { PlannedResource, RenderedFile } from '../../model/resource.ts'

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
