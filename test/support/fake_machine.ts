/** Stores the state of an in-memory host between runs: what a converge process keeps in memory ends with its run. */
import { VirtualHost } from '../../core/host/virtual.ts'
import type { Duration } from '../../core/model/units.ts'
import { fileTree, type TreeEntry } from '../../recipes/testing/file_tree.ts'

export class Machine extends VirtualHost {
  /** The number of runs so far: cached answers are valid for one run only. */
  runs = 0
  /** Recorded values, by key. */
  readonly lastingRecords = new Map<string, string>()
  /** Called before each wait. */
  onSleep: () => void = () => undefined

  override cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return super.cached(`${this.runs} ${key}`, ask)
  }

  override once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return super.once(`${this.runs} ${key}`, ask)
  }

  override record(key: string, value: string): void {
    super.record(key, value)
    this.lastingRecords.set(key, value)
  }

  override recorded(key: string): string | null {
    return this.lastingRecords.get(key) ?? null
  }

  override async sleep(time: Duration): Promise<void> {
    this.onSleep()
    await super.sleep(time)
  }

  /** Lists everything on the host by path. */
  tree(below = ''): Record<string, TreeEntry> {
    return fileTree(this, below === '' ? '/' : below)
  }

  /** Replaces the state with that of another host. */
  copyFrom(other: Machine): void {
    const [own, ownGroup] = [this.self.name, this.groupById(this.self.gid)?.name]
    for (const [path, { kind, mode, owner, group, content }] of Object.entries(other.tree())) {
      this.given(path, kind === 'directory' ? null : kind === 'link' ? { link: content } : content, mode)
      if (owner !== own || group !== ownGroup) this.setOwner(path, owner, group)
    }
    for (const [key, value] of other.lastingRecords) this.record(key, value)
    this.changes.length = 0
    this.clock = other.clock
  }
}
