/** Resolves programs and accounts as a command of another account sees them. */
import type { Host, HostReader, WriteOptions } from '../../core/host/types.ts'

/** The PATH of commands of another account, see core/host/process.ts. */
const securePath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const maxLinks = 40

/** Returns the full path of the program that `user` would run, with links resolved; null if there is none. */
export function findProgram(host: HostReader, program: string, user: string | undefined): string | null {
  const other = user !== undefined && user !== host.self.name
  const found = program.includes('/') || !other ? host.which(program) : findOnSecurePath(host, program)
  return found === null ? null : resolveLinks(host, found)
}

function findOnSecurePath(host: HostReader, program: string): string | null {
  for (const directory of securePath)
    if (host.stat(`${directory}/${program}`)?.kind === 'file') return `${directory}/${program}`
  // In a dry run that would install packages, this reports that the path cannot be known yet.
  return host.which(`/usr/bin/${program}`)
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

/** Returns the owner and group of files for an account: its own group unless another one is given. */
export function ownerAndGroup(
  host: Host,
  { user, group }: { readonly user?: string | undefined; readonly group?: string | undefined },
): Pick<WriteOptions, 'owner' | 'group'> {
  if (user === undefined) return { group }
  const account = host.account(user)
  return { owner: user, group: group ?? (account === null ? undefined : host.groupById(account.gid)?.name) }
}
