import type { HostReader } from '../host/types.ts'
import { ConvergeError, problemsOf, type SourceLocation, throwProblems } from '../model/errors.ts'
import { sameJson } from '../model/json.ts'
import { nearest } from '../model/nearest.ts'
import { isPlainObject, references, resolveReferences } from '../model/reference.ts'
import type { AnyDefinition, CommonOptions, Handle, PlannedResource, Scope } from '../model/resource.ts'
import { callProblem } from './call.ts'
import type { Plan } from './compile.ts'
import { Faults } from './faults.ts'
import type { HostCheck, Inspection } from './inspection.ts'
import { optionProblems, withoutOptions } from './options.ts'
import { checkProps, hidden, type Mask, shown, unmasked } from './props.ts'
import type { PropsMemory } from './props_memory.ts'
import { locateFrame, recipeFault } from './source.ts'

/** Declares the resources of one event of a role; synchronous, and source order is run order. */
export type RecipeFunction<N> = (r: Recipe<N>, node: N) => void

export interface RoleOptions<N> {
  /** One sentence for `--help`. */
  readonly doc?: string
  /** Attributes this role sets: a layer above the stack's, below the host's. */
  readonly attributes?: Readonly<Record<string, unknown>>
  /** The role whose events stand in for those this one does not define itself. */
  readonly extends?: Role<N>
  /** Reports the role for `status` and `releases`. */
  readonly inspect?: Inspect<N>
  /** The checks of `doctor` for the role. */
  readonly checks?: Checks<N>
  /** Its hosts share a database: in a new stack the first one starts alone, since it makes the database. Default: false. */
  readonly sharesData?: boolean
  /** Names the event that a rollout runs on its hosts after all hosts of an app have switched the release; null for none. */
  readonly followUp?: FollowUpOf<N>
}

/** An event that a host runs after a deploy or rollback of an app, on whichever hosts. */
export interface FollowUp {
  readonly app: string
  readonly event: string
}

export type FollowUpOf<N> = (node: N) => FollowUp | null

export type Inspect<N> = (node: N, host: HostReader) => Promise<Inspection>

/** @param roles the names of all roles of this host */
export type Checks<N> = (node: N, host: HostReader, roles: readonly string[]) => readonly HostCheck[]

export interface Role<N = never> {
  readonly name: string
  readonly doc: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyMap<string, RecipeFunction<N>>
  readonly inspect: Inspect<N> | undefined
  readonly checks: Checks<N> | undefined
  readonly sharesData: boolean
  readonly followUp: FollowUpOf<N> | undefined
}

/** The events that commands are named for. */
export type LifecycleEvent = (typeof lifecycleEvents)[number]
export const lifecycleEvents = [
  'setup',
  'configure',
  'build',
  'deploy',
  'undeploy',
  'shutdown',
  'start',
  'stop',
  'restart',
  'rollback',
  'rebuild',
] as const

export type RoleDefinition<N> = RoleOptions<N> & { readonly [E in LifecycleEvent]?: RecipeFunction<N> } & {
  /** Events of one's own, for `converge --event NAME`. */
  readonly events?: Readonly<Record<string, RecipeFunction<N>>>
}

/**
 * Defines a role: what each of its events declares.
 * @throws InvalidInput where its name or a part of the definition is not what it should be
 */
export function role<N>(name: string, definition: RoleDefinition<N>): Role<N> {
  throwProblems(definitionProblems(name, definition), `the role ${name}`)
  const events = new Map<string, RecipeFunction<N>>(definition.extends?.events ?? [])
  for (const event of lifecycleEvents) {
    const recipe = definition[event]
    if (recipe) events.set(event, recipe)
  }
  for (const [event, recipe] of Object.entries(definition.events ?? {})) events.set(event, recipe)
  return {
    name,
    doc: definition.doc ?? '',
    attributes: { ...definition.extends?.attributes, ...definition.attributes },
    events,
    inspect: definition.inspect ?? definition.extends?.inspect,
    checks: definition.checks ?? definition.extends?.checks,
    sharesData: definition.sharesData ?? definition.extends?.sharesData ?? false,
    followUp: definition.followUp ?? definition.extends?.followUp,
  }
}

