/**
 * Runs recipes, and collects the resources that they declare and the mistakes in them. It records the calls of the recipes,
 * so that the plan can be bound to a host without running the recipes again: only what depends on the host is declared
 * again.
 */

import { types } from 'node:util'
import type { HostReader } from '../host/types.ts'
import { ConvergeError, describeLocation, problemsOf } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { DefaultedQuery, Query } from '../model/query.ts'
import { isPlainObject, references } from '../model/reference.ts'
import { type AnyDefinition, type Handle, type PlannedResource, resourceTypes } from '../model/resource.ts'
import {
  asynchronousDeclare,
  asynchronousQuery,
  declaredInOverrides,
  includeCircle,
  invalidMessage,
  isPromise,
  lateCall,
  unknownType,
  withoutEvent,
} from './call.ts'
import { callPosition, noPosition } from './call_position.ts'
import { DeclarationCheck, readQuery } from './declaration_check.ts'
import { declaredTwice, unknownReference } from './declaration_problems.ts'
import { CollectedDeclarations, combinedReason, type Declarations, prerequisitesOf } from './declarations.ts'
import { doubtfulText, doubtfulWord } from './doubtful_text.ts'
import { nameOf, type OtherEvent, OtherEvents } from './other_events.ts'
import { applyOverrides, invalidOverrideCall } from './overrides.ts'
import { differencesOf } from './placeholders.ts'
import { type Mask, unmasked } from './props.ts'
import type { PropsMemory } from './props_memory.ts'
import { callRecipe } from './recipe_call.ts'
import { isRole, type Recipe, type RecipeFunction, type Role } from './role.ts'
import { callerOf, recipeFault } from './source.ts'
import { causesOf, invalidStep, nothingToPrecede, type Step, stepInOverrides } from './steps_before.ts'
import { callWithLimit, isInterrupted, repeatInterrupted } from './time_limit.ts'

/** A call of a recipe outside of `given`. */
interface Call {
  readonly role: string
  readonly event: string
  readonly repeat: () => unknown
}

/** The functions of r. */
const recipeFunctions = [
  'include',
  'has',
  'override',
  'before',
  'unlessDeclared',
  'given',
  'warn',
  'note',
] as const satisfies readonly (keyof Recipe<never>)[]

/** Runs the recipes of a plan one after the other, and collects the resources that they declare. */
export class RecipeRun<N> implements Recipe<N> {
  private roleName = ''
  private eventName = ''
  private readonly check: DeclarationCheck
  private collected = new CollectedDeclarations()
  private readonly calls: Call[] = []
  /** The number of `given` around the present call. */
  private depth = 0
  /** The events that are running, the innermost last, such as `web::deploy`. */
  private readonly running: string[] = []
  /** Whether all recipes have returned: what a promise or a timer declares now would be lost. */
  private isFinished = false
  /** The host to which the plan is being bound; null while recipes are compiled. */
  private host: HostReader | null = null
  /** Names of the resources that were compiled; null before the plan is bound. */
  private compiled: ReadonlySet<string> | null = null

  /**
   * @param mask masks secrets in properties that errors quote, before they are quoted or truncated
   * @param memory of the hosts before; with it, the lines of the declarations are not recorded, and nothing can be bound
   */
  constructor(
    private readonly node: N,
    private readonly mask: Mask = unmasked,
    private readonly memory: PropsMemory | null = null,
  ) {
    memory?.begin()
    this.check = new DeclarationCheck(mask, memory)
    // A recipe may take them out of r: const { include } = r.
    for (const name of recipeFunctions) {
      const method = this[name] as (...args: unknown[]) => unknown
      Object.assign(this, { [name]: (...args: unknown[]) => method.apply(this, args) })
    }
  }

  private get declared() {
    return { host: this.host, byName: this.collected.byName }
  }

  /** The roles of this run, included ones too, by name. */
  private readonly roles = new Map<string, Role<N>>()
  /** Whether `overrides` of a role is running. */
  private isOverriding = false
  /** Whether this run only shows what another event of a role declares. */
  private isComparison = false
  private readonly otherEvents = new OtherEvents<N>((role, event) => this.otherEvent(role, event))
  /** Warnings about overrides, found when the recipes are compiled. */
  private readonly overrideWarnings: string[] = []

