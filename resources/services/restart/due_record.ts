/** Records what a service was last restarted or reloaded for: the work stays due until it is recorded. */
import type { Host, HostReader } from '../../../core/host/types.ts'
import { digestOf } from '../../../core/model/json.ts'
import type { Context } from '../../../core/model/resource.ts'
import type { Provider } from '../managers/types.ts'

/** Returns the name of a service in records, with its manager: another manager may have a service of the same name. */
export function serviceId(provider: Provider, name: string): string {
  return `${name} (${provider.kind === 'supervisor' ? `${provider.kind} ${provider.socket}` : provider.kind})`
}

/**
 * Returns the name of a record. Each resource keeps its own record, else two resources for one service would undo each
 * other's record in every run. The name depends on the resource's causes and not on its services, so that one more
 * service restarts no other.
 */
export function dueRecordName(verb: string, provider: Provider, name: string, { causes }: Context): string {
  return `${verb} ${serviceId(provider, name)} for ${digestOf([...causes].sort()).slice(0, 16)}`
}

export class DueRecord {
  /**
   * @param name of the record
   * @param due what the work must be done for now
   */
  constructor(
    private readonly reader: HostReader,
    readonly name: string,
    readonly due: string,
  ) {}

  /** Returns what the work was last done for; null if there is no record. */
  get last(): string | null {
    return this.reader.recorded(this.name)
  }

  get isDone(): boolean {
    return this.last === this.due
  }

  /** @param process the one that the work started; null if it is unknown */
  markDone(host: Host, process: string | null = null): void {
    host.record(this.name, process === null ? this.due : `${this.due} ${process}`)
  }
}
