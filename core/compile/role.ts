/** Defines roles: their events, options and checks. */
import type { HostReader } from '../host/types.ts'
import { ConvergeError, type SourceLocation, throwProblems } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { DefaultedQuery, Query } from '../model/query.ts'
import type { Properties } from '../model/reference.ts'
import type { CommonOptions, Handle, ResourceFunction, Scope } from '../model/resource.ts'
import { callPosition } from './call_position.ts'
import type { HostCheck, Inspection } from './inspection.ts'

/** The `r` of a recipe: what its functions declare resources in. */
export interface Recipe<N> extends Scope {
  /** Declares what another role declares for an event. */
  include(other: Role<N>, event: string): void
  /** Whether a role of this run has already declared a resource of this type with this key. */
  has(type: string, key: string): boolean
  /**
   * Changes properties of one resource that another recipe of this run declares, before or after this call. A property
   * with the value `undefined` is removed. The resource keeps its position in the order.
   *
   * @param type function of the resource type, such as `template`
   * @param key of the resource, as `converge plan` prints it
   * @param change properties and common options to replace
   * @throws at the end of the compilation NOTHING_TO_OVERRIDE, OVERRIDDEN_TWICE, and for invalid properties
   * @example r.override(template, '/etc/haproxy/haproxy.cfg', { source: readTemplate(import.meta.url, 'haproxy.hbs') })
   */
  override<P>(type: ResourceFunction<P>, key: string, change: Partial<Properties<P> & CommonOptions>): void
  /**
   * Declares resources before one resource that another recipe of this run declares, such as a step before a restart.
   *
   * @param type function of the resource type, such as `service_restart`
   * @param key of the resource, as `converge plan` prints it
   * @param declare gets the resources that the other one waits for, to pass them as `when`: the step then runs if they have
   * changed. It is undefined if there are none
   * @throws at the end of the compilation NOTHING_TO_PRECEDE
   * @example
   * r.before(service_restart, 'queue', (when) => {
   *   execute(r, { name: 'drain the queue', command: ['/usr/bin/drain'], when })
   * })
   */
  before<P>(type: ResourceFunction<P>, key: string, declare: (when: readonly Handle[] | undefined) => void): void
  /** Declares, at this position, what no role of this run has declared before: `declare` is called unless it has. */
  unlessDeclared(type: string, key: string, declare: () => void): void
  /**
   * Declares, at this position, what depends on a value of the host. `declare` is called when the recipe is compiled, with the
   * value without a host, so that mistakes in it are reported before the run. It is called again, with the value of the
   * host, when the run begins. It must only declare.
   * @returns what `declare` returns, such as handles. In `when`, a handle that this host does not get is left out
   */
  given<V, T>(query: DefaultedQuery<V>, declare: (value: V) => T): T
  given<V>(query: Query<V>, declare: (value: V) => void): void
  /** Reports something that the operator can or must act on: what it is, and how to change it. */
  warn(message: string): void
  /** Reports something that requires no action. */
  note(message: string): void
  /** Records that an app takes part in something that at least one role must do, such as a rollback. */
  takePart(purpose: string): void
  /** Records that an app takes no part, and why: a warning, or an error if no app takes part. */
  leaveOut(purpose: string, reason: ConvergeError): void
}

/** Declares the resources of one event of a role; synchronous, and source order is run order. */
export type RecipeFunction<N> = (r: Recipe<N>, node: N) => void

/** Overrides what the events of a role declare. */
export type OverridesFunction<N> = (r: Pick<Recipe<N>, 'override'>, node: N) => void

export interface RoleOptions<N> {
  /** One sentence for `--help`. */
  readonly doc?: string
  /** Attributes this role sets: a layer above the stack's, below the host's. */
  readonly attributes?: Readonly<Record<string, unknown>>
  /** The role whose events stand in for those this one does not define itself. */
  readonly extends?: Role<N>
  /**
   * Calls `r.override` for all events of the role, inherited ones too. A resource that an event does not declare stays out of it;
   * one that no event of the role declares is an error.
   */
  readonly overrides?: OverridesFunction<N>
  /** Reports the role for `status` and `releases`. */
  readonly inspect?: Inspect<N>
  /** The checks of `doctor` for the role. */
  readonly checks?: Checks<N>
  /** Returns the apps that the role deploys, by short name; default: the apps of the stack with a release in its plan. */
  readonly apps?: AppsOf<N>
  /** Its hosts share a database: in a new stack the first one starts alone, since it makes the database. Default: false. */
  readonly sharesData?: boolean
  /** Whether the role replaces the built-in role of the same name, instead of being refused. Default: false. */
  readonly replacesBuiltIn?: boolean
  /** Names the event that a rollout runs on its hosts after all hosts of an app have switched the release; null for none. */
  readonly followUp?: FollowUpOf<N>
}

export type AppsOf<N> = (node: N) => readonly string[]

/** An event that a host runs after a deploy or rollback of an app, on whichever hosts. */
export interface FollowUp {
  readonly app: string
  readonly event: string
}

export type FollowUpOf<N> = (node: N) => FollowUp | null

export type Inspect<N> = (node: N, host: HostReader) => Promise<Inspection>

/** @param roles the names of all roles of this host */
export type Checks<N> = (node: N, host: HostReader, roles: readonly string[]) => readonly HostCheck[]

