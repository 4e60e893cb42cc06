/** Moves unpacked entries into a directory that is in use, one by one, and only those that are missing there. */
import type { Host, HostReader } from '../../core/host/types.ts'

export interface Merging {
  readonly into: string
  /** A directory with the new entries, on the same file system as `into`. */
  readonly from: string
  /** Names that are never moved; `name*` stands for all names with that prefix. */
  readonly except: readonly string[]
  /** Whether new entries replace existing ones. */
  readonly replace: boolean
}

const oldPrefix = '.converge-old.'

/** Decides whether an entry exists and must not be lost: all except an empty directory. */
export function isFilled(host: HostReader, path: string): boolean {
  const kind = host.lstat(path)?.kind
  return kind !== undefined && (kind !== 'directory' || host.list(path).length > 0)
}

export function isExcepted(name: string, except: readonly string[]): boolean {
  return except.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
}

/** Restores the entries that a run renamed before it was killed between two renames. */
export function restoreEntries(host: Host, into: string): void {
  for (const name of host.list(into)) {
    if (!name.startsWith(oldPrefix)) continue
    const path = `${into}/${name.slice(oldPrefix.length)}`
    if (host.lstat(path) === null) host.rename(`${into}/${name}`, path)
    else host.remove(`${into}/${name}`)
  }
}

/**
 * Moves the entries.
 * @returns names of the entries that exist in `into` now, and of those that `except` excludes
 */
export function mergeEntries(
  host: Host,
  { into, from, except, replace }: Merging,
): { names: string[]; excepted: string[] } {
  const entries = host.list(from)
  const out = entries.filter((name) => isExcepted(name, except))
  const names = entries.filter((name) => !out.includes(name))
  for (const name of names) {
    const path = `${into}/${name}`
    const existing = host.lstat(path)
    // Someone chose the target of a link: the link stays.
    if (existing?.kind === 'link' || (isFilled(host, path) && !replace)) continue
    if (existing !== null) {
      const old = `${into}/${oldPrefix}${name}`
      if (existing.kind === 'directory' && host.lstat(`${from}/${name}`)?.kind === 'directory') {
        host.setMode(`${from}/${name}`, existing.mode)
        if (host.isRoot)
          host.setOwner(`${from}/${name}`, host.accountById(existing.uid)?.name, host.groupById(existing.gid)?.name)
      }
      host.rename(path, old)
      host.rename(`${from}/${name}`, path)
      host.remove(old)
    } else host.rename(`${from}/${name}`, path)
  }
  return { names, excepted: out }
}
