/** File systems that are mounted below a path, from proc_pid_mountinfo(5): what lies on them is never removed with it. */

/** @param mountinfo text of /proc/self/mountinfo */
export function mountsAtOrBelow(mountinfo: string, path: string): string[] {
  return mountinfo.split('\n').flatMap((line) => {
    const at = line
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    return at !== undefined && (at === path || at.startsWith(`${path}/`)) ? [at] : []
  })
}
