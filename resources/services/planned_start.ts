/** Records during a dry run that a service would start: the dry run cannot know yet what its socket would answer. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { NotYetKnown } from '../../core/model/reference.ts'

const key = 'planned start of a service'

/** Records the start of a service. Only `predict` calls it, because only the dry run sees its records. */
export function recordPlannedStart(host: Host, name: string): void {
  host.record(key, name)
}

/**
 * Requires that no earlier resource would start a service, after a server has not answered.
 * @throws NotYetKnown in a dry run that would start one
 */
export function requireNoPlannedStart(host: HostReader): void {
  const name = host.recorded(key)
  if (name !== null) throw new NotYetKnown(name)
}
