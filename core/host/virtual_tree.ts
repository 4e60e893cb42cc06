/** Keeps the files of a host in memory: alone, or as an overlay over the files of another host. */
import { fileTooLarge, notAFile } from '../model/file_errors.ts'
import { NotYetKnown } from '../model/reference.ts'
import { deciderOfLink } from './safe_paths.ts'
import {
  type Account,
  defaultReadLimit,
  type FileKind,
  type FileStat,
  type HostReader,
  type ReadOptions,
} from './types.ts'
import { join, normalise, split, systemError } from './virtual_paths.ts'

/** The content of a file of the base host that a dry run has moved, or given another mode or owner. */
class BaseContent {
  constructor(
    readonly path: string,
    readonly size: number,
  ) {}
}

interface Entry {
  readonly kind: FileKind
  mode: string
  uid: number
  gid: number
  readonly content: Buffer | string | BaseContent
  readonly target: string
  /** Differs after each change. */
  version: number
}

const maxLinks = 40
/** Where packages put their files. */
const systemPath = /^\/(etc|usr|var|opt|run|lib\w*|s?bin)\//

interface Followed {
  readonly real: string
  /** The account of the base host that decides where a link on the way leads; null: none but root. */
  readonly by: number | null
}

/** The files by their real paths: a real path has no links among its directories. */
export class VirtualTree {
  private readonly entries = new Map<string, Entry | null>()
  private readonly children = new Map<string, Set<string>>()
  /** Paths whose content a dry run cannot know, with the resource that decides it. */
  private readonly unknowns = new Map<string, string>()
  private versions = 0
  /** Resource, such as a package, that may create any system file: a missing one is unknown after it. Undefined: none yet. */
  private unknownAfter: string | undefined

  /**
   * @param self owner of entries that are created without one
   * @param beforeRead called with each real path before it is read
   */
  constructor(
    private readonly base: HostReader | undefined,
    private readonly self: Account,
    private readonly beforeRead: (real: string) => void = () => undefined,
  ) {}

  lstat(path: string): FileStat | null {
    const real = this.resolveParent(path)
    return real === null ? null : this.describe(real)
  }

  stat(path: string): FileStat | null {
    const real = this.resolve(path)
    return real === null ? null : this.describe(real)
  }

  readBytes(path: string, options: ReadOptions = {}): Buffer | null {
    const found = this.follow(path)
    if (found === null) return null
    const entry = this.entries.get(found.real)
    if (entry === null) return null
    const below = entry === undefined ? found.real : entry.content instanceof BaseContent ? entry.content.path : null
    const { origin = { path, by: found.by } } = options
    if (below !== null) return this.base?.readBytes(below, { ...options, origin }) ?? null
    if (entry?.kind !== 'file') throw notAFile(path, { mode: entry?.kind === 'directory' ? 0o040000 : 0 })
    return limitedPart(path, Buffer.from(entry.content as Buffer | string), options)
  }

  readLink(path: string): string | null {
    const real = this.resolveParent(path)
    if (real === null) return null
    const entry = this.entries.get(real)
    if (entry === undefined) return this.base?.lstat(real)?.kind === 'link' ? (this.base.readLink(real) ?? null) : null
    return entry?.kind === 'link' ? entry.target : null
  }

  version(path: string): string | null {
    const real = this.resolveParent(path)
    const entry = real === null ? null : this.entries.get(real)
    if (entry === undefined) return real === null ? null : (this.base?.version(real) ?? null)
    return entry?.kind === 'file' || entry?.kind === 'link' ? `${this.base ? 'planned ' : ''}${entry.version}` : null
  }

  list(path: string): string[] {
    return this.names(path, ({ real, names }) => {
      for (const [path, after] of this.unknowns) {
        const [parent, name] = split(path)
        if (parent === real && !names.has(name)) throw new NotYetKnown(after)
      }
    })
  }

  /** Lists a directory without the names that a dry run cannot know. */
  listKnown(path: string): string[] {
    return this.names(path, () => undefined)
  }

  private names(path: string, check: (base: { real: string; names: ReadonlySet<string> }) => void): string[] {
    const found = this.follow(path)
    if (found === null || this.describe(found.real)?.kind !== 'directory') return []
    const { real, by } = found
    // Removed entries have a marker: all other entries of the base still exist.
    const names = new Set(this.base?.list(real, { origin: { path, by } }))
    check({ real, names })
    for (const name of this.children.get(real) ?? []) {
      if (this.entries.get(join(real, name)) === null) names.delete(name)
      else names.add(name)
    }
    return [...names].sort()
  }

  writable(path: string): boolean {
    const real = this.resolve(path)
    if (real === null) return false
    if (this.entries.get(real) !== undefined || !this.base) return true
    return this.base.writable(real)
  }

  markUnknown(path: string, after: string): void {
    let real: string | null
    try {
      real = this.resolveParent(path)
    } catch (error) {
      if (error instanceof NotYetKnown) return
      throw error
    }
    // The resource that makes it also makes its parent directories.
    if (real === null) return this.markUnknown(split(path)[0], after)
    for (const known of [...this.entries.keys()])
      if (known === real || known.startsWith(`${real}/`)) this.entries.delete(known)
    this.unknowns.set(real, after)
  }

  mayCreate(after: string, paths: readonly string[]): void {
    this.unknownAfter = undefined
    for (const path of paths) if (this.isMissing(path)) this.markUnknown(path, after)
    this.unknownAfter = after
  }

  private isMissing(path: string): boolean {
    try {
      return this.lstat(path) === null
    } catch (error) {
      if (error instanceof NotYetKnown) return false
      throw error
    }
  }

