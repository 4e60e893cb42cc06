/** Finds entries of a repository that git never writes, and entries that would make git wait or read without end. */
import type { HostReader } from '../../core/host/types.ts'

/** In bytes; longer files of a repository are packs and loose objects. */
const longestControlFile = 64 * 1024 * 1024

/** Entries of a repository that are files. */
const files = new Set(['HEAD', 'config', 'packed-refs', 'FETCH_HEAD', 'converge.json', 'converge.fetching'])
/** Entries of a repository that are directories. */
const directories = ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags']
/** Directories that git does not fill. */
const ignored = new Set(['lfs', 'hooks'])
const regularNames = new Set([...files, ...ignored, 'objects', 'refs', 'info', 'branches', 'description'])

/**
 * Returns the first entry of a bare repository that is neither a directory nor a regular file, such as a named pipe or
 * a link. A control file that is far too long counts as well. Null if all entries are as git writes them.
 */
export function irregularEntry(host: HostReader, path: string): string | null {
  for (const name of host.list(path)) {
    if (ignored.has(name)) continue
    const entry = `${path}/${name}`
    if (files.has(name) && host.lstat(entry)?.kind === 'directory') return entry
    const found = findIrregular(host, entry, name === 'objects' ? Number.POSITIVE_INFINITY : longestControlFile)
    if (found !== null) return found
  }
  return directories.map((name) => `${path}/${name}`).find((entry) => host.lstat(entry)?.kind === 'file') ?? null
}

function findIrregular(host: HostReader, path: string, longest: number): string | null {
  const stat = host.lstat(path)
  if (stat === null) return null
  if (stat.kind !== 'directory') return stat.kind === 'file' && stat.size <= longest ? null : path
  for (const name of host.list(path)) {
    const found = findIrregular(host, `${path}/${name}`, longest)
    if (found !== null) return found
  }
  return null
}

/** Decides whether a directory is the rest of a mirror: the next fetch restores everything in it. */
export function isRemainder(host: HostReader, path: string): boolean {
  if (host.lstat(path)?.kind !== 'directory') return false
  return host.lstat(`${path}/converge.json`) !== null || host.list(path).every((name) => regularNames.has(name))
}
