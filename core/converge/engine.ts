/** The one loop: read, desired, diff, apply, read back; for a run and for a dry run alike. */

import type { Plan } from '../compile/compile.ts'
import { checkProps } from '../compile/props.ts'
import { userFault } from '../compile/source.ts'
import type { Host } from '../host/types.ts'
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { excerpt } from '../model/excerpt.ts'
import { sameJson } from '../model/json.ts'
import { isReference, NotYetKnown, references, resolveReferences, Unknown } from '../model/reference.ts'
import type { Check, CommonOptions, Context, PlannedResource } from '../model/resource.ts'
import { Secrets } from '../model/secrets.ts'
import { seconds } from '../model/units.ts'
import type { Counts, FailureReport, Handlers, Outcome, ResourceReport, RunReport } from '../report/events.ts'
import { ChangeMarks, type Unmark } from './change_marks.ts'
import { withDeadline } from './deadline.ts'
import { exposureOf } from './exposed_secrets.ts'
import { FormerSecrets } from './former_secrets.ts'
import { ListedPaths } from './listed_paths.ts'
import { inOrder } from './order.ts'
import { StatePatch } from './patch.ts'
import { Provided } from './provided.ts'
import { ReadAhead } from './read_ahead.ts'

export interface RunOptions {
  readonly id: string
  /** A `plan` requires an overlay as its host: it runs `predict` there, or `apply` where there is no `predict`. */
  readonly mode: 'run' | 'plan'
  /** Path of the journal: where all output of a failed command is found. */
  readonly journal?: string | undefined
  readonly handlers?: readonly Handlers[] | undefined
  readonly secrets?: Secrets | undefined
  /** Looked at between resources: once true, the run ends after the one under way. */
  readonly interrupted?: (() => boolean) | undefined
  /** Called when a resource's own deadline is over, to end what it runs. */
  readonly onTimeout?: (() => void) | undefined
}

/**
 * Converges a plan on a host.
 * @throws only what a handler throws; what fails on the host is in the report
 */
export async function converge(plan: Plan, host: Host, options: RunOptions): Promise<RunReport> {
  return new Run(plan, host, options).go()
}

class Run {
  private readonly handlers: readonly Handlers[]
  /** Those that want to hear also of what is as declared. */
  private readonly curious: readonly Handlers[]
  private readonly secrets: Secrets
  private readonly marks: ChangeMarks
  private readonly former: FormerSecrets
  private readonly provided: Provided
  private readonly reports: ResourceReport[] = []
  private readonly counts: Record<Outcome, number> = {
    unchanged: 0,
    changed: 0,
    planned: 0,
    unknown: 0,
    skipped: 0,
    failed: 0,
  }
  private readonly warnings: string[] = []
  private readonly notes = new Set<string>()
  private readonly listed: ListedPaths
  private readonly ahead: ReadAhead
  private failed = false
  private stillRunning = false
  /** How often the resource at hand was tried. */
  private attempts = 0
  /** Properties and state of the current resource, as far as they are known. */
  private found: { readonly props: unknown; readonly state: unknown } | null = null

  constructor(
    private readonly plan: Plan,
    private readonly host: Host,
    private readonly options: RunOptions,
  ) {
    this.handlers = options.handlers ?? []
    this.curious = this.handlers.filter(({ unchanged }) => unchanged !== false)
    this.secrets = options.secrets ?? new Secrets()
    this.marks = new ChangeMarks(host, plan.listed)
    this.former = new FormerSecrets(host, this.secrets)
    this.provided = new Provided(plan.needed, this.marks)
    this.listed = new ListedPaths(plan.resources)
    this.ahead = new ReadAhead(host, (resource) => this.context(resource, null))
  }

