/** Finds the releases that running programs use as their working directory, by proc_pid_cwd(5). */
import type { HostReader } from '../../core/host/types.ts'
import { realPath } from '../files/real_path.ts'

/** Returns the names of releases in which, or below which, a process has its working directory. */
export function releasesInUse(host: HostReader, into: string): ReadonlySet<string> {
  const below = `${realPath(host, into)}/`
  const processes = host.list('/proc').filter((name) => /^\d+$/.test(name))
  const directories = processes.flatMap((pid) => workingDirectory(host, pid) ?? [])
  return new Set(
    directories.flatMap((path) => (path.startsWith(below) ? (path.slice(below.length).split('/')[0] ?? []) : [])),
  )
}

/**
 * Returns the working directory of a process. Null if the process has ended, or belongs to another account while the
 * run is not root's.
 */
function workingDirectory(host: HostReader, pid: string): string | null {
  try {
    return host.readLink(`/proc/${pid}/cwd`)
  } catch (error) {
    if (['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
