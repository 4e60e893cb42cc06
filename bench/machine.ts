/** Describes the computer on which the figures were measured. */
import { readFileSync } from 'node:fs'
import * as os from 'node:os'

export function describeMachine(directory: string): string[] {
  const cpus = os.cpus()
  const release = readFileSync('/etc/os-release', 'utf8')
  const system = /^PRETTY_NAME="?(.*?)"?$/m.exec(release)?.[1] ?? os.platform()
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  return [
    `${cpus.length} × ${cpus[0]?.model.trim() ?? 'CPU'}, ${Math.round(os.totalmem() / 2 ** 30)} GiB of memory, load ${load} at the start`,
    `${system}, Linux ${os.release()}, files on ${fileSystemOf(directory)}`,
  ]
}

/** Returns the file system type of the mount that contains a path. */
function fileSystemOf(path: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at]) => at !== undefined && (at === '/' || path === at || path.startsWith(`${at}/`)))
    .sort(([, a], [, b]) => (b?.length ?? 0) - (a?.length ?? 0))
  return mounts[0]?.[2] ?? 'an unknown file system'
}
