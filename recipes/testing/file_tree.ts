/** Lists the files of a host in memory with their owners, modes and contents. */
import type { VirtualHost } from '../../core/host/virtual.ts'
import { NotYetKnown } from '../../core/model/reference.ts'

/** A file, directory or link of a host. */
export interface TreeEntry {
  /** `file`, `directory`, `link`, `other`, or `unknown` if a dry run cannot know it. */
  readonly kind: string
  /** Four octal digits. */
  readonly mode: string
  readonly owner: string
  readonly group: string
  /** The content of a file, or the target of a link. */
  readonly content: string
}

/** Lists everything below a directory by path; the directory itself is included unless it is `/`. */
export function fileTree(host: VirtualHost, below = '/'): Record<string, TreeEntry> {
  const found: Record<string, TreeEntry> = {}
  const visit = (path: string) => {
    const stat = host.lstat(path)
    if (stat === null) return
    const { kind, mode, uid, gid } = stat
    const content = kind === 'link' ? host.readLink(path) : kind === 'file' ? host.readText(path) : ''
    const [owner, group] = [host.accountById(uid)?.name ?? `${uid}`, host.groupById(gid)?.name ?? `${gid}`]
    found[path] = { kind, mode, owner, group, content: content ?? '' }
    if (kind === 'directory') for (const name of host.listKnown(path)) visitKnown(`${path}/${name}`)
  }
  const visitKnown = (path: string) => {
    try {
      visit(path)
    } catch (error) {
      if (!(error instanceof NotYetKnown)) throw error
      found[path] = { kind: 'unknown', mode: '', owner: '', group: '', content: '' }
    }
  }
  if (below !== '/') visitKnown(below)
  else for (const name of host.listKnown('/')) visitKnown(`/${name}`)
  return found
}
