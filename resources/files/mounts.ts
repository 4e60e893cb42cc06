/** Determines the file system of a path. */
import { isNetworkFileSystem, type Mount, readMounts } from '../../core/host/network_mounts.ts'
import { resolvedPath } from '../../core/host/resolved_path.ts'
import type { HostReader } from '../../core/host/types.ts'

/** Decides whether several hosts can share a path; follows links, so it reads a mount that must answer. */
export function isOnNetworkMount(host: HostReader, path: string): boolean {
  return isNetworkFileSystem(fileSystemType(host, resolvedPath(host, path)) ?? '')
}

/** Returns the type of a path's file system. */
function fileSystemType(host: HostReader, path: string): string | undefined {
  const above = readMounts(host).filter(({ mountPoint: at }) => at === '/' || path === at || path.startsWith(`${at}/`))
  // The longest mount point counts; of several mounts at one point the last, which covers the others.
  return above.reduce<Mount | undefined>(
    (best, one) => (one.mountPoint.length >= (best?.mountPoint.length ?? 0) ? one : best),
    undefined,
  )?.type
}