  /** Runs one event of a role in this plan. */
  run(role: Role<N>, event: string): void {
    const recipe = role.events.get(event)
    if (recipe === undefined) return
    const [outerRole, outerEvent] = [this.roleName, this.eventName]
    this.roleName = role.name
    this.eventName = event
    this.running.push(`${role.name}::${event}`)
    const answer = this.answerOf(recipe, `${event} of the role ${role.name}`, role)
    this.overrideAll(role)
    this.running.pop()
    if (answer instanceof Promise) {
      answer.catch(() => undefined)
      this.collected.faults.add(
        new ConvergeError(`${event} of the role ${role.name} is asynchronous`, {
          code: 'ASYNC_RECIPE',
          hint: 'remove async: a recipe only declares resources; read the host in a check or in a resource',
          source: role.source?.(),
          usage: true,
        }),
      )
    }
    this.roleName = outerRole
    this.eventName = outerEvent
  }

  /** Collects what the recipe throws, so that the mistakes of all events are reported together. */
  private answerOf(recipe: RecipeFunction<N>, subject: string, role: Role<N>): unknown {
    const [level, depth] = [this.running.length, this.depth]
    const call = () => recipe(this, this.node)
    try {
      // Built-in recipes end.
      const isLimited = level === 1 && role.source?.() !== undefined
      const again = () => recipe(new RecipeRun(this.node), this.node)
      return callRecipe(isLimited ? () => callWithLimit(call, { subject, code: recipe, again }) : call, this.mask)
    } catch (thrown) {
      if (isInterrupted(thrown)) throw thrown
      // Nothing that the call began is finished by it.
      this.running.length = level
      this.depth = depth
      // A thrown value that is no error has no stack trace, and neither has a recipe that was ended.
      const hasLine =
        types.isNativeError(thrown) && !(thrown instanceof ConvergeError && thrown.code === 'ENDLESS' && !thrown.source)
      const location = hasLine ? undefined : role.source?.()
      const fault = recipeFault(thrown, `${subject} failed`, location)
      this.collected.faults.addThrown(problemsOf(fault), this.roleName)
      return undefined
    }
  }

  /** Calls the overrides of a role, once for all of its events. */
  private overrideAll(role: Role<N>): void {
    if (this.roles.has(role.name)) return
    this.roles.set(role.name, role)
    this.isOverriding = true
    for (const overrides of role.overrides) this.answerOf(overrides, `overrides of the role ${role.name}`, role)
    this.isOverriding = false
  }

  include(other: Role<N>, event: string): void {
    this.requireRunning('include', this.include)
    if (!isRole(other)) {
      const source = callPosition(this.include)()
      const message = `include: ${other === undefined ? 'undefined' : `a ${typeof other}`} is not a role`
      const hint = 'check the import: the file must export the role under this name'
      this.collected.faults.add(new ConvergeError(message, { code: 'INVALID_ROLE', source, hint, usage: true }))
      return
    }
    if (typeof event !== 'string') {
      this.collected.faults.add(withoutEvent(event).at({ source: callPosition(this.include)() }))
      return
    }
    if (!other.events.has(event)) {
      const names = [...other.events.keys()]
      this.collected.faults.add(
        new ConvergeError(`the role ${other.name} has no event ${event}`, {
          code: 'UNKNOWN_EVENT',
          source: callPosition(this.include)(),
          hint: nearest(event, names) ?? `it has: ${names.join(', ')}`,
          usage: true,
        }),
      )
    }
    const name = `${other.name}::${event}`
    const first = this.running.indexOf(name)
    // An event that includes itself would never end, because a recipe depends on nothing but the node.
    if (first < 0) this.run(other, event)
    else this.collected.faults.add(includeCircle([...this.running.slice(first), name], callPosition(this.include)()))
  }

  has(type: string, key: string): boolean {
    this.requireType('has', type)
    return this.collected.byName.has(`${type} ${key}`)
  }

  unlessDeclared(type: string, key: string, declare: () => void): void {
    this.requireRunning('unlessDeclared', this.unlessDeclared)
    this.requireType('unlessDeclared', type)
    this.call(() => {
      if (!this.has(type, key)) this.inside(declare)
    })
  }

  /** Reports a misspelt type in a recipe of a user. Built-in recipes name types that are not loaded. */
  private requireType(name: string, type: string): void {
    if (resourceTypes.has(type)) return
    const source = callerOf(new Error().stack)
    if (source !== undefined) this.collected.faults.add(unknownType(name, type, [...resourceTypes]).at({ source }))
  }

