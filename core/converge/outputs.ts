/** Resolves references: keeps the state in which each resource of a run ended, and computes outputs and digests from it. */
import { digestOfAll } from '../model/digest.ts'
import { ConvergeError } from '../model/errors.ts'
import { type ReferenceParts, Unknown } from '../model/reference.ts'
import type { AnyDefinition, PlannedResource } from '../model/resource.ts'
import type { Outcome } from '../report/events.ts'
import { type ChangeMarks, fingerprintOf } from './change_marks.ts'
import { leftOutError } from './left_out.ts'

interface Result {
  readonly definition: AnyDefinition
  /** `leftOut`: not converged in this run, and not as declared. */
  readonly outcome: Outcome | 'leftOut'
  readonly state: unknown
  readonly props: unknown
}

export class ResourceOutputs {
  private readonly results = new Map<string, Result>()

  /** @param needed names of the resources that others refer to; the results of the rest are not stored */
  constructor(
    private readonly needed: ReadonlySet<string>,
    private readonly marks: ChangeMarks,
  ) {}

  set({ name, definition }: PlannedResource, outcome: Result['outcome'], props: unknown, state: unknown): void {
    if (this.needed.has(name)) this.results.set(name, { definition, outcome, state, props })
  }

  /**
   * Returns the value of a reference, or Unknown if a dry run cannot know it.
   * @throws ConvergeError NO_VALUE if its provider was skipped or failed, NO_OUTPUT if its provider has no such output
   */
  lookUp(reference: ReferenceParts): unknown {
    const { provider: name, output, transform } = reference
    const provider = this.results.get(name)
    if (provider === undefined || provider.outcome === 'failed')
      throw new ConvergeError(`it refers to ${name}, which ${provider ? 'failed' : 'was skipped'}`, {
        code: 'NO_VALUE',
        hint: 'give it the same guard, or let the run stop there',
      })
    if (provider.outcome === 'unknown') return new Unknown(name)
    if (provider.outcome === 'leftOut' && output !== 'digest') throw leftOutError(name)
    const value = output === 'digest' ? this.digest(name) : outputOf(name, provider, output)
    return value instanceof Unknown || transform === undefined ? value : transform(value as never)
  }

  /** Whether a reference has the same value in each run on this host, once it is known. */
  isConstant({ provider }: ReferenceParts): boolean {
    return this.results.get(provider)?.definition.constant === true
  }

  /** Computes the value of a `when`: the resource acts again if it differs from the recorded one. Null without a `when`. */
  cause({ options }: PlannedResource): string | null | Unknown {
    if (options.when === undefined) return null
    const digests = options.when.map(({ resource }) => this.digest(`${resource.type} ${resource.key}`))
    return digests.find((digest) => digest instanceof Unknown) ?? digestOfAll(digests as string[])
  }

  /** The digest of a resource's state; for one that failed or was left out, of the state before the run. */
  private digest(name: string): string | Unknown {
    const provider = this.results.get(name)
    if (provider === undefined) return 'skipped'
    if (provider.outcome === 'unknown') return new Unknown(name)
    if (['failed', 'leftOut'].includes(provider.outcome) && provider.state === null) return 'failed'
    const fingerprint = fingerprintOf(provider, provider.props, provider.state)
    return fingerprint instanceof Unknown ? fingerprint : this.marks.digest(name, fingerprint)
  }
}

function outputOf(name: string, { definition, props, state }: Result, output: string): unknown {
  const outputs = definition.implementation.outputs?.(props, state) as Record<string, unknown> | undefined
  if (outputs !== undefined && output in outputs) return outputs[output]
  throw new ConvergeError(`${name} has no output ${output}`, {
    code: 'NO_OUTPUT',
    hint: outputs ? `it has: digest, ${Object.keys(outputs).join(', ')}` : 'it has only: digest',
  })
}