/** A role, as the function `role` returns it. */
export interface Role<N = never> {
  /** Where the recipe of a user defines it; undefined for built-in roles. */
  readonly source?: () => SourceLocation | undefined
  readonly name: string
  readonly doc: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyMap<string, RecipeFunction<N>>
  /** Those of the role that it extends come first. */
  readonly overrides: readonly OverridesFunction<N>[]
  readonly inspect: Inspect<N> | undefined
  readonly checks: Checks<N> | undefined
  readonly apps: AppsOf<N> | undefined
  readonly sharesData: boolean
  readonly replacesBuiltIn: boolean
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
  const source = callPosition(role)
  definedRoles.push({ name, source })
  return {
    name,
    source,
    doc: definition.doc ?? '',
    attributes: { ...definition.extends?.attributes, ...definition.attributes },
    events,
    overrides: [...(definition.extends?.overrides ?? []), ...(definition.overrides ? [definition.overrides] : [])],
    inspect: definition.inspect ?? definition.extends?.inspect,
    checks: definition.checks ?? definition.extends?.checks,
    apps: definition.apps ?? definition.extends?.apps,
    sharesData: definition.sharesData ?? definition.extends?.sharesData ?? false,
    replacesBuiltIn: definition.replacesBuiltIn ?? false,
    followUp: definition.followUp ?? definition.extends?.followUp,
  }
}

/** All roles that were defined, exported or not. */
export const definedRoles: Pick<Role, 'name' | 'source'>[] = []

const roleKeys: readonly string[] = [
  ...lifecycleEvents,
  'doc',
  'attributes',
  'extends',
  'overrides',
  'inspect',
  'checks',
  'apps',
  'sharesData',
  'replacesBuiltIn',
  'followUp',
  'events',
]

/** Finds misspelt events, which would otherwise be ignored. */
function definitionProblems(name: unknown, definition: object): ConvergeError[] {
  const refuse = (message: string, hint?: string) =>
    new ConvergeError(message, { code: 'INVALID_ROLE', hint, usage: true })
  if (typeof name !== 'string' || !/^[A-Za-z][\w.-]*$/.test(name))
    return [
      refuse(
        'the name of a role must start with a letter and contain only letters, digits, ".", "_" and "-"',
        "role('status-page', { ... })",
      ),
    ]
  const fields: Readonly<Record<string, unknown>> = { ...definition }
  if (!isRole(fields.extends) && 'extends' in fields)
    return [
      refuse(
        `the role ${name} extends ${kindOf(fields.extends)}, not a role`,
        'check the import: the file must export the role under this name, and must not import this file itself',
      ),
    ]
  const recipes = {
    ...Object.fromEntries(lifecycleEvents.map((event) => [event, fields[event]])),
    ...Object(fields.events),
  }
  return [
    ...Object.keys(fields)
      .filter((key) => !roleKeys.includes(key))
      .map((key) =>
        refuse(
          `the role ${name} has the unknown key "${key}"`,
          nearest(key, roleKeys) ?? `to define an event of your own, write events: { ${key}(r, node) { ... } }`,
        ),
      ),
    ...Object.keys(Object(fields.events))
      .filter((event) => lifecycleEvents.some((name) => name === event) && fields[event] !== undefined)
      .map((event) =>
        refuse(`the role ${name} defines ${event} twice`, `remove it from events: ${event} is a lifecycle event`),
      ),
    ...Object.keys(Object(fields.events))
      .filter((event) => !Array.isArray(fields.events) && !/^[A-Za-z][\w-]*$/.test(event))
      .map((event) =>
        refuse(
          `the role ${name}: ${JSON.stringify(event)} is not a name for an event`,
          'start with a letter, and use only letters, digits, "_" and "-": events: { tidy_up(r, node) { ... } }',
        ),
      ),
    ...partProblems(name, fields, refuse),
    ...('overrides' in fields && typeof fields.overrides !== 'function'
      ? [refuse(`the role ${name}: overrides is not a function`, 'overrides(r, node) { r.override(...) }')]
      : []),
    ...(isEmpty(fields) ? [refuse(`the role ${name} has no event`, 'deploy(r, node) { ... }')] : []),
    ...Object.entries(recipes)
      .filter(([event, recipe]) => (recipe !== undefined || isNamed(fields, event)) && typeof recipe !== 'function')
      .map(([event]) => refuse(`the role ${name}: ${event} is not a function`, `${event}(r, node) { ... }`)),
  ]
}

const kindsOfParts = {
  doc: 'a text',
  attributes: 'an object',
  inspect: 'a function',
  checks: 'a function',
  apps: 'a function',
  followUp: 'a function',
  sharesData: 'true or false',
  replacesBuiltIn: 'true or false',
} as const

const isOfKind: { readonly [K in (typeof kindsOfParts)[keyof typeof kindsOfParts]]: (value: unknown) => boolean } = {
  'a text': (value) => typeof value === 'string',
  'an object': (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'a function': (value) => typeof value === 'function',
  'true or false': (value) => typeof value === 'boolean',
}

/** Finds parts of a wrong kind, which would otherwise be ignored. */
function partProblems(
  name: string,
  fields: Readonly<Record<string, unknown>>,
  refuse: (message: string, hint: string) => ConvergeError,
): ConvergeError[] {
  return Object.entries(kindsOfParts)
    .filter(([part, kind]) => fields[part] !== undefined && !isOfKind[kind](fields[part]))
    .map(([part, kind]) => refuse(`the role ${name}: ${part} is ${kindOf(fields[part])}`, `write ${part} as ${kind}`))
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return 'a list'
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}

/** Whether the definition names the event: `deploy: undefined` is the result of a wrong import. */
function isNamed(fields: Readonly<Record<string, unknown>>, event: string): boolean {
  return event in fields || event in Object(fields.events)
}

export function isRole(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'events' in value && value.events instanceof Map
}

/** A role may only set attributes. */
function isEmpty({ doc: _, events = {}, ...rest }: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(rest).length === 0 && Object.keys(Object(events)).length === 0
}