  given<V, T>(query: DefaultedQuery<V>, declare: (value: V) => T): T
  given<V>(query: Query<V>, declare: (value: V) => void): void
  given<V>(query: Query<V>, declare: (value: V) => unknown): unknown {
    this.requireRunning('given', this.given)
    const source = this.memory === null ? callPosition(this.given) : noPosition
    return this.call(() => {
      if (this.host !== null) {
        const value = readQuery(query, this.host)
        if (isPromise(value)) throw asynchronousQuery(query).at({ source: source() })
        return this.inside(declare, value)
      }
      if ('unread' in query) return this.inside(declare, query.unread as V)
      this.collected.isComplete = false
      return undefined
    })
  }

  private inside<A extends unknown[], T>(declare: (...args: A) => T, ...args: A): T {
    this.depth++
    try {
      const answer = declare(...args)
      if (types.isPromise(answer)) {
        answer.catch(() => undefined)
        throw asynchronousDeclare()
      }
      return answer
    } finally {
      this.depth--
    }
  }

  override(
    type: { readonly definition?: AnyDefinition },
    key: string,
    change: Readonly<Record<string, unknown>>,
  ): void {
    this.requireRunning('override', this.override)
    const source = this.memory === null ? callPosition(this.override) : noPosition
    const { definition } = Object(type) as typeof type
    const isOptional = this.isOverriding
    this.call(() => {
      const place = { role: this.roleName, event: this.eventName, isOptional, source }
      if (definition === undefined || typeof key !== 'string' || !isPlainObject(change))
        this.collected.faults.add(invalidOverrideCall().at({ source: source() }))
      else this.collected.overrides.push({ definition, key, change, ...place })
    })
  }

  before(type: { readonly definition?: AnyDefinition }, key: string, declare: Step['declare']): void {
    this.requireRunning('before', this.before)
    const source = this.memory === null ? callPosition(this.before) : noPosition
    const { definition } = Object(type) as typeof type
    const { isOverriding } = this
    this.call(() => {
      const place = { role: this.roleName, event: this.eventName, source }
      // The resources that the other one waits for differ between events: a step of all events would run in each of them.
      if (isOverriding) this.collected.faults.add(stepInOverrides().at({ source: source() }))
      else if (definition === undefined || typeof key !== 'string' || typeof declare !== 'function')
        this.collected.faults.add(invalidStep().at({ source: source() }))
      else this.collected.steps.push({ definition, key, declare, ...place })
    })
  }

  warn(message: string): void {
    this.requireRunning('warn', this.warn)
    if (this.isText('warn', message, this.warn)) this.call(() => this.addWarning(message))
  }

  /** @throws LATE_CALL where a promise or a timer calls after all recipes have returned */
  private requireRunning(name: string, called: (...args: never[]) => unknown): void {
    if (this.isFinished) throw lateCall(name).at({ source: callPosition(called)() })
  }

  /** Reports a message that is no text as a mistake. */
  private isText(name: string, message: unknown, call: (message: string) => void): message is string {
    if (typeof message === 'string') {
      this.warnOfMessage(name, message)
      return true
    }
    this.collected.faults.add(invalidMessage(name, message).at({ source: callPosition(call)() }))
    return false
  }

  /** Warns of a message of a user's recipe that contains such a text. Those of built-in recipes quote commits. */
  private warnOfMessage(name: string, message: string): void {
    const word = this.memory === null ? doubtfulWord(message) : null
    const source = word === null ? undefined : callerOf(new Error().stack)
    if (source === undefined) return
    const warning = `${name}: the message contains "${word}" (${describeLocation(source)})`
    this.call(() => this.addWarning(warning))
  }

  private addWarning(message: string): void {
    if (!this.collected.warned.includes(message)) this.collected.warned.push(message)
  }

  note(message: string): void {
    this.requireRunning('note', this.note)
    if (!this.isText('note', message, this.note)) return
    this.call(() => {
      if (!this.collected.noted.includes(message)) this.collected.noted.push(message)
    })
  }

  takePart(purpose: string): void {
    this.call(() => this.collected.participations.add(purpose))
  }

  leaveOut(purpose: string, reason: ConvergeError): void {
    this.call(() => this.collected.leftOut.set(purpose, [...(this.collected.leftOut.get(purpose) ?? []), reason]))
  }

