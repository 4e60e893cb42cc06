/** Runs recipes, and collects the resources that they declare and the mistakes in them. */
import { ConvergeError, problemsOf, type SourceLocation } from '../model/errors.ts'
import { sameJson } from '../model/json.ts'
import { nearest } from '../model/nearest.ts'
import { isPlainObject, references, resolveReferences } from '../model/reference.ts'
import type { AnyDefinition, CommonOptions, Handle, PlannedResource } from '../model/resource.ts'
import { callProblem } from './call.ts'
import { declaredTwice, keyProblem, unknownReference } from './declaration_problems.ts'
import { Faults } from './faults.ts'
import { optionProblems, withoutOptions } from './options.ts'
import { checkProps, hidden, type Mask, unmasked } from './props.ts'
import type { PropsMemory } from './props_memory.ts'
import { isRole, type Recipe, type RecipeFunction, type Role } from './role.ts'
import { locateFrame, recipeFault } from './source.ts'

export interface Declarations {
  readonly resources: readonly PlannedResource[]
  readonly warnings: readonly string[]
  readonly notes: readonly string[]
  readonly problems: readonly ConvergeError[]
}

/** Runs the recipes of a plan one after the other, and collects the resources that they declare. */
export class RecipeRun<N> implements Recipe<N> {
  private roleName = ''
  private eventName = ''
  private readonly byName = new Map<string, PlannedResource>()
  private readonly faults = new Faults()
  private readonly declared: PlannedResource[] = []
  private readonly warned: string[] = []
  private readonly noted: string[] = []
  private readonly leftOut = new Map<string, ConvergeError[]>()
  private readonly taken = new Set<string>()

  /**
   * @param mask masks secrets in properties that errors quote, before they are quoted or truncated
   * @param memory of the hosts before; with it, the lines of the declarations are not recorded
   */
  constructor(
    private readonly node: N,
    private readonly mask: Mask = unmasked,
    private readonly memory: PropsMemory | null = null,
  ) {
    memory?.begin()
  }

  /** Runs one event of a role in this plan. */
  run(role: Role<N>, event: string): void {
    const recipe = role.events.get(event)
    if (recipe === undefined) return
    const [outerRole, outerEvent] = [this.roleName, this.eventName]
    this.roleName = role.name
    this.eventName = event
    const answer = this.answerOf(recipe, `${event} of the role ${role.name} failed`)
    if (answer instanceof Promise) {
      answer.catch(() => undefined)
      this.faults.add(
        new ConvergeError(`${event} of the role ${role.name} is asynchronous`, {
          code: 'ASYNC_RECIPE',
          hint: 'remove async: a recipe only declares resources; read the host in a check or in a resource',
          usage: true,
        }),
      )
    }
    this.roleName = outerRole
    this.eventName = outerEvent
  }

  /** Collects what the recipe throws, so that the mistakes of all events are reported together. */
  private answerOf(recipe: RecipeFunction<N>, what: string): unknown {
    try {
      return recipe(this, this.node)
    } catch (thrown) {
      const fault = recipeFault(thrown, what)
      this.faults.addThrown(problemsOf(fault), this.roleName)
      return undefined
    }
  }

  include(other: Role<N>, event: string): void {
    if (!isRole(other)) {
      const source = callPosition(this.include)()
      const message = `include: ${other === undefined ? 'undefined' : `a ${typeof other}`} is not a role`
      const hint = 'check the import: the file must export the role under this name'
      this.faults.add(new ConvergeError(message, { code: 'INVALID_ROLE', source, hint, usage: true }))
      return
    }
    if (!other.events.has(event)) {
      const names = [...other.events.keys()]
      this.faults.add(
        new ConvergeError(`the role ${other.name} has no event ${event}`, {
          code: 'UNKNOWN_EVENT',
          source: callPosition(this.include)(),
          hint: nearest(event, names) ?? `it has: ${names.join(', ')}`,
          usage: true,
        }),
      )
    }
    this.run(other, event)
  }

  has(type: string, key: string): boolean {
    return this.byName.has(`${type} ${key}`)
  }

  warn(message: string): void {
    if (!this.warned.includes(message)) this.warned.push(message)
  }

  note(message: string): void {
    if (!this.noted.includes(message)) this.noted.push(message)
  }

  takePart(purpose: string): void {
    this.taken.add(purpose)
  }

  leaveOut(purpose: string, reason: ConvergeError): void {
    this.leftOut.set(purpose, [...(this.leftOut.get(purpose) ?? []), reason])
  }

