/** Takes one resource through a run: guards, read, compare, apply, read back. */
import { isPromise } from '../compile/call.ts'
import { checkProps } from '../compile/props.ts'
import { userFault } from '../compile/source.ts'
import { maskCommits } from '../model/commit_range.ts'
import { asConvergeError, ConvergeError, describeLocation } from '../model/errors.ts'
import { excerpt } from '../model/excerpt.ts'
import { sameJson } from '../model/json.ts'
import { isReference, NotYetKnown, partsOf, references, resolveReferences, Unknown } from '../model/reference.ts'
import type { AnyDefinition, Context, PlannedResource } from '../model/resource.ts'
import type { FailureReport } from '../report/events.ts'
import { type Change, ChangeApplication, patchOf } from './apply_change.ts'
import { explainChange } from './explanation.ts'
import { exposedArguments, exposedName, exposureOf } from './exposed_secrets.ts'
import { skippedBy } from './guards.ts'
import { refuseOutside } from './prefix.ts'
import { type PreviousFile, readPreviousFile } from './previous_file.ts'
import { isReadyToRead } from './read_ahead.ts'
import type { Ending } from './reporter.ts'
import { contextOf, type Run } from './run.ts'

export class Step {
  private readonly began = performance.now()
  private readonly implementation: AnyDefinition['implementation']
  /** As declared, until the references are resolved. */
  private props: unknown
  private cause: string | null = null
  /** The state as it was read; null before. */
  private state: unknown = null
  private application: ChangeApplication | null = null

  constructor(
    private readonly shared: Run,
    private readonly resource: PlannedResource,
  ) {
    this.implementation = resource.definition.implementation
    this.props = resource.props
  }

  /** The line of the recipe, at the end of a warning. */
  private get suffix(): string {
    const source = this.resource.source()
    return source === undefined ? '' : ` (${describeLocation(source)})`
  }

  /** Fails for a mistake in the recipe, and warns of unused parts. */
  check(): void {
    const { resource, shared } = this
    try {
      const warnings = this.implementation.check?.(this.props) ?? []
      // The recipe that overrides a template does not decide which variables the other recipe passes.
      if (resource.isOverridden === true) return
      for (const warning of warnings) shared.reporter.warn(`${warning}${this.suffix}`)
    } catch (error) {
      // If its failure is ignored, the resource fails when the run reaches it.
      if (resource.options.ignoreFailure !== true) this.fail(error)
    }
  }

  /** Fails if something keeps the resource from having its effect. */
  async precheck(): Promise<void> {
    const { options } = this.resource
    if (options.ignoreFailure === true) return
    try {
      if ((await skippedBy(options, this.shared.host)) === null)
        this.implementation.precheck?.(this.shared.host, this.props)
    } catch (error) {
      // The run evaluates a guard again when it reaches the resource: one that is not known yet may be known then.
      if (error instanceof ConvergeError) this.fail(error)
    }
  }

  /** Replaces a damaged file, so that the run does not fail earlier, at another app whose program reads the file. */
  async makeReadable(): Promise<void> {
    const { options } = this.resource
    try {
      if ((await skippedBy(options, this.shared.host)) === null)
        this.implementation.makeReadable?.(this.shared.host, this.props)
    } catch (error) {
      // If its failure is ignored, the resource fails when the run reaches it.
      if (options.ignoreFailure !== true) this.fail(error)
    }
  }

  /** Reads a resource that the run leaves out, if others depend on its state; changes and reports nothing. */
  async readLeftOut(): Promise<void> {
    const { shared, resource } = this
    if (!shared.plan.needed.has(resource.name) && !shared.unconverged.concerns(resource)) return
    try {
      if ((await skippedBy(resource.options, shared.host)) !== null) return
      const props = this.resolve()
      const cause = shared.outputs.cause(resource)
      if (props instanceof Unknown || cause instanceof Unknown) return this.leaveOut('unknown')
      this.props = props
      this.cause = cause
      this.state = await this.read()
      const isDue = cause !== null && this.isGated && shared.host.recorded(this.gate) !== cause
      const isAsDeclared = sameJson(this.state, this.implementation.desired(props, this.state, this.context()))
      this.leaveOut(isAsDeclared && !isDue ? 'unchanged' : 'leftOut')
    } catch (error) {
      this.leaveOut(error instanceof NotYetKnown ? 'unknown' : 'leftOut')
    }
  }

  private leaveOut(outcome: 'unchanged' | 'unknown' | 'leftOut'): void {
    const { shared, resource } = this
    shared.outputs.set(resource, outcome, this.props, this.state)
    if (outcome !== 'unchanged') shared.unconverged.add(resource)
  }

