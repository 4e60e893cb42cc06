/** Applies the change of one resource: marks the resources that wait for it, retries, and reads back. */
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { sameJson } from '../model/json.ts'
import { NotYetKnown } from '../model/reference.ts'
import type { AnyDefinition, Context, PlannedResource } from '../model/resource.ts'
import { seconds } from '../model/units.ts'
import type { Unmark } from './change_marks.ts'
import { withDeadline } from './deadline.ts'
import type { Run } from './run.ts'
import { StatePatch } from './state_patch.ts'

export interface Change {
  readonly now: unknown
  readonly desired: unknown
}

/** @param previous text of the file that the changed one replaces, if it is another file */
export function patchOf(
  { secrets }: Run,
  { options }: PlannedResource,
  { now, desired }: Change,
  previous?: string,
): Promise<StatePatch> {
  return StatePatch.between(now, desired, { secrets, sensitive: options.sensitive ?? false, previous })
}

export class ChangeApplication {
  /** Number of attempts so far. */
  attempts = 0
  private readonly implementation: AnyDefinition['implementation']

  constructor(
    private readonly run: Run,
    private readonly resource: PlannedResource,
    /** With all references resolved. */
    private readonly props: unknown,
    private readonly context: Context,
  ) {
    this.implementation = resource.definition.implementation
  }

  /** Applies the change. The resources that wait for it are due as soon as it starts, unless it fails without any effect. */
  async apply(change: Change): Promise<unknown> {
    const unmark = this.run.marks.mark(this.resource, this.props, change.now, change.desired)
    try {
      return await this.applyUntilDone(change)
    } catch (thrown) {
      if (asConvergeError(thrown).code !== 'STILL_RUNNING') await this.unmark(unmark)
      throw thrown
    }
  }

  /** Removes the mark after a failure without any effect. If the state cannot be read, the mark stays. */
  private async unmark(unmark: Unmark): Promise<void> {
    try {
      const { host } = this.run
      unmark(await this.implementation.read(host, this.props, this.context))
    } catch {
      // The waiting resources may act without need. The run reports the failure of the change, not this one.
    }
  }

  /**
   * Applies the change, with the retries of the resource.
   * @returns the state afterwards
   */
  private async applyUntilDone(first: Change): Promise<unknown> {
    const { run, props, implementation, context } = this
    const { name, options } = this.resource
    const retries = run.options.mode === 'plan' ? 0 : (options.retries ?? 0)
    let change = first
    for (let tries = 0; ; tries++) {
      this.attempts = tries + 1
      try {
        const apply = () => this.applyOnce(change)
        return await withDeadline(options.timeout, apply, run.options.onTimeout)
      } catch (thrown) {
        if (tries >= retries || thrown instanceof NotYetKnown || run.options.interrupted?.()) throw thrown
        const error = asConvergeError(thrown)
        if (error.code === 'STILL_RUNNING') throw error
        run.reporter.note(`${name}: ${error.message}; retry ${tries + 1} of ${retries}`)
        await run.host.sleep(options.retryDelay ?? seconds(2))
        // The failed attempt may have made a part of the change.
        const now = await implementation.read(run.host, props, context)
        const desired = implementation.desired(props, now, context)
        if (sameJson(now, desired)) return now
        change = { now, desired }
      }
    }
  }

  private async applyOnce(change: Change): Promise<unknown> {
    const { implementation, props, context } = this
    const { host, options } = this.run
    if (options.mode === 'plan' && implementation.predict) {
      implementation.predict(host, props, change, context)
      return change.desired
    }
    await implementation.apply(host, props, change, context)
    const now = await implementation.read(host, props, context)
    const desired = implementation.desired(props, now, context)
    if (sameJson(now, desired)) return now
    const { operations } = await patchOf(this.run, this.resource, { now, desired })
    const mismatch = stateMismatch(this.resource.definition, now)
    if (mismatch !== null)
      throw new ConvergeError(`read of ${this.resource.type} returned a state that its schema refuses: ${mismatch}`, {
        code: 'INVALID_STATE',
        hint: 'correct read, or the schema state of the resource type',
      })
    throw new ConvergeError('applied, but the state still differs from what was declared', {
      code: 'NOT_CONVERGED',
      attempted: 'read back',
      output: operations.map((operation) => JSON.stringify(operation)).join('\n'),
      hint: 'find out what else changes it at the same time, or correct the resource type',
    })
  }
}

/** Returns why the schema of a type refuses a state that was read; null if it accepts it. */
function stateMismatch({ state }: AnyDefinition, found: unknown): string | null {
  const [issue] = state.safeParse(found).error?.issues ?? []
  if (issue === undefined) return null
  const path = issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `
  return `${path}${issue.message.replace(/^Invalid input: /, '')}`
}
