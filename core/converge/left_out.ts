/** Refuses what depends on a resource that a run with --only or --skip leaves out. */
import type { Plan } from '../compile/compile.ts'
import { ConvergeError } from '../model/errors.ts'
import { references } from '../model/reference.ts'
import type { PlannedResource } from '../model/resource.ts'

export function isLeftOut({ leftOut }: Plan, { name }: PlannedResource): boolean {
  return leftOut?.has(name) ?? false
}

/** Records the resources that were left out and are not as declared, where others are built on them. */
export class LeftOutSteps {
  private readonly providers: ReadonlySet<string>
  /** The first step that was left out, by its provider. */
  private readonly leftOutSteps = new Map<string, string>()

  constructor({ resources, leftOut }: Plan) {
    const stepped = leftOut === undefined ? [] : resources.filter(({ definition }) => definition.isBuiltInSteps)
    this.providers = new Set(stepped.map(({ name }) => name))
  }

  /** Whether a resource is such a provider, or a step of one. */
  concerns(resource: PlannedResource): boolean {
    return this.providersOf(resource).length > 0
  }

  add(resource: PlannedResource): void {
    for (const provider of this.providersOf(resource))
      if (!this.leftOutSteps.has(provider)) this.leftOutSteps.set(provider, resource.name)
  }

  /** @throws LEFT_OUT where an earlier step was left out and is not as declared */
  check(resource: PlannedResource): void {
    for (const provider of this.providersOf(resource)) {
      const step = this.leftOutSteps.get(provider)
      if (step !== undefined) throw leftOutError(step)
    }
  }

  private providersOf({ name, props, hasReferences }: PlannedResource): readonly string[] {
    if (this.providers.size === 0) return []
    const named = hasReferences ? references(props).map(({ provider }) => provider) : []
    return [name, ...named].filter((one) => this.providers.has(one))
  }
}

/** @param name of the resource that was left out */
export function leftOutError(name: string): ConvergeError {
  return new ConvergeError(`it depends on ${name}, which is left out and is not as declared`, {
    code: 'LEFT_OUT',
    hint: `choose ${name} as well, or apply it first`,
  })
}
