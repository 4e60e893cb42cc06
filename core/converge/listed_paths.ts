/** Finds the paths that the resources listed in `when` write. */
import type { PlannedResource } from '../model/resource.ts'

const none: readonly string[] = []

export class ListedPaths {
  private byName: ReadonlyMap<string, PlannedResource> | undefined

  constructor(private readonly resources: readonly PlannedResource[]) {}

  /** Returns the paths for a resource, without those that become known only during the run. */
  of({ options }: PlannedResource): readonly string[] {
    if (options.when === undefined) return none
    this.byName ??= new Map(this.resources.map((resource) => [resource.name, resource]))
    return options.when.flatMap(({ resource: { type, key } }) => {
      const listed = this.byName?.get(`${type} ${key}`)
      const paths = listed?.definition.implementation.paths?.(listed.props) ?? []
      return paths.filter((path): path is string => typeof path === 'string')
    })
  }
}
