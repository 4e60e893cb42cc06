/** Remembers during a dry run that a service would start: what only its socket can answer is not known yet. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { NotYetKnown } from '../../core/model/reference.ts'

const key = 'planned start of a service'

/** Called by `predict`, whose records nobody but the dry run sees. */
export function recordPlannedStart(host: Host, name: string): void {
  host.record(key, name)
}

/**
 * For a server that does not answer.
 * @throws NotYetKnown in a dry run that would start a service before
 */
export function requireNoPlannedStart(host: HostReader): void {
  const name = host.recorded(key)
  if (name !== null) throw new NotYetKnown(name)
}