  async go(): Promise<RunReport> {
    const { plan, options } = this
    const began = performance.now()
    const started = new Date().toISOString()
    const head = { id: options.id, mode: options.mode, roles: plan.roles, events: plan.events, started }
    for (const handler of this.handlers) handler.start?.({ ...head, resources: plan.resources.length })
    for (const warning of plan.warnings) this.warn(warning)
    for (const note of plan.notes) this.note(note)
    let interrupted = false
    await this.prepare()
    await this.precheck()
    const resources = await this.ordered()
    let reached = this.counts.failed
    await this.ahead.start(resources)
    for (const resource of resources) {
      if (options.interrupted?.()) {
        interrupted = true
        break
      }
      reached++
      const step = this.step(resource)
      if (step instanceof Promise) await step
      if (this.failed) break
    }
    const notReached = plan.resources.length - reached
    const report: RunReport = {
      ...head,
      durationMs: performance.now() - began,
      outcome: this.outcome(interrupted),
      counts: { ...this.counts, notReached } satisfies Counts,
      resources: this.reports,
      warnings: this.warnings,
      ...(this.stillRunning ? { stillRunning: true } : {}),
    }
    for (const handler of this.handlers) handler.end?.(report)
    return report
  }

  private outcome(interrupted: boolean): RunReport['outcome'] {
    const { changed, planned, unknown } = this.counts
    if (this.failed) return 'failed'
    if (interrupted) return 'interrupted'
    if (changed > 0) return 'changed'
    return planned + unknown > 0 ? 'planned' : 'unchanged'
  }

  private async prepare(): Promise<void> {
    for (const definition of new Set(this.plan.resources.map((resource) => resource.definition)))
      await definition.implementation.prepare?.()
  }

  /** Reports everything that keeps a resource from having its effect, all at once, before the first change. */
  private async precheck(): Promise<void> {
    for (const resource of this.plan.resources) {
      const { definition, options, props } = resource
      if (definition.implementation.precheck === undefined || options.ignoreFailure === true) continue
      const began = performance.now()
      try {
        if ((await this.skippedBy(options)) === null) definition.implementation.precheck(this.host, props)
      } catch (error) {
        // A guard that is unknown now is evaluated again when the run reaches its resource.
        if (error instanceof ConvergeError) this.fail(resource, error, began)
      }
    }
  }

  /** The resources in the order of the run; none where it cannot begin. */
  private async ordered(): Promise<readonly PlannedResource[]> {
    if (this.failed) return []
    const { resources, unreadable } = inOrder(this.host, this.plan.resources)
    for (const resource of unreadable) await this.makeReadable(resource)
    return this.failed ? [] : resources
  }

  /** A damaged file of one app must not make the run fail at another app. */
  private async makeReadable(resource: PlannedResource): Promise<void> {
    const { definition, options, props } = resource
    const began = performance.now()
    try {
      if ((await this.skippedBy(options)) === null) definition.implementation.makeReadable?.(this.host, props)
    } catch (error) {
      // Where its failure is ignored, the resource fails in its own place.
      if (options.ignoreFailure !== true) this.fail(resource, error, began)
    }
  }

  /** Synchronous as long as nothing asks a process or a server: for thousands of files that is what makes it quick. */
  private step(resource: PlannedResource): Promise<void> | void {
    const began = performance.now()
    this.found = null
    this.attempts = 0
    try {
      if (this.isPlain(resource)) {
        const read = this.ahead.take(resource) ?? this.read(resource, resource.props, null)
        if (!(read instanceof Promise)) return this.compare(resource, resource.props, null, read, began)
        return read
          .then((now) => this.compare(resource, resource.props, null, now, began))
          .catch((e) => this.fail(resource, e, began))
      }
      return this.guarded(resource, began).catch((error) => this.fail(resource, error, began))
    } catch (error) {
      this.fail(resource, error, began)
    }
  }

  /** Nothing to ask before it is read. */
  private isPlain({ hasReferences, options }: PlannedResource): boolean {
    return !hasReferences && options.when === undefined && options.onlyIf === undefined && options.notIf === undefined
  }

  private async guarded(resource: PlannedResource, began: number): Promise<void> {
    const { options, name } = resource
    const reason = await this.skippedBy(options)
    if (reason !== null) return this.finish(resource, { outcome: 'skipped', reason }, began)

    const props = this.resolve(resource)
    if (props instanceof Unknown) return this.unknown(resource, props, began)
    const cause = this.provided.cause(resource)
    if (cause instanceof Unknown) return this.unknown(resource, cause, began)
    if (cause !== null && isGated(resource) && this.host.recorded(gateOf(resource)) === cause) {
      if (this.plan.needed.has(name)) {
        const now = await this.read(resource, props, cause)
        this.marks.watch(resource, props, now)
        this.provided.set(resource, 'unchanged', props, now)
      }
      return this.finish(resource, { outcome: 'unchanged' }, began)
    }
    const now = await (this.ahead.take(resource) ?? this.read(resource, props, cause))
    await this.compare(resource, props, cause, now, began)
  }

