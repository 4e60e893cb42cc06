/** Refuses changes outside the prefix in runs of root: such a run may change only what is below its prefix. */
import { ConvergeError } from '../model/errors.ts'
import type { AnyDefinition, PlannedResource } from '../model/resource.ts'
import { changedProperties, kindOfChange } from '../report/change_rows.ts'
import type { StatePatch } from './state_patch.ts'

/** Characters of a command in a message. */
const longestCommand = 120

/** A change that a run is about to make. */
interface IntendedChange {
  readonly resource: PlannedResource
  /** Properties with values instead of references. */
  readonly props: unknown
  /** Computes its patch, for the message. */
  readonly patch: () => Promise<StatePatch>
}

/** @throws OUTSIDE_PREFIX for a resource whose change reaches something else than paths below the prefix */
export async function refuseOutside(prefix: string, { resource, props, patch }: IntendedChange): Promise<void> {
  const { definition } = resource
  const reached = reachOf(definition, props)
  if (reached === 'system')
    throw new ConvergeError(
      `it would change the system outside the prefix ${prefix}: ${describe(resource, props, await patch())}${declaredBy(resource)}`,
      {
        code: 'OUTSIDE_PREFIX',
        hint:
          definition.type === 'execute'
            ? 'set contained: true if the command changes nothing outside the prefix; else try the role in a copy of the system with converge verify'
            : 'run converge verify to try the role in a copy of the system, or leave out --prefix to change this system',
      },
    )
  const outside = reached.find((path) => !isBelow(prefix, path))
  if (outside === undefined) return
  throw new ConvergeError(`${outside} is outside the prefix ${prefix}${declaredBy(resource)}`, {
    code: 'OUTSIDE_PREFIX',
    hint: 'pass the path through placed(node, path), or try the role in a copy of the system with converge verify',
  })
}

function describe(resource: PlannedResource, props: unknown, { operations }: StatePatch): string {
  const { name, type, key, role, event, options } = resource
  if (type === 'execute' && options.sensitive !== true) return `it runs ${commandOf(props)}`
  const kind = kindOfChange(operations)
  const report = { name, type, key, role, event, outcome: 'planned', durationMs: 0, patch: operations } as const
  const changes = changedProperties(report).map(({ name, before, after }) =>
    kind === 'create' || before === null ? `${name} ${after}` : `${name}: ${before} -> ${after}`,
  )
  if (kind === 'remove') return 'it removes what exists'
  if (changes.length > 0) return changes.join(', ')
  return kind === 'create' ? `it creates ${name}` : 'it acts again, because a resource in its `when` has changed'
}

function commandOf(props: unknown): string {
  const command: unknown = typeof props === 'object' && props !== null && 'command' in props ? props.command : []
  const text = Array.isArray(command) ? command.join(' ') : `${command}`
  return text.length > longestCommand ? `${text.slice(0, longestCommand - 1)}…` : text
}

/** A recipe of the user is named by its line. */
function declaredBy({ source, role, event }: PlannedResource): string {
  return source() === undefined ? ` (declared by ${event} of the role ${role})` : ''
}

/** Returns the paths that a change reaches; `system` if it can reach anything. */
function reachOf({ implementation, reach }: AnyDefinition, props: unknown): 'system' | readonly string[] {
  const paths = (implementation.paths?.(props) ?? []).filter((path) => typeof path === 'string')
  if (typeof reach === 'function') {
    const further = reach(props)
    return further === 'system' ? further : [...paths, ...further]
  }
  if (reach !== undefined) return reach === 'system' ? reach : paths
  return implementation.paths === undefined || implementation.predict !== undefined ? 'system' : paths
}

function isBelow(prefix: string, path: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
