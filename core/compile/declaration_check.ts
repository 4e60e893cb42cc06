/** Checks the declarations of a recipe: the call, the properties with the values of queries, the options and the key. */
import type { HostReader } from '../host/types.ts'
import type { ConvergeError } from '../model/errors.ts'
import type { Query } from '../model/query.ts'
import { readOnly } from '../model/read_only.ts'
import { references, resolveReferences } from '../model/reference.ts'
import type { AnyDefinition, PlannedResource } from '../model/resource.ts'
import { asynchronousQuery, callProblem, isPromise } from './call.ts'
import { keyProblem } from './declaration_problems.ts'
import { optionProblems, withoutOptions } from './options.ts'
import { withPlaceholders } from './placeholders.ts'
import { type CheckedProps, checkProps, hidden, type Mask } from './props.ts'
import type { PropsMemory } from './props_memory.ts'
import { callerOf } from './source.ts'

type DeclaredIn = Pick<PlannedResource, 'role' | 'event' | 'source'>

interface Declared {
  /** The host to which the plan is being bound; null while recipes are compiled. */
  readonly host: HostReader | null
  /** The resources that were declared before. */
  readonly byName: ReadonlyMap<string, PlannedResource>
}

export class DeclarationCheck {
  /** @param mask masks secrets in properties that errors quote, before they are quoted or truncated */
  constructor(
    private readonly mask: Mask,
    private readonly memory: PropsMemory | null,
  ) {}

  /** Checks a call of a resource type. @returns the resource, or what is wrong with the call */
  call(
    definition: AnyDefinition,
    args: readonly unknown[],
    declaredIn: DeclaredIn,
    declared: Declared,
  ): PlannedResource | readonly ConvergeError[] {
    const { type } = definition
    const wrongCall = callProblem(type, args, this.mask)
    if (wrongCall !== null) return [wrongCall.at({ resource: type, source: declaredIn.source() })]
    return this.planned(definition, args[0] as Readonly<Record<string, unknown>>, declaredIn, declared)
  }

  /** Checks a declaration. @returns the resource, or what is wrong with it */
  planned(
    definition: AnyDefinition,
    declaration: Readonly<Record<string, unknown>>,
    declaredIn: DeclaredIn,
    { host, byName }: Declared,
  ): PlannedResource | readonly ConvergeError[] {
    const { type } = definition
    const at = (problem: ConvergeError) => problem.at({ resource: type, source: declaredIn.source() })
    const { props, options } = withoutOptions(definition, declaration)
    const mask = options.sensitive ? hidden : this.mask
    const { hasReferences, ...parsed } = this.checkProperties(definition, props, mask, host)
    const wrong = [...('problems' in parsed ? parsed.problems : []), ...optionProblems(type, options)]
    if ('problems' in parsed || wrong.length > 0) return wrong.map(at)
    const key: unknown = definition.key(hasReferences ? withPlaceholders(parsed.props, byName) : parsed.props)
    if (typeof key !== 'string' || key === '') return [at(keyProblem(definition, key, this.mask))]
    return { definition, type, key, name: `${type} ${key}`, props: parsed.props, hasReferences, options, ...declaredIn }
  }

  /** Checks properties in which the values of queries replace the references to them. */
  private checkProperties(definition: AnyDefinition, props: object, mask: Mask, host: HostReader | null): CheckedProps {
    const checked = this.memory?.check(definition, props, mask) ?? checkProps(definition, props, mask)
    if (!checked.hasReferences || !references(props).some(({ query }) => query !== undefined)) return checked
    const problems: ConvergeError[] = []
    const bound = resolveReferences(props, (reference) => {
      const { query, transform } = reference
      if (query === undefined) return reference
      const value = host === null ? query.unread : readQuery(query, host)
      if (isPromise(value)) problems.push(asynchronousQuery(query))
      return transform && problems.length === 0 ? transform(value as never) : value
    })
    if (problems.length > 0) return { problems, hasReferences: true }
    return checkProps(definition, bound as object, mask)
  }
}

export function readQuery<V>(query: Query<V>, host: HostReader): V {
  return query.read(readOnly(host, `the query "${query.name}"`, callerOf))
}