  private read(resource: PlannedResource, props: unknown, cause: string | null): unknown {
    return resource.definition.implementation.read(this.host, props, this.context(resource, cause))
  }

  private compare(
    resource: PlannedResource,
    props: unknown,
    cause: string | null,
    now: unknown,
    began: number,
  ): Promise<void> | void {
    this.found = { props, state: now }
    const desired = resource.definition.implementation.desired(props, now, this.context(resource, cause))
    const exposure = exposureOf(this.host, resource, props, desired, this.secrets)
    if (exposure !== null) this.warn(`${resource.name}: ${exposure}`)
    if (!sameJson(now, desired))
      return this.change(resource, props, cause, now, desired, began).catch((e) => this.fail(resource, e, began))
    resource.definition.implementation.settle?.(this.host, props, now, this.context(resource, cause))
    this.marks.watch(resource, props, now)
    this.provided.set(resource, 'unchanged', props, now)
    this.closeGate(resource, cause)
    this.finish(resource, { outcome: 'unchanged' }, began)
  }

  /** It has acted for this cause, or found nothing left to do for it. */
  private closeGate(resource: PlannedResource, cause: string | null): void {
    if (cause !== null && isGated(resource)) this.host.record(gateOf(resource), cause)
  }

  private async change(
    resource: PlannedResource,
    props: unknown,
    cause: string | null,
    now: unknown,
    desired: unknown,
    began: number,
  ): Promise<void> {
    const { name, options } = resource
    const context = this.context(resource, cause)
    this.ahead.forget()
    for (const handler of this.handlers) handler.applying?.(this.shown(name))
    this.former.learn(name, now, desired)
    const patch = await StatePatch.between(now, desired, {
      secrets: this.secrets,
      sensitive: options.sensitive ?? false,
    })
    if (this.options.mode === 'run') this.former.remember(name, desired)
    // Afterwards it is gone.
    const replaced = resource.definition.implementation.replaces?.(this.host, props, { now, desired })
    const after = await this.applyMarked(resource, props, { now, desired }, context)
    this.provided.set(resource, 'changed', props, after)
    this.closeGate(resource, cause)
    this.finish(
      resource,
      {
        outcome: this.options.mode === 'plan' ? 'planned' : 'changed',
        patch: patch.operations,
        texts: replaced === undefined ? patch.texts : null,
        words: replaced === undefined ? this.words(resource, props, now, desired) : this.shown(replaced),
      },
      began,
    )
  }

  private words({ definition }: PlannedResource, props: unknown, now: unknown, desired: unknown): string | undefined {
    const words = definition.implementation.words?.(props, { now, desired })
    return words === undefined ? undefined : this.shown(words)
  }

  /** The resources that wait for this one are due as soon as the change starts. If it fails without a change, they are not. */
  private async applyMarked(
    resource: PlannedResource,
    props: unknown,
    change: Change,
    context: Context,
  ): Promise<unknown> {
    const unmark = this.marks.mark(resource, props, change.now, change.desired)
    try {
      return await this.applyUntilDone(resource, props, change, context)
    } catch (thrown) {
      if (asConvergeError(thrown).code !== 'STILL_RUNNING') await this.unmark(resource, props, context.cause, unmark)
      throw thrown
    }
  }

  /** The failure is what is reported: where the state cannot be read, the mark stays. */
  private async unmark(resource: PlannedResource, props: unknown, cause: string | null, unmark: Unmark): Promise<void> {
    try {
      unmark(await this.read(resource, props, cause))
    } catch {
      // Due once more than needed, never once less.
    }
  }

