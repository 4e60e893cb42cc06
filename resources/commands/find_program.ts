/** Finds the program that a command would run as another account. */
import type { FileStat, HostReader } from '../../core/host/types.ts'
import { defineQuery, type Query } from '../../core/model/query.ts'
import { securePath } from '../../core/model/secure_path.ts'

const maxLinks = 40

/** Returns the full path of the program that `user` would run, with links resolved; null if there is none. */
export function findProgram(host: HostReader, program: string, user: string | undefined): string | null {
  const other = user !== undefined && user !== host.self.name
  const found = program.includes('/') || !other ? host.which(program) : findOnSecurePath(host, program)
  return found === null ? null : resolveLinks(host, found)
}

/** The full path of the program that `user` would run; null if there is none. */
export function programPathOf(program: string, user: string | undefined): Query<string | null> {
  return defineQuery({ name: `the program ${program}`, read: (host) => findProgram(host, program, user) })
}

function findOnSecurePath(host: HostReader, program: string): string | null {
  for (const directory of securePath.split(':'))
    if (isExecutable(host.stat(`${directory}/${program}`))) return `${directory}/${program}`
  // In a dry run that would install packages, this reports that the path cannot be known yet.
  return host.which(`/usr/bin/${program}`)
}

function isExecutable(stat: FileStat | null): boolean {
  return stat?.kind === 'file' && (Number.parseInt(stat.mode, 8) & 0o111) !== 0
}

/** Resolves the links at the end of a path: `/usr/bin/python3` is another program after an upgrade of the system. */
function resolveLinks(host: HostReader, path: string): string {
  let at = path
  for (let links = 0; links < maxLinks && host.lstat(at)?.kind === 'link'; links++) {
    const next = host.readLink(at) ?? ''
    at = next.startsWith('/') ? next : `${at.slice(0, at.lastIndexOf('/'))}/${next}`
  }
  return at
}
