/** Remembers during a dry run which databases and roles earlier resources would create or remove. */
import type { Host, HostReader } from '../../core/host/types.ts'

const keyOf = (name: string) => `planned ${name}`

/**
 * Called by `predict`, whose records nobody but the dry run sees.
 * @param name type and key of the object, such as `postgresql_role shop`
 */
export function recordPlanned(host: Host, name: string, exists: boolean): void {
  host.record(keyOf(name), exists ? 'present' : 'absent')
}

/** Whether an object exists, with what the dry run would have changed by now. */
export function existsOrPlanned(host: HostReader, name: string, exists: boolean): boolean {
  const planned = host.recorded(keyOf(name))
  return planned === null ? exists : planned === 'present'
}