  /** Applies it, with its retries, and gives the state it is in then. */
  private async applyUntilDone(
    resource: PlannedResource,
    props: unknown,
    first: Change,
    context: Context,
  ): Promise<unknown> {
    const { name, options, definition } = resource
    const retries = this.options.mode === 'plan' ? 0 : (options.retries ?? 0)
    let change = first
    for (let tries = 0; ; tries++) {
      this.attempts = tries + 1
      try {
        const tryIt = () => this.applyOnce(resource, props, change, context)
        return await withDeadline(options.timeout, tryIt, this.options.onTimeout)
      } catch (thrown) {
        if (tries >= retries || thrown instanceof NotYetKnown || this.options.interrupted?.()) throw thrown
        const error = asConvergeError(thrown)
        if (error.code === 'STILL_RUNNING') throw error
        this.note(`${name}: ${error.message}; retry ${tries + 1} of ${retries}`)
        await this.host.sleep(options.retryDelay ?? seconds(2))
        // The failed try may have done a part of it.
        const now = await definition.implementation.read(this.host, props, context)
        const desired = definition.implementation.desired(props, now, context)
        if (sameJson(now, desired)) return now
        change = { now, desired }
      }
    }
  }

  private async applyOnce(
    resource: PlannedResource,
    props: unknown,
    change: Change,
    context: Context,
  ): Promise<unknown> {
    const { implementation } = resource.definition
    if (this.options.mode === 'plan' && implementation.predict) {
      implementation.predict(this.host, props, change, context)
      return change.desired
    }
    await implementation.apply(this.host, props, change, context)
    const after = await implementation.read(this.host, props, context)
    const wanted = implementation.desired(props, after, context)
    if (sameJson(after, wanted)) return after
    const left = await StatePatch.between(after, wanted, {
      secrets: this.secrets,
      sensitive: resource.options.sensitive ?? false,
    })
    throw new ConvergeError('it was applied, and still is not as declared', {
      code: 'NOT_CONVERGED',
      attempted: 'read back',
      output: left.operations.map((operation) => JSON.stringify(operation)).join('\n'),
      hint: 'find out what else changes it at the same time, or correct the resource type',
    })
  }

  /** Why the guards of a resource skip it, or null. */
  private async skippedBy({ onlyIf, notIf }: CommonOptions): Promise<string | null> {
    return (await this.refusedBy(onlyIf, true)) ?? (await this.refusedBy(notIf, false))
  }

  /** Why a guard skips a resource, or null. */
  private async refusedBy(guard: boolean | Check | undefined, wanted: boolean): Promise<string | null> {
    if (guard === undefined) return null
    const word = wanted ? 'only if' : 'not if'
    if (typeof guard === 'boolean') return guard === wanted ? null : `${word}: the node says otherwise`
    try {
      return (await guard.check(this.host)) === wanted ? null : `${word} ${guard.description}`
    } catch (thrown) {
      throw userFault(thrown, `the check "${guard.description}"`)
    }
  }

  private resolve(resource: PlannedResource): unknown {
    if (!resource.hasReferences) return resource.props
    const props = resolveReferences(resource.props, (reference) => this.provided.lookUp(reference))
    if (props instanceof Unknown) return props
    const parsed = checkProps(resource.definition, props as object, (text) =>
      resource.options.sensitive ? '********' : this.secrets.mask(text),
    )
    if (!('props' in parsed)) throw parsed.problems[0]
    const { definition, type, name } = resource
    // The recipe of the next run knows the values, and so does the key.
    if (references(resource.props).every((reference) => this.provided.isConstant(reference)))
      this.marks.recordAs(name, `${type} ${definition.key(parsed.props)}`)
    return parsed.props
  }

  private unknown(resource: PlannedResource, value: Unknown, began: number): void {
    const { definition, name, props } = resource
    for (const path of definition.implementation.paths?.(props) ?? []) {
      const known = isReference(path) ? this.provided.lookUp(path) : path
      if (typeof known === 'string') this.host.unknown(known, name)
    }
    this.provided.set(resource, 'unknown', props, null)
    this.finish(resource, { outcome: 'unknown', reason: value.toString() }, began)
  }

