/** Finds the file systems that are mounted at or below a path, because their content must not be removed with it. */

/** @param mountinfo text of /proc/self/mountinfo, see proc_pid_mountinfo(5) */
export function mountsAtOrBelow(mountinfo: string, path: string): string[] {
  return mountinfo.split('\n').flatMap((line) => {
    const mountPoint = line
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    return mountPoint !== undefined && (mountPoint === path || mountPoint.startsWith(`${path}/`)) ? [mountPoint] : []
  })
}
