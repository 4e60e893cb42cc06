/** Chooses resources of a plan by type and key, for --only and --skip. */
import { ConvergeError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { PlannedResource } from '../model/resource.ts'
import { optionsOf, type Selection } from '../model/selection.ts'
import type { Plan } from './compile.ts'

/** Events whose resources record together what happens to the app; a part of them would leave a false record. */
const indivisibleEvents: readonly string[] = ['rollback', 'stop', 'shutdown', 'undeploy']

/**
 * Marks what a selection leaves out of a bound plan.
 * @throws ConvergeError where a pattern matches no resource, or where the plan has an event that cannot be divided
 */
export function withSelection(plan: Plan, selection: Selection | null): Plan {
  if (selection === null) return plan
  const indivisible = plan.events.find((event) => indivisibleEvents.includes(event))
  if (indivisible !== undefined)
    throw usage(
      `${optionsOf(selection)} cannot be used with ${indivisible}: its records would not be true`,
      `run ${indivisible} without ${optionsOf(selection)}`,
    )
  const { resources } = plan
  if (resources.length === 0)
    throw usage(
      `${optionsOf(selection)}: the roles declare no resources for ${plan.events.join(', ')}`,
      'name another role or event',
    )
  const matcher = (option: string) => (pattern: string) => findMatches(pattern, option, resources)
  const only = selection.only.map(matcher('--only'))
  const skip = selection.skip.map(matcher('--skip'))
  const isChosen = ({ name }: PlannedResource) =>
    (only.length === 0 || only.some((names) => names.has(name))) && !skip.some((names) => names.has(name))
  const leftOut = new Set(resources.flatMap((one) => (isChosen(one) ? [] : [one.name])))
  if (leftOut.size === resources.length)
    throw usage(
      `nothing is left of the ${resources.length} resources of this run (${optionsOf(selection)})`,
      'remove a --skip, or add an --only',
    )
  const selected: Plan = Object.freeze({ ...plan, selection, leftOut, bind: () => selected })
  return selected
}

/** The names of the resources that a pattern matches. */
function findMatches(pattern: string, option: string, resources: readonly PlannedResource[]): ReadonlySet<string> {
  // Plans print `TYPE KEY`: that works as well.
  const [, type = pattern, key] = /^([^/ ]+)[/ ](.+)$/s.exec(pattern) ?? []
  const [typeTest, keyTest] = [globExpression(type), globExpression(key ?? '*')]
  const ofType = resources.filter((one) => typeTest.test(one.type))
  const found = ofType.filter((one) => keyTest.test(one.key))
  if (found.length > 0) return new Set(found.map(({ name }) => name))
  const types = [...new Set(resources.map((one) => one.type))].sort()
  if (ofType.length === 0)
    throw usage(
      `${option} ${pattern}: this run has no resource of the type ${type}`,
      nearest(type, types) ?? `it has: ${types.join(', ')}`,
    )
  const keys = ofType.map((one) => one.key)
  const listed = keys.slice(0, 5).map((one) => one.split('\n', 1)[0])
  const more = keys.length > listed.length ? ` and ${keys.length - listed.length} more` : ''
  throw usage(
    `${option} ${pattern}: this run has no ${type} with such a key`,
    nearest(key ?? '', keys) ?? `it has: ${listed.join(', ')}${more}; * stands for any characters`,
  )
}

/** `*` also matches slashes, since most keys are paths. */
function globExpression(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's')
}

function usage(message: string, hint: string): ConvergeError {
  return new ConvergeError(message, { code: 'INVALID_SELECTION', hint, usage: true })
}
