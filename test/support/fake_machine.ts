/** A host in memory that outlives the runs on it: what a process of converge keeps to itself ends with the run. */
import { VirtualHost } from '../../core/host/virtual.ts'
import type { Duration } from '../../core/model/units.ts'

export class Machine extends VirtualHost {
  /** Counts the runs: answers hold for one of them. */
  runs = 0
  /** What was recorded, by key. */
  readonly kept = new Map<string, string>()
  alive: () => void = () => undefined

  override cached<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return super.cached(`${this.runs} ${key}`, ask)
  }

  override once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return super.once(`${this.runs} ${key}`, ask)
  }

  override record(key: string, value: string): void {
    super.record(key, value)
    this.kept.set(key, value)
  }

  override recorded(key: string): string | null {
    return this.kept.get(key) ?? null
  }

  override async sleep(time: Duration): Promise<void> {
    this.alive()
    await super.sleep(time)
  }

  /** Everything on it by path. */
  tree(below = ''): Record<string, TreeEntry> {
    const found: Record<string, TreeEntry> = {}
    const visit = (path: string) => {
      const stat = this.lstat(path)
      if (stat === null) return
      const { kind, mode, uid, gid } = stat
      const content = kind === 'link' ? this.readLink(path) : kind === 'file' ? this.readText(path) : ''
      const [owner, group] = [this.accountById(uid)?.name ?? `${uid}`, this.groupById(gid)?.name ?? `${gid}`]
      found[path] = { kind, mode, owner, group, content: content ?? '' }
      if (kind === 'directory') for (const name of this.list(path)) visit(`${path}/${name}`)
    }
    if (below !== '') visit(below)
    else for (const name of this.list('/')) visit(`/${name}`)
    return found
  }

  /** Becomes what another one is. */
  takeOver(other: Machine): void {
    const [own, ownGroup] = [this.self.name, this.groupById(this.self.gid)?.name]
    for (const [path, { kind, mode, owner, group, content }] of Object.entries(other.tree())) {
      this.given(path, kind === 'directory' ? null : kind === 'link' ? { link: content } : content, mode)
      if (owner !== own || group !== ownGroup) this.setOwner(path, owner, group)
    }
    for (const [key, value] of other.kept) this.record(key, value)
    this.changes.length = 0
    this.clock = other.clock
  }
}

export interface TreeEntry {
  readonly kind: string
  readonly mode: string
  readonly owner: string
  readonly group: string
  /** Where a link points to. */
  readonly content: string
}
