/**
 * Provides what users and groups share: names, permissions, and the changes to account files that a dry run predicts.
 */
import * as z from 'zod'
import { parseAccounts, parseGroups } from '../../core/host/accounts.ts'
import type { Account, Group, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { shellWords } from '../../core/text/shell.ts'

export type Command = readonly string[]

/** A property with the name of an account or a group, as Debian's useradd(8) allows it. */
export const accountName = z.string().regex(/^[^-+~:,\s/][^:,\s/]{0,31}$/, {
  error: 'a name without spaces, commas, colons and slashes, not led by - + or ~',
})

export const accountId = z.int().min(0).max(4_294_967_294)

/**
 * Requires that converge runs as root.
 * @throws ConvergeError NEEDS_ROOT with the commands to run as root
 */
export function requireRoot(host: HostReader, commands: readonly Command[]): void {
  if (host.isRoot) return
  throw new ConvergeError(`only root can do this, and converge runs as ${host.self.name}`, {
    code: 'NEEDS_ROOT',
    hint: `run converge as root, or run this as root: ${commands.map(shellWords).join(' && ')}`,
  })
}

/** Returns the accounts in /etc/passwd: those that recipes or packages have created on this host. */
export function readAccounts(host: HostReader): Account[] {
  return parseAccounts(host.readText('/etc/passwd') ?? '')
}

export function readGroups(host: HostReader): Group[] {
  return parseGroups(host.readText('/etc/group') ?? '')
}

/**
 * Returns the id that useradd or groupadd would choose: the one after the highest, or before the lowest of system
 * accounts.
 */
export function nextId(usedIds: readonly number[], system: boolean): number {
  const ids = usedIds.filter((id) => (system ? id >= 100 && id <= 999 : id >= 1000 && id < 60_000))
  if (ids.length === 0) return system ? 999 : 1000
  return system ? Math.min(...ids) - 1 : Math.max(...ids) + 1
}

/** Rewrites one of the account files line by line; `null` removes a line, `added` is appended. */
export function rewriteLines(
  host: Host,
  path: '/etc/passwd' | '/etc/group',
  change: (fields: string[]) => readonly string[] | null,
  added?: readonly string[],
): void {
  const lines = (host.readText(path) ?? '').split('\n').filter((line) => line !== '')
  const kept = lines.flatMap((line) => change(line.split(':'))?.join(':') ?? [])
  if (added) kept.push(added.join(':'))
  host.writeFile(path, `${kept.join('\n')}\n`)
}

/** Adds a member to groups, as `usermod --append --groups` does. */
export function joinGroups(host: Host, groups: readonly string[], member: string): void {
  rewriteLines(host, '/etc/group', ([name = '', password = '', gid = '', members = '']) => {
    const before = members.split(',').filter((member) => member !== '')
    const after = groups.includes(name) && !before.includes(member) ? [...before, member] : before
    return [name, password, gid, after.join(',')]
  })
}