  /** Synchronous unless a read waits for a process or a server. That makes runs with thousands of files fast. */
  run(): Promise<void> | void {
    try {
      this.shared.unconverged.check(this.resource)
      if (!isReadyToRead(this.resource) || this.isInCopy) return this.runGuarded().catch((error) => this.fail(error))
      const state = this.firstRead()
      if (!(state instanceof Promise)) return this.compare(state)
      return state.then((read) => this.compare(read)).catch((error) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  private async runGuarded(): Promise<void> {
    const { resource, shared } = this
    const reason = await skippedBy(resource.options, shared.host)
    if (reason !== null) return this.finish({ outcome: 'skipped', reason })
    const props = this.resolve()
    if (props instanceof Unknown) return this.finishUnknown(props)
    const cause = shared.outputs.cause(resource)
    if (cause instanceof Unknown) return this.finishUnknown(cause)
    this.props = props
    this.cause = cause
    if (this.isInCopy && this.leaveOutSystemd()) return
    if (cause !== null && this.isGated && shared.host.recorded(this.gate) === cause) {
      if (shared.plan.needed.has(resource.name)) this.provideUnchanged(await this.read())
      return this.finish({ outcome: 'unchanged' })
    }
    await this.compare(await this.firstRead())
  }

  private get isInCopy(): boolean {
    return this.shared.options.isCopy === true && this.implementation.withoutSystemd !== undefined
  }

  /** Leaves out what needs systemd, with a warning. @returns whether nothing is left of the resource */
  private leaveOutSystemd(): boolean {
    const { shared, resource } = this
    const part = this.implementation.withoutSystemd?.(shared.host, this.props)
    if (sameJson(part, this.props)) return false
    const what = part === null ? 'it' : 'whether it runs'
    shared.reporter.warn(`${resource.name}: ${what} is not verified, because systemd does not run in the copy`)
    if (part === null) {
      this.finish({ outcome: 'skipped', reason: 'systemd does not run in the copy' })
      return true
    }
    this.props = part
    return false
  }

  private firstRead(): unknown {
    if (this.isInCopy) return this.read()
    return this.shared.ahead.take(this.resource) ?? this.read()
  }

  private read(): unknown {
    return this.implementation.read(this.shared.host, this.props, this.context())
  }

  private compare(now: unknown): Promise<void> | void {
    const { resource, shared, props } = this
    this.state = now
    const desired = this.implementation.desired(props, now, this.context())
    if (isPromise(desired)) throw asynchronousDesired(resource.type)
    const { secrets, host } = shared
    const exposures = [
      exposureOf(host, resource, props, desired, secrets) ?? exposedArguments(resource, props, secrets),
      exposedName(resource, secrets),
    ]
    for (const exposure of exposures)
      if (exposure !== null) shared.reporter.warn(`${resource.name}: ${exposure}${this.suffix}`)
    if (!sameJson(now, desired)) return this.change({ now, desired }).catch((error) => this.fail(error))
    const settling = this.implementation.settle?.(shared.host, props, now, this.context())
    if (settling instanceof Promise)
      return settling.then(
        () => this.finishUnchanged(now),
        (error) => this.fail(error),
      )
    this.finishUnchanged(now)
  }

  private finishUnchanged(state: unknown): void {
    this.provideUnchanged(state)
    this.closeGate()
    this.finish({ outcome: 'unchanged' })
  }

  private provideUnchanged(state: unknown): void {
    this.shared.marks.watch(this.resource, this.props, state)
    this.shared.outputs.set(this.resource, 'unchanged', this.props, state)
  }

  private async change(change: Change): Promise<void> {
    const { shared, resource, props } = this
    const { name } = resource
    const isPlan = shared.options.mode === 'plan'
    const context = this.context()
    const { prefix } = shared.options
    if (prefix !== undefined)
      await refuseOutside(prefix, { resource, props, patch: () => patchOf(shared, resource, change) })
    shared.ahead.discard()
    shared.options.onChange?.(resource, change)
    shared.reporter.applying(name)
    shared.former.learn(name, change.now, change.desired)
    const previous = this.previousOf(change)
    const patch = await patchOf(shared, resource, change, previous?.text)
    if (!isPlan) shared.former.remember(name, change.desired)
    // The change removes what this reads.
    const replaced = this.implementation.replaces?.(shared.host, props, change)
    const { operations } = patch
    const explained = explainChange(shared, resource, { props, change, operations, context })
    const listCommits = () => this.implementation.commits?.(shared.host, props, change, context) ?? null
    const planned = isPlan ? await listCommits() : null
    this.application = new ChangeApplication(shared, resource, props, context)
    const after = await this.application.apply(change)
    const commits = isPlan ? planned : await listCommits()
    shared.outputs.set(resource, 'changed', props, after)
    this.closeGate()
    const words = replaced ?? this.implementation.words?.(props, change)
    this.finish({
      outcome: isPlan ? 'planned' : 'changed',
      patch: operations,
      texts: replaced === undefined ? patch.texts : null,
      comparedWith: previous === null ? undefined : { path: previous.path, isSame: previous.isSame },
      words: words === undefined ? undefined : shared.reporter.mask(words),
      ...explained,
      commits: commits === null ? undefined : maskCommits(commits, (text) => shared.secrets.maskForeign(text)),
    })
  }

  private previousOf({ now, desired }: Change): PreviousFile | null {
    const { shared, implementation, resource, props } = this
    const path = implementation.previous?.(props)
    if (path === undefined) return null
    return readPreviousFile(shared.host, { path, now, desired }, (realPath, state) =>
      shared.former.learn(`${resource.type} ${realPath}`, state, desired),
    )
  }

  private resolve(): unknown {
    const { resource, shared } = this
    if (!resource.hasReferences) return resource.props
    const props = resolveReferences(resource.props, (reference) => shared.outputs.lookUp(reference))
    if (props instanceof Unknown) return props
    const parsed = checkProps(resource.definition, props as object, (text) =>
      resource.options.sensitive ? '********' : shared.secrets.mask(text),
    )
    if (!('props' in parsed)) throw parsed.problems[0]
    const { definition, type, name } = resource
    // The recipe of the next run knows the values, and so does the key.
    if (references(resource.props).every((reference) => shared.outputs.isConstant(reference)))
      shared.marks.recordAs(name, `${type} ${definition.key(parsed.props)}`)
    return parsed.props
  }

  /** Whether `when` decides that it runs; otherwise the resource decides. */
  private get isGated(): boolean {
    return this.resource.options.when !== undefined && this.resource.definition.when !== 'cause'
  }

  private get gate(): string {
    return `when ${this.resource.name}`
  }

  /** Records that the resource has acted for this cause, or found nothing to do for it. */
  private closeGate(): void {
    if (this.cause !== null && this.isGated) this.shared.host.record(this.gate, this.cause)
  }

  private finishUnknown(value: Unknown): void {
    const { shared, resource } = this
    for (const path of this.implementation.paths?.(resource.props) ?? []) {
      const known = isReference(path) ? shared.outputs.lookUp(partsOf(path)) : path
      if (typeof known === 'string') shared.host.unknown(known, resource.name)
    }
    shared.outputs.set(resource, 'unknown', resource.props, null)
    this.finish({ outcome: 'unknown', reason: value.toString() })
  }

  private fail(thrown: unknown): void {
    const { shared, resource } = this
    if (thrown instanceof NotYetKnown) {
      try {
        return this.finishUnknown(new Unknown(thrown.after))
      } catch (error) {
        // Its paths refer to a resource that failed or was skipped.
        return this.fail(error)
      }
    }
    const found = userFault(thrown, `the resource type ${resource.type}`)
    const error = asConvergeError(found).at({ resource: resource.name, source: resource.source() })
    const isStillRunning = error.code === 'STILL_RUNNING'
    // A command that continues after its deadline may change the next resources while they are read.
    const isFinal = isStillRunning || resource.options.ignoreFailure !== true
    if (isStillRunning) shared.stillRunning = true
    if (isFinal) shared.failed = true
    shared.ahead.discard()
    shared.outputs.set(resource, 'failed', this.props, this.state)
    const { output, ...rest } = this.failureReport(error)
    const shortened = excerpt(output, shared.options.journal)
    const whole = shortened === output ? {} : { output }
    this.finish({ outcome: 'failed', failure: { ...rest, output: shortened }, ...whole, ignored: !isFinal })
  }

  private failureReport(error: ConvergeError): FailureReport {
    const { secrets } = this.shared
    const masked = error.masked(
      (text) => secrets.mask(text),
      (text) => secrets.maskForeign(text),
    )
    return secrets.maskDeep(masked.toJSON()) as unknown as FailureReport
  }

  private finish(ending: Ending): void {
    const attempts = this.application?.attempts ?? 0
    const retried = attempts > 1 ? { attempts } : {}
    this.shared.reporter.finish(this.resource, { ...ending, ...retried }, performance.now() - this.began)
  }

  private context(): Context {
    return contextOf(this.shared, this.resource, this.cause)
  }
}

function asynchronousDesired(type: string): ConvergeError {
  return new ConvergeError(`desired of the resource type ${type} is asynchronous: it returns a promise`, {
    code: 'ASYNC_DESIRED',
    hint: 'remove async from desired: it depends on the properties and the state only; read the host in read',
  })
}