  /** Makes a call of a recipe, and records it, unless it is made again with the `given` around it. */
  private call<T>(repeat: () => T): T {
    if (this.compiled === null && this.depth === 0 && this.memory === null)
      this.calls.push({ role: this.roleName, event: this.eventName, repeat })
    return repeat()
  }

  /** Repeats the recorded calls with the values of a host. */
  bind(host: HostReader): Declarations {
    if (this.memory !== null) throw new Error('a plan that was compiled with a memory cannot be bound to a host')
    this.compiled ??= new Set(this.collected.byName.keys())
    this.isFinished = false
    this.otherEvents.clear()
    this.collected = new CollectedDeclarations()
    this.host = host
    const failed = new Set<string>()
    for (const { role, event, repeat } of this.calls) {
      const title = `${event} of the role ${role}`
      if (failed.has(title)) continue
      this.roleName = role
      this.eventName = event
      try {
        repeat()
      } catch (thrown) {
        failed.add(title)
        this.collected.faults.addThrown(problemsOf(recipeFault(thrown, `${title} failed`)), role)
      }
    }
    return this.finish()
  }

  declare(definition: AnyDefinition, args: readonly unknown[]): { type: string; key: string } {
    this.requireRunning(definition.type, this.declare)
    const source = this.memory === null ? callPosition(this.declare) : noPosition
    if (this.isOverriding) {
      const problem = declaredInOverrides(definition.type).at({ source: source() })
      return { type: definition.type, key: this.collected.faults.invalid(problem) }
    }
    // Properties without references are the same for every host: check them once.
    let checked: PlannedResource | null = null
    return this.call(() => {
      this.collected.faults.requireRoom()
      const declaredIn = { role: this.roleName, event: this.eventName, source }
      const resource = checked ?? this.check.call(definition, args, declaredIn, this.declared)
      if (!('name' in resource)) return { type: definition.type, key: this.collected.faults.invalid(...resource) }
      const [props] = args as readonly [Readonly<Record<string, unknown>>]
      // The references to queries are gone from the checked properties.
      if (checked === null && !resource.hasReferences && references(props).length === 0) checked = resource
      return this.collect(resource, props)
    })
  }

  private collect(resource: PlannedResource, props: Readonly<Record<string, unknown>>): { type: string; key: string } {
    this.warnOfText(resource, props)
    this.add(resource)
    const { type, name, key } = resource
    if (!this.collected.originals.has(name)) this.collected.originals.set(name, { resource, originalProps: props })
    return { type, key }
  }

  /** Warns of a text that JavaScript made of a value that is none. */
  private warnOfText({ name, source, options }: PlannedResource, props: Readonly<Record<string, unknown>>): void {
    if (this.memory !== null) return
    const found = doubtfulText(props)
    if (found === null) return
    const location = source()
    const suffix = location === undefined ? '' : ` (${describeLocation(location)})`
    this.addWarning(`${name}: ${options.sensitive ? found.words : this.mask(found.text)}${suffix}`)
  }

  private add(declared: PlannedResource): void {
    const resource = this.withoutAbsent(declared)
    const { name } = resource
    const before = this.collected.byName.get(name)
    if (before !== undefined) {
      const differing = differencesOf(before, resource, this.collected.byName)
      if (differing.length === 0) return
      this.collected.faults.addMismatch(declaredTwice(before, resource, differing), [before.role, resource.role])
      return
    }
    for (const needed of prerequisitesOf(resource))
      if (!this.collected.byName.has(needed) && !needed.includes(' invalid '))
        this.collected.faults.addMismatch(unknownReference(resource, needed), [resource.role])
    this.collected.byName.set(name, resource)
    this.collected.declared.push(resource)
  }

  /** Removes from `when` what the recipe has declared, but not for this host. */
  private withoutAbsent(resource: PlannedResource): PlannedResource {
    const { when } = resource.options
    const { compiled } = this
    if (when === undefined || compiled === null) return resource
    const isAbsent = ({ resource: { type, key } }: Handle) => !this.has(type, key) && compiled.has(`${type} ${key}`)
    if (!when.some(isAbsent)) return resource
    return { ...resource, options: { ...resource.options, when: when.filter((handle) => !isAbsent(handle)) } }
  }