  private fail(resource: PlannedResource, thrown: unknown, began: number): void {
    const { options, name } = resource
    if (thrown instanceof NotYetKnown) {
      try {
        return this.unknown(resource, new Unknown(thrown.after), began)
      } catch (error) {
        // Its paths refer to what never came about.
        return this.fail(resource, error, began)
      }
    }
    const found = userFault(thrown, `the resource type ${resource.type}`)
    const error = asConvergeError(found).at({ resource: name, source: resource.source() })
    // A command that continues after its deadline may change the next resources while they are read.
    this.stillRunning = error.code === 'STILL_RUNNING'
    this.failed = this.stillRunning || options.ignoreFailure !== true
    this.ahead.forget()
    this.provided.set(resource, 'failed', this.found?.props ?? resource.props, this.found?.state ?? null)
    const { output, ...rest } = this.secrets.maskDeep(this.masked(error).toJSON()) as unknown as FailureReport
    const shown = excerpt(output, this.options.journal)
    const failure = { ...rest, output: shown }
    const whole = shown === output ? {} : { output }
    this.finish(resource, { outcome: 'failed', failure, ...whole, ignored: !this.failed }, began)
  }

  private finish(
    resource: PlannedResource,
    what: Pick<ResourceReport, 'outcome' | 'patch' | 'words' | 'reason' | 'failure' | 'output' | 'ignored' | 'texts'>,
    began: number,
  ): void {
    // A failure that may be ignored must not be counted as one that ends the run, nor as "unchanged".
    this.counts[what.outcome]++
    const handlers = what.outcome === 'unchanged' ? this.curious : this.handlers
    if (handlers.length === 0 && what.outcome === 'unchanged') return
    const { type, role, event } = resource
    const [name, key] = [this.shown(resource.name), this.shown(resource.key)]
    const reason = what.reason === undefined ? {} : { reason: this.shown(what.reason) }
    const durationMs = performance.now() - began
    const attempts = this.attempts > 1 ? { attempts: this.attempts } : {}
    const report: ResourceReport = { name, type, key, role, event, ...what, ...reason, ...attempts, durationMs }
    if (what.outcome !== 'unchanged') {
      const { texts: _, output: __, ...kept } = report
      this.reports.push(kept)
    }
    for (const handler of handlers) handler.resource?.(report)
  }

  private masked(error: ConvergeError): ConvergeError {
    return error.masked(
      (text) => this.secrets.mask(text),
      (text) => this.secrets.maskForeign(text),
    )
  }

  /** Names and reasons can hold secrets too: a command may be a resource's key. */
  private shown(text: string): string {
    return this.secrets.mask(text)
  }

  private context(resource: PlannedResource, cause: string | null): Context {
    const { name, options } = resource
    const { marks } = this
    const maskLine = this.secrets.foreignLineMask()
    return {
      cause,
      causes: (options.when ?? []).map(({ resource: { type, key } }) => `${type} ${key}`),
      get counted() {
        return (options.when ?? []).some(({ resource: { type, key } }) => marks.isCounted(`${type} ${key}`))
      },
      listedPaths: this.listed.of(resource),
      sensitive: options.sensitive ?? false,
      name,
      progress: (line) => {
        const masked = maskLine(line)
        for (const handler of this.handlers) handler.progress?.(this.shown(name), masked)
      },
      warn: (message) => this.warn(`${name}: ${message}`),
      note: (message) => this.note(`${name}: ${message}`),
      secret: (value) => this.secrets.add(value),
    }
  }

  private warn(message: string): void {
    const masked = this.shown(message)
    if (this.warnings.includes(masked)) return
    this.warnings.push(masked)
    for (const handler of this.handlers) handler.warn?.(masked)
  }

  private note(message: string): void {
    const masked = this.shown(message)
    if (this.notes.has(masked)) return
    this.notes.add(masked)
    for (const handler of this.handlers) handler.note?.(masked)
  }
}

interface Change {
  readonly now: unknown
  readonly desired: unknown
}

/** Whether `when` keeps it away; for the other kind the resource decides itself. */
function isGated(resource: PlannedResource): boolean {
  return resource.options.when !== undefined && resource.definition.when !== 'cause'
}

function gateOf(resource: PlannedResource): string {
  return `when ${resource.name}`
}
