/** Starts reads that ask programs or servers before their turn, several at once; they hold until something changes. */
import type { HostReader } from '../host/types.ts'
import type { Context, PlannedResource } from '../model/resource.ts'

const atOnce = 8

export class ReadAhead {
  private readonly reads = new Map<PlannedResource, Promise<unknown>>()
  private stop: () => void = () => undefined

  constructor(
    private readonly host: HostReader,
    private readonly context: (resource: PlannedResource) => Context,
  ) {}

  async start(resources: readonly PlannedResource[]): Promise<void> {
    const slow = resources.filter(
      ({ definition, hasReferences, options }) =>
        definition.readsAhead &&
        !hasReferences &&
        options.when === undefined &&
        options.onlyIf === undefined &&
        options.notIf === undefined,
    )
    if (slow.length < 2) return
    const { default: pLimit } = await import('p-limit')
    const limit = pLimit(atOnce)
    this.stop = () => limit.clearQueue()
    for (const resource of slow) {
      const { implementation } = resource.definition
      const read = limit(async () => implementation.read(this.host, resource.props, this.context(resource)))
      // A failure counts when its turn comes; until then it is nobody's.
      read.catch(() => undefined)
      this.reads.set(resource, read)
    }
  }

  take(resource: PlannedResource): Promise<unknown> | undefined {
    return this.reads.size === 0 ? undefined : this.reads.get(resource)
  }

  /** Something is about to change: what was read ahead may no longer be so. */
  forget(): void {
    this.reads.clear()
    this.stop()
  }
}