  /** Declares the steps that recipes place before resources of others. */
  private insertSteps(): void {
    const { steps, declared, byName, faults } = this.collected
    for (const step of steps) {
      const name = nameOf(step)
      const target = byName.get(name)
      const at = (problem: ConvergeError) => faults.add(problem.at({ resource: name, source: step.source() }))
      if (target === undefined) {
        if (this.collected.isComplete) at(nothingToPrecede(step, this.collected.originals.values()))
        continue
      }
      const end = declared.length
      this.roleName = step.role
      this.eventName = step.event
      try {
        this.inside(step.declare, causesOf(target, prerequisitesOf(target), byName))
      } catch (thrown) {
        const location = thrown instanceof ConvergeError ? step.source() : undefined
        const fault = recipeFault(thrown, `before ${name} of the role ${step.role} failed`, location)
        faults.addThrown(problemsOf(fault), step.role)
      }
      const added = declared.splice(end)
      const index = declared.indexOf(target)
      for (const resource of added) this.requireEarlier(resource, [...declared.slice(0, index), ...added])
      declared.splice(index, 0, ...added)
    }
  }

  /** Reports references to resources that are not among these, which come first. */
  private requireEarlier(resource: PlannedResource, earlier: readonly PlannedResource[]): void {
    const before = new Set(earlier.map(({ name }) => name))
    for (const needed of prerequisitesOf(resource))
      if (!before.has(needed) && !needed.includes(' invalid '))
        this.collected.faults.addMismatch(unknownReference(resource, needed), [resource.role])
  }

  /** Reports overrides that no event of their role needs, and those that other events of it lack. */
  private checkOtherEvents(): void {
    if (this.isComparison) return
    const { overrides, byName, faults } = this.collected
    const run = { overrides, declared: byName, roles: this.roles }
    for (const { override, problem, isCertain } of this.otherEvents.unused(run))
      if (isCertain) faults.add(problem.at({ resource: nameOf(override), source: override.source() }))
      else if (this.host !== null) this.addWarning(`${problem.message} (${problem.hint})`)
    if (this.host === null && this.memory === null) this.overrideWarnings.push(...this.otherEvents.lacking(run))
    for (const warning of this.overrideWarnings) this.addWarning(warning)
  }

  /** Runs another event of a role, to see what it declares. */
  private otherEvent(role: Role<N>, event: string): OtherEvent {
    const run = repeatInterrupted(() => {
      const other = new RecipeRun(this.node)
      other.isComparison = true
      other.run(role, event)
      return other
    })
    let isCertain = true
    try {
      if (this.host !== null) run.bind(this.host)
    } catch (error) {
      // Such as a rollback without an earlier release: nothing is known about what it declares on this host.
      if (!(error instanceof ConvergeError)) throw error
      isCertain = false
    }
    const { originals: declared, overrides, isComplete, faults } = run.collected
    return {
      declared,
      overridden: new Set(overrides.map(nameOf)),
      isCertain: isCertain && isComplete && faults.problems().length === 0,
    }
  }

  private replaceOverridden(): void {
    const { overrides, originals: given, declared, byName, faults, isComplete } = this.collected
    if (overrides.length === 0) return
    const { replaced, problems } = applyOverrides(overrides, given, {
      redeclare: (resource, props, source) => {
        const { definition, role, event } = resource
        const changed = this.check.planned(definition, props, { role, event, source }, this.declared)
        return 'name' in changed ? this.withoutAbsent({ ...changed, source: resource.source }) : changed
      },
      isComplete,
    })
    for (const problem of problems) faults.add(problem)
    for (const [index, resource] of declared.entries()) {
      const changed = replaced.get(resource.name)
      if (changed === undefined) continue
      declared[index] = changed
      byName.set(changed.name, changed)
      this.requireEarlier(changed, declared.slice(0, index))
    }
  }

  /** The declared resources, and all problems with them. */
  finish(): Declarations {
    this.insertSteps()
    this.isFinished = true
    this.checkOtherEvents()
    this.replaceOverridden()
    const { faults, leftOut, participations, warned, noted, declared } = this.collected
    const problems = faults.problems()
    if (problems.length === 0)
      for (const [purpose, reasons] of leftOut)
        if (participations.has(purpose)) for (const { message } of reasons) this.addWarning(message)
        else throw combinedReason(reasons)
    return { resources: Object.freeze(declared), warnings: warned, notes: noted, problems }
  }
}