const roleKeys: readonly string[] = [
  ...lifecycleEvents,
  'doc',
  'attributes',
  'extends',
  'inspect',
  'checks',
  'sharesData',
  'followUp',
  'events',
]

/** A misspelt event would be no event at all, without a word. */
function definitionProblems(name: unknown, definition: object): ConvergeError[] {
  const refuse = (message: string, hint?: string) =>
    new ConvergeError(message, { code: 'INVALID_ROLE', hint, usage: true })
  if (typeof name !== 'string' || !/^[A-Za-z][\w.-]*$/.test(name))
    return [refuse('a role has a name of letters, digits, dashes and dots', "role('status-page', { ... })")]
  const own: Readonly<Record<string, unknown>> = { ...definition }
  if (!isBase(own.extends) && 'extends' in own)
    return [
      refuse(
        `the role ${name} extends ${own.extends === undefined ? 'undefined' : `a ${typeof own.extends}`}, not a role`,
        'check the import: the file must export the role under this name, and must not import this file itself',
      ),
    ]
  const recipes = { ...Object.fromEntries(lifecycleEvents.map((event) => [event, own[event]])), ...Object(own.events) }
  return [
    ...Object.keys(own)
      .filter((key) => !roleKeys.includes(key))
      .map((key) =>
        refuse(
          `the role ${name} has no ${key}`,
          nearest(key, roleKeys) ?? `an event of your own goes into events: { ${key}(r, node) { ... } }`,
        ),
      ),
    ...(isEmpty(own) ? [refuse(`the role ${name} does nothing: it has no event`, 'deploy(r, node) { ... }')] : []),
    ...Object.entries(recipes)
      .filter(([event, recipe]) => (recipe !== undefined || isGiven(own, event)) && typeof recipe !== 'function')
      .map(([event]) => refuse(`the role ${name}: ${event} is no function`, `${event}(r, node) { ... }`)),
  ]
}

/** Undefined in the place of a recipe is a mistaken import. */
function isGiven(own: Readonly<Record<string, unknown>>, event: string): boolean {
  return event in own || event in Object(own.events)
}

function isBase(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'events' in value && value.events instanceof Map
}

/** A role may only set attributes. */
function isEmpty({ doc: _, events = {}, ...rest }: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(rest).length === 0 && Object.keys(Object(events)).length === 0
}

