/** Records why a service was last restarted, and the process since then. */
import type * as z from 'zod'
import type { Host, HostReader } from '../../../core/host/types.ts'
import { digestOfAll, stateOf } from '../../../core/model/digest.ts'
import type { Context } from '../../../core/model/resource.ts'
import { isUp } from '../current_state.ts'
import type { Provider, ServiceReader, ServiceStatus } from '../managers/types.ts'
import { DueRecord, dueRecordName, serviceId } from './due_record.ts'
import { changedPaths, type LoadedFiles, loadedFiles, type loadsProp } from './loaded_files.ts'

interface RestartProps {
  readonly provider: Provider
  /** Names one command that restarts regardless of changes. */
  readonly force?: string | undefined
  /** If true, a service counts as up to date when it has no record and no change was counted. */
  readonly adopt?: boolean | undefined
  /** If false, a service that is down stays down: it reads everything when it starts. */
  readonly start?: boolean | undefined
}

interface RestartedService {
  readonly name: string
  readonly configuration?: string | undefined
  readonly loads?: z.output<typeof loadsProp> | undefined
}

/** Returns the state that a service must be restarted for. */
export function restartDigest(
  { force }: RestartProps,
  { configuration }: RestartedService,
  { cause }: Context,
): string {
  return force ?? digestOfAll([cause, configuration ?? null])
}

/** The most files that a progress line names. */
const maxNamed = 3

/** The record while a restart is in progress, until its result is known. */
const inProgress = 'begun'

export class RestartRecord {
  private readonly record: DueRecord

  constructor(
    private readonly reader: HostReader,
    private readonly restarts: RestartProps,
    private readonly service: RestartedService,
    private readonly context: Context,
  ) {
    const { provider, force } = restarts
    // A forced restart has a record of its own: else the next ordinary run would restart everything to record its own
    // state.
    const name =
      force === undefined
        ? dueRecordName('restart', provider, service.name, context)
        : `forced restart ${serviceId(provider, service.name)}`
    this.record = new DueRecord(reader, name, restartDigest(restarts, service, context))
  }

  /**
   * Returns the state that the service was last restarted for; null if there is none. Null too if its configuration
   * differs from its files. A file that someone changed, loaded and restored looks unchanged, but the manager knows.
   */
  async restartedFor(manager: ServiceReader, { process, state }: ServiceStatus): Promise<string | null> {
    const last = this.lastRestart()
    const { due } = this.record
    const isSame = process !== null && last.process === process
    // The process of that restart has loaded nothing since. If the same state is back, such as after a rollback of a
    // release that the service was never restarted for, no restart is due.
    if (isSame) return stateOf(last.digest ?? '') === stateOf(due) || this.hasSameFiles() ? due : last.digest
    const { force, adopt, start } = this.restarts
    if (!isUp(state) && start === false) return due
    if (state !== 'running' || force !== undefined) return last.digest
    if (await manager.isOutdated(this.service.name)) return null
    return adopt && !this.context.counted ? (last.digest ?? due) : last.digest
  }

  /** Records that the service no longer matches its last restart, also if this restart fails and is not retried. */
  markStarted(host: Host): void {
    host.record(this.record.name, inProgress)
  }

  /**
   * Records a completed restart.
   * @param process the one that the restart started; null if it is unknown
   */
  markCompleted(host: Host, process: string | null): void {
    const named = process !== null && this.restarts.force === undefined
    if (named) this.recordFiles(host)
    this.record.markDone(host, named ? process : null)
  }

  /** Returns the end of a progress line: the first of the files that differ, if these are known. */
  differenceSuffix(): string {
    const changedFiles = this.changedFiles() ?? []
    if (changedFiles.length === 0) return ''
    const more = changedFiles.length > maxNamed ? ` and ${changedFiles.length - maxNamed} more` : ''
    return `: ${changedFiles.slice(0, maxNamed).join(', ')}${more} ${changedFiles.length === 1 ? 'differs' : 'differ'}`
  }

  /** Returns the files that differ from those of the last restart; null if they are unknown. */
  private changedFiles(): string[] | null {
    const [before, now] = [this.filesBefore(), this.filesNow()]
    return before === null || now === null ? null : changedPaths(before, now)
  }

  /**
   * Records the current state if no restart is due: the next process may load the current files, not the earlier ones.
   */
  settle(host: Host): void {
    const { digest, process } = this.lastRestart()
    if (digest !== this.record.due) this.markCompleted(host, process)
    else if (process !== null && host.recorded(this.filesKey) === null) this.recordFiles(host)
  }

  private hasSameFiles(): boolean {
    return this.changedFiles()?.length === 0
  }

  private recordFiles(host: Host): void {
    if (this.service.loads !== undefined) host.record(this.filesKey, JSON.stringify(this.filesNow()))
  }

  private filesBefore(): LoadedFiles | null {
    const text = this.service.loads === undefined ? null : this.reader.recorded(this.filesKey)
    return text === null ? null : (JSON.parse(text) as LoadedFiles | null)
  }

  private filesNow(): LoadedFiles | null {
    const { loads, configuration = '' } = this.service
    const files = loads === undefined ? null : loadedFiles(this.reader, loads)
    return files === null ? null : { ...files, 'its program': configuration }
  }

  private get filesKey(): string {
    return `${this.record.name}: files`
  }

  /** Reads the record; earlier versions recorded no process. */
  private lastRestart(): { readonly digest: string | null; readonly process: string | null } {
    const record = this.record.last
    if (record === null || this.restarts.force !== undefined) return { digest: record, process: null }
    const [digest = '', ...process] = record.split(' ')
    return { digest, process: process.length === 0 ? null : process.join(' ') }
  }
}