  put(
    path: string,
    kind: FileKind,
    mode: string,
    content: Buffer | string = '',
    target = '',
    uid = this.self.uid,
    gid = this.self.gid,
  ): void {
    this.entries.set(path, {
      kind,
      mode,
      uid: uid === -1 ? this.self.uid : uid,
      gid: gid === -1 ? this.self.gid : gid,
      content,
      target,
      version: ++this.versions,
    })
    this.addToParent(path)
  }

  private addToParent(path: string): void {
    if (path === '/') return
    const [parent, name] = split(path)
    const names = this.children.get(parent)
    if (names) names.add(name)
    else this.children.set(parent, new Set([name]))
  }

  private removeEntries(path: string): void {
    // A link is only a name: what it points to stays.
    if (this.describe(path)?.kind === 'directory')
      for (const name of this.list(path)) this.removeEntries(join(path, name))
    this.entries.set(path, null)
    this.addToParent(path)
  }

  move(from: string, to: string): void {
    const entry = this.ownEntry(from, from)
    const names = entry.kind === 'directory' ? this.list(from) : []
    this.entries.set(to, { ...entry, version: ++this.versions })
    this.addToParent(to)
    for (const name of names) this.move(join(from, name), join(to, name))
    this.entries.set(from, null)
    this.addToParent(from)
  }

  /** Returns the entry to change, copied from the base if only that has it. */
  ownEntry(real: string | null, path: string): Entry {
    const entry = real === null ? null : this.entries.get(real)
    if (entry) {
      entry.version = ++this.versions
      return entry
    }
    const stat = real === null || entry === null ? null : (this.base?.lstat(real) ?? null)
    if (real === null || stat === null) throw systemError('ENOENT', 'open', path)
    const copy: Entry = {
      kind: stat.kind,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      content: stat.kind === 'file' ? new BaseContent(real, stat.size) : '',
      target: stat.kind === 'link' ? (this.base?.readLink(real) ?? '') : '',
      version: ++this.versions,
    }
    this.entries.set(real, copy)
    this.addToParent(real)
    return copy
  }

  describe(real: string): FileStat | null {
    this.beforeRead(real)
    const entry = this.entries.get(real)
    if (entry === undefined) {
      if (this.unknowns.size > 0) this.refuseUnknown(real)
      return this.base?.lstat(real) ?? null
    }
    if (entry === null) return null
    const { kind, mode, uid, gid, content } = entry
    return { kind, mode, uid, gid, size: content instanceof BaseContent ? content.size : Buffer.byteLength(content) }
  }

  private refuseUnknown(real: string): void {
    for (let at = real; at !== '/'; at = split(at)[0]) {
      const after = this.unknowns.get(at)
      if (after !== undefined) throw new NotYetKnown(after)
    }
  }

  /** Returns null for an absent system path. @throws NotYetKnown after a resource that may create it */
  nullUnlessUnknown(): null {
    if (this.unknownAfter !== undefined) throw new NotYetKnown(this.unknownAfter)
    return null
  }

  /** Follows the links in the directories of a path; null if a directory is missing. */
  resolveParent(path: string): string | null {
    return this.followParent(path)?.real ?? null
  }

  resolve(path: string): string | null {
    return this.follow(path)?.real ?? null
  }

  private followParent(path: string, depth = 0): Followed | null {
    if (path === '/') return { real: '/', by: null }
    if (path === '') return null
    const [parent, name] = split(path)
    const found = this.follow(parent, depth)
    if (name === '.') return found
    if (found === null) return systemPath.test(parent) ? this.nullUnlessUnknown() : null
    return { ...found, real: join(found.real, name) }
  }

  private follow(path: string, depth = 0): Followed | null {
    if (depth > maxLinks) throw systemError('ELOOP', 'open', path)
    const found = this.followParent(path, depth)
    if (found === null) return null
    const { real } = found
    const stat = this.describe(real)
    if (stat === null) return null
    if (stat.kind !== 'link') return found
    const entry = this.entries.get(real)
    const [directory] = split(real)
    const target = entry ? entry.target : this.base?.readLink(real)
    // Another account has replaced the link in the meantime.
    if (target === undefined || target === null) return found
    const next = this.follow(normalise(target.startsWith('/') ? target : join(directory, target)), depth + 1)
    // A link of the dry run itself has the target of the recipe.
    const parent = entry ? null : (this.base?.lstat(directory) ?? null)
    const by = found.by ?? (parent === null ? null : deciderOfLink(parent, stat))
    return next === null ? null : { real: next.real, by: by ?? next.by }
  }

  writeTarget(path: string, call: string): string {
    const real = this.resolveParent(path)
    const parent = real === null ? null : this.describe(split(real)[0])
    if (real === null || parent === null) throw systemError('ENOENT', call, path)
    if (parent.kind !== 'directory') throw systemError('ENOTDIR', call, path)
    if (
      this.base &&
      this.self.uid !== 0 &&
      this.entries.get(split(real)[0]) === undefined &&
      !this.base.writable(split(real)[0])
    )
      throw systemError('EACCES', call, path)
    return real
  }

  /** Whether something was made, changed or removed at the real path. */
  isTouched(real: string): boolean {
    return this.entries.get(real) !== undefined
  }

  /** Removes the entry at the real path, and the unknown paths below it. */
  remove(real: string): void {
    for (const unknown of [...this.unknowns.keys()]) if (unknown.startsWith(`${real}/`)) this.unknowns.delete(unknown)
    this.removeEntries(real)
  }
}

function limitedPart(path: string, bytes: Buffer, { limit = defaultReadLimit, from }: ReadOptions): Buffer {
  if (from !== undefined) return bytes.subarray(from).subarray(0, limit)
  if (bytes.length <= limit) return bytes
  throw fileTooLarge(path, bytes.length, limit)
}