/** The `r` of a recipe. */
export class Recipe<N> implements Scope {
  private roleName = ''
  private eventName = ''
  private readonly byName = new Map<string, Declared>()
  private readonly faults = new Faults()
  private readonly declared: Declared[] = []
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
          hint: 'make it a plain function: a recipe only declares, and a check or a resource reads the host',
          usage: true,
        }),
      )
    }
    this.roleName = outerRole
    this.eventName = outerEvent
  }

  /** A mistake in one event is reported together with those in others. */
  private answerOf(recipe: RecipeFunction<N>, what: string): unknown {
    try {
      return recipe(this, this.node)
    } catch (thrown) {
      const fault = recipeFault(thrown, what)
      this.faults.addThrown(problemsOf(fault), this.roleName)
      return undefined
    }
  }

  /** Takes in what another role declares for an event. */
  include(other: Role<N>, event: string): void {
    if (!isBase(other)) {
      const source = placeOf(this.include)()
      const message = `include: ${other === undefined ? 'undefined' : `a ${typeof other}`} is no role`
      const hint = 'check the import: the file must export the role under this name'
      this.faults.add(new ConvergeError(message, { code: 'INVALID_ROLE', source, hint, usage: true }))
      return
    }
    if (!other.events.has(event)) {
      const names = [...other.events.keys()]
      this.faults.add(
        new ConvergeError(`the role ${other.name} has no event ${event}`, {
          code: 'UNKNOWN_EVENT',
          source: placeOf(this.include)(),
          hint: nearest(event, names) ?? `it has: ${names.join(', ')}`,
          usage: true,
        }),
      )
    }
    this.run(other, event)
  }

  /** Whether a resource of this type and key has been declared already, by any role of this run. */
  has(type: string, key: string): boolean {
    return this.byName.has(`${type} ${key}`)
  }

  /** Reports something that the operator can or must act on, and that is no failure: what, and how to change it. */
  warn(message: string): void {
    if (!this.warned.includes(message)) this.warned.push(message)
  }

  /** Reports something that requires no action. */
  note(message: string): void {
    if (!this.noted.includes(message)) this.noted.push(message)
  }

  /** Records that an app takes part in something that at least one role must do, such as a rollback. */
  takePart(purpose: string): void {
    this.taken.add(purpose)
  }

  /** Notes that something has no part in it, and why: a warning, or an error where nothing has a part. */
  leaveOut(purpose: string, reason: ConvergeError): void {
    this.leftOut.set(purpose, [...(this.leftOut.get(purpose) ?? []), reason])
  }

  declare(definition: AnyDefinition, given: readonly unknown[]): { type: string; key: string } {
    const { type } = definition
    const source = this.memory === null ? placeOf(this.declare) : unknownPlace
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
    const resource: Declared = {
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

  private add(resource: Declared): void {
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

  /** Props with each reference replaced by what stands for it, e.g. `releases/<release>`: good enough for an identity. */
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

  private differences(a: Declared, b: Declared): string[] {
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
        else throw together(reasons)
    return { resources: Object.freeze(this.declared), warnings: this.warned, notes: this.noted, problems }
  }
}

/** The result of running recipes. */
interface Declarations extends Pick<Plan, 'resources' | 'warnings' | 'notes'> {
  readonly problems: readonly ConvergeError[]
}

type Declared = PlannedResource

/** Not a list of problems: nothing is wrong with the input. */
function together(reasons: readonly ConvergeError[]): ConvergeError {
  const { code, hint } = reasons[0] as ConvergeError
  const message = [...new Set(reasons.map((reason) => reason.message))].join('; ')
  return new ConvergeError(message, { code, hint })
}

/** Names of the resources that must come before it; most have none, which the first line finds out. */
function neededBy({ props, hasReferences, options }: Declared): readonly string[] {
  if (!hasReferences && options.when === undefined && options.after === undefined) return []
  const handles = [...(options.when ?? []), ...afterOf(options)]
  const providers = references(props).map(({ provider }) => provider)
  return [...handles.map(({ resource }) => `${resource.type} ${resource.key}`), ...providers]
}

/** @param differing names of the properties that differ */
function declaredTwice(
  before: PlannedResource,
  { name, role, event, source }: PlannedResource,
  differing: readonly string[],
): ConvergeError {
  const place = before.source()
  const first = `${before.role} ${before.event}${place ? ` (${place.file}:${place.line})` : ''}`
  return new ConvergeError(
    `${name} is declared twice with different props: first in ${first}, again in ${role} ${event}`,
    {
      code: 'DECLARED_TWICE',
      resource: name,
      source: source(),
      hint: `remove one of them, or declare both alike; they differ in: ${differing.join(', ')}`,
      usage: true,
    },
  )
}

function unknownReference({ name, source }: PlannedResource, needed: string): ConvergeError {
  return new ConvergeError(`${name} needs ${needed}, which is not declared before it`, {
    code: 'UNKNOWN_REFERENCE',
    resource: name,
    source: source(),
    hint: 'declare it first: source order is run order',
    usage: true,
  })
}

/** Where the recipe called the function; worked out when asked for. */
function placeOf(called: (...args: never[]) => unknown): () => SourceLocation | undefined {
  const frame: { stack?: string } = {}
  // A few frames tell the recipe's line; ten of them for each of 10,000 resources would only take memory.
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 4
  Error.captureStackTrace(frame, called)
  Error.stackTraceLimit = limit
  return () => locateFrame(frame.stack)
}

const unknownPlace = () => undefined

function keyProblem({ type }: AnyDefinition, key: unknown, mask: Mask): ConvergeError {
  return new ConvergeError(`${type}: its key has to be a text, and is ${key === '' ? 'empty' : shown(key, mask)}`, {
    code: 'INVALID_KEY',
    hint: `return a text that identifies one ${type} from the key function of its definition`,
    usage: true,
  })
}

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
