/** Finds in a trace of strace the paths that processes of root use. */

/** The system calls that {@link pathsOfRoot} needs. */
export const tracedCalls = 'trace=%file,%process,setuid,setresuid,setreuid'

/**
 * Returns the paths below a directory that processes with the user id 0 name in system calls, relative to the directory.
 * @param trace the output of `strace -f` with {@link tracedCalls}; its first process must run as root
 */
export function pathsOfRoot(trace: string, directory: string): Set<string> {
  /** User ids by process id. */
  const users = new Map<string, number>()
  const paths = new Set<string>()
  /** The beginnings of calls that another process interrupted in the trace, by process id. */
  const unfinishedCalls = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, pid = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)
    const call = resumed ? `${unfinishedCalls.get(pid) ?? ''}${resumed[1]}` : text
    if (call.endsWith('<unfinished ...>')) unfinishedCalls.set(pid, call.slice(0, -'<unfinished ...>'.length))
    const child = /^(?:clone3?|v?fork)\(.*\)\s+= (\d+)/.exec(call)?.[1]
    if (child !== undefined && !users.has(child)) users.set(child, users.get(pid) ?? 0)
    const user = /^set(?:res|re)?uid\((\d+)/.exec(call)?.[1]
    if (user !== undefined) users.set(pid, Number(user))
    if ((users.get(pid) ?? 0) !== 0) continue
    for (const [, path = ''] of call.matchAll(/"((?:[^"\\]|\\.)*)"/g))
      if (path.startsWith(`${directory}/`)) paths.add(path.slice(directory.length + 1).replace(/\/+$/, ''))
  }
  return paths
}
