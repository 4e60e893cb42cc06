/** Stores the state of an in-memory host between runs: what a converge process keeps in memory ends with its run. */
import { VirtualHost } from '../../core/host/virtual.ts'
import type { Duration } from '../../core/model/units.ts'

export class Machine extends VirtualHost {
  /** The number of runs so far: cached answers are valid for one run only. */
  runs = 0
  /** Recorded values, by key. */
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

  /** Lists everything on the host by path. */
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

  /** Replaces the state with that of another host. */
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
  /** The content of a file, or the target of a link. */
  readonly content: string
}
