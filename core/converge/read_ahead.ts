/** Reads resources ahead of their turn, several in parallel, if a read waits for a program or a server. A change discards them. */
import type { HostReader } from '../host/types.ts'
import { lazy } from '../model/lazy.ts'
import type { Context, PlannedResource } from '../model/resource.ts'

const parallelReads = 8
const loadLimit = lazy(() => import('p-limit'))

export class ReadAhead {
  private readonly reads = new Map<PlannedResource, Promise<unknown>>()
  private stop: () => void = () => undefined

  constructor(
    private readonly host: HostReader,
    private readonly context: (resource: PlannedResource) => Context,
  ) {}

  async start(resources: readonly PlannedResource[]): Promise<void> {
    const slow = resources.filter((resource) => resource.definition.readsAhead && isReadyToRead(resource))
    if (slow.length < 2) return
    const { default: pLimit } = await loadLimit()
    const limit = pLimit(parallelReads)
    this.stop = () => limit.clearQueue()
    for (const resource of slow) {
      const { implementation } = resource.definition
      const read = limit(async () => implementation.read(this.host, resource.props, this.context(resource)))
      // The run handles the rejection when it reaches the resource.
      read.catch(() => undefined)
      this.reads.set(resource, read)
    }
  }

  take(resource: PlannedResource): Promise<unknown> | undefined {
    return this.reads.size === 0 ? undefined : this.reads.get(resource)
  }

  /** Discards all reads: a change is about to be made. */
  discard(): void {
    this.reads.clear()
    this.stop()
  }
}

/** Decides whether a resource can be read without an evaluation before: it has no references, no `when`, no guards. */
export function isReadyToRead({ hasReferences, options }: PlannedResource): boolean {
  return !hasReferences && options.when === undefined && options.onlyIf === undefined && options.notIf === undefined
}
