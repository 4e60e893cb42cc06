/** Finds the paths that processes of root use, in a trace of strace. */

/** The system calls that {@link pathsOfRoot} needs. */
export const tracedCalls = 'trace=%file,%process,setuid,setresuid,setreuid'

/** Returns the paths below a directory that processes with the user id 0 name in system calls. */
export function pathsOfRoot(trace: string, directory: string): Set<string> {
  const [users, found] = [new Map<string, number>(), new Set<string>()]
  const begun = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, pid = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)
    const call = resumed ? `${begun.get(pid) ?? ''}${resumed[1]}` : text
    if (call.endsWith('<unfinished ...>')) begun.set(pid, call.slice(0, -'<unfinished ...>'.length))
    const child = /^(?:clone3?|v?fork)\(.*\)\s+= (\d+)/.exec(call)?.[1]
    if (child !== undefined && !users.has(child)) users.set(child, users.get(pid) ?? 0)
    const user = /^set(?:res|re)?uid\((\d+)/.exec(call)?.[1]
    if (user !== undefined) users.set(pid, Number(user))
    if ((users.get(pid) ?? 0) !== 0) continue
    for (const [, path = ''] of call.matchAll(/"((?:[^"\\]|\\.)*)"/g))
      if (path.startsWith(`${directory}/`)) found.add(path.slice(directory.length + 1).replace(/\/+$/, ''))
  }
  return found
}