  declare(definition: AnyDefinition, given: readonly unknown[]): { type: string; key: string } {
    const { type } = definition
    const source = this.memory === null ? callPosition(this.declare) : noPosition
    const wrongCall = callProblem(type, given, this.mask)
    if (wrongCall !== null) {
      return { type, key: this.faults.invalid(wrongCall.at({ resource: type, source: source() })) }
    }
    const { props, options } = withoutOptions(definition, given[0] as Readonly<Record<string, unknown>>)
    const mask = options.sensitive ? hidden : this.mask
    const { hasReferences, ...parsed } =
      this.memory?.check(definition, props, mask) ?? checkProps(definition, props, mask)
    const wrong = [...('problems' in parsed ? parsed.problems : []), ...optionProblems(type, options)]
    if ('problems' in parsed || wrong.length > 0) {
      return { type, key: this.faults.invalid(...wrong.map((one) => one.at({ resource: type, source: source() }))) }
    }
    const key: unknown = definition.key(hasReferences ? this.placeholders(parsed.props) : parsed.props)
    if (typeof key !== 'string' || key === '') {
      const problem = keyProblem(definition, key, this.mask).at({ resource: type, source: source() })
      return { type, key: this.faults.invalid(problem) }
    }
    const name = `${type} ${key}`
    const resource: PlannedResource = {
      definition,
      type,
      key,
      name,
      props: parsed.props,
      hasReferences,
      options,
      role: this.roleName,
      event: this.eventName,
      source,
    }
    this.add(resource)
    return { type, key }
  }

  private add(resource: PlannedResource): void {
    const { name } = resource
    const before = this.byName.get(name)
    if (before !== undefined) {
      const differing = this.differences(before, resource)
      if (differing.length === 0) return
      this.faults.addMismatch(declaredTwice(before, resource, differing), [before.role, resource.role])
      return
    }
    for (const needed of neededBy(resource))
      if (!this.byName.has(needed) && !needed.includes(' invalid '))
        this.faults.addMismatch(unknownReference(resource, needed), [resource.role])
    this.byName.set(name, resource)
    this.declared.push(resource)
  }

  /** Properties with a placeholder such as `releases/<release>` for each reference: enough to compare and to identify. */
  private placeholders(props: unknown): never {
    return resolveReferences(props, ({ provider, output, transform }) => {
      const known = this.byName.get(provider)
      const outputs = known?.definition.implementation.placeholders?.(known.props) as
        | Record<string, unknown>
        | undefined
      const value = outputs?.[output] ?? `<${output} of ${provider}>`
      return transform ? transform(value as never) : value
    }) as never
  }

  private differences(a: PlannedResource, b: PlannedResource): string[] {
    const [left, right] = [a, b].map((one) => ({
      ...comparable(one.hasReferences ? this.placeholders(one.props) : one.props),
      ...comparable(withNames(one.options)),
    })) as [Record<string, unknown>, Record<string, unknown>]
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((key) => !sameJson(left[key], right[key]))
  }

  /** The declared resources, and all problems with them. */
  finish(): Declarations {
    const problems = this.faults.all()
    if (problems.length === 0)
      for (const [purpose, reasons] of this.leftOut)
        if (this.taken.has(purpose)) for (const { message } of reasons) this.warn(message)
        else throw combinedReason(reasons)
    return { resources: Object.freeze(this.declared), warnings: this.warned, notes: this.noted, problems }
  }
}

/** One error and not a list: the input is valid. */
function combinedReason(reasons: readonly ConvergeError[]): ConvergeError {
  const { code, hint } = reasons[0] as ConvergeError
  const message = [...new Set(reasons.map((reason) => reason.message))].join('; ')
  return new ConvergeError(message, { code, hint })
}

/** Names of the resources that must come before it. The first line is a shortcut for most resources, which have none. */
function neededBy({ props, hasReferences, options }: PlannedResource): readonly string[] {
  if (!hasReferences && options.when === undefined && options.after === undefined) return []
  const handles = [...(options.when ?? []), ...afterOf(options)]
  const providers = references(props).map(({ provider }) => provider)
  return [...handles.map(({ resource }) => `${resource.type} ${resource.key}`), ...providers]
}

/** Records the stack of a recipe's call. The result computes the position from it, which takes longer. */
function callPosition(called: (...args: never[]) => unknown): () => SourceLocation | undefined {
  const frame: { stack?: string } = {}
  // A few frames contain the recipe's line; ten for each of 10,000 resources would only use memory.
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 4
  Error.captureStackTrace(frame, called)
  Error.stackTraceLimit = limit
  return () => locateFrame(frame.stack)
}

const noPosition = () => undefined

function afterOf(options: CommonOptions): readonly Handle[] {
  if (options.after === undefined) return []
  return Array.isArray(options.after) ? options.after : [options.after as Handle]
}

function comparable(value: unknown): Record<string, unknown> {
  return isPlainObject(value) ? (JSON.parse(JSON.stringify(value)) as Record<string, unknown>) : {}
}

function withNames(options: CommonOptions): Record<string, unknown> {
  const names = (handles: readonly Handle[] | undefined) =>
    handles?.map(({ resource }) => `${resource.type} ${resource.key}`)
  return { ...options, when: names(options.when), after: undefined }
}
