/** Imitates useradd, groupadd and the other programs that manage accounts, on a host in memory. */
import type { CommandResult } from '../../core/host/types.ts'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { readAccounts, readGroups } from '../../resources/accounts/account_files.ts'

type Answer = Partial<CommandResult>
/** @param args words after the name of the program */
export type Program = (args: readonly string[], host: VirtualHost, input: string) => Answer

const done: Answer = {}
const refused = (status: number, stderr: string): Answer => ({ status, stderr })

/** Splits arguments into long options with their values, and the rest. */
function parse(args: readonly string[], flags: readonly string[]): { options: Map<string, string>; rest: string[] } {
  const options = new Map<string, string>()
  const rest: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (!arg.startsWith('--')) rest.push(arg)
    else if (flags.includes(arg)) options.set(arg, '')
    else options.set(arg, args[++at] ?? '')
  }
  return { options, rest }
}

function rewrite(host: VirtualHost, path: string, change: (line: string[]) => string[] | null, added?: string[]): void {
  const lines = (host.readText(path) ?? '').split('\n').filter(Boolean)
  const kept = lines.flatMap((line) => change(line.split(':'))?.join(':') ?? [])
  host.given(path, `${[...kept, ...(added ? [added.join(':')] : [])].join('\n')}\n`)
}

function enrol(host: VirtualHost, groups: readonly string[], member: string): void {
  rewrite(host, '/etc/group', ([name = '', x = '', gid = '', members = '']) => {
    const now = members.split(',').filter(Boolean)
    return [name, x, gid, (groups.includes(name) && !now.includes(member) ? [...now, member] : now).join(',')]
  })
}

/** Position of the expiry date in a line of /etc/shadow. */
const expiryField = 7

const gidOf = (host: VirtualHost, group: string): number =>
  readGroups(host).find(({ name, gid }) => name === group || `${gid}` === group)?.gid ?? -1

/** Imitations of useradd, usermod, userdel, groupadd, groupmod and groupdel, by name. */
export const accountPrograms: Readonly<Record<string, Program>> = {
  useradd(args, host) {
    const { options, rest } = parse(args, ['--system', '--user-group', '--create-home', '--no-create-home'])
    const [name = ''] = rest
    if (readAccounts(host).some((one) => one.name === name)) return refused(9, `useradd: user '${name}' already exists`)
    const uid = options.get('--uid') ?? `${(options.has('--system') ? 900 : 1000) + readAccounts(host).length}`
    if (options.has('--user-group')) rewrite(host, '/etc/group', (line) => line, [name, 'x', uid, ''])
    const gid = gidOf(host, options.get('--gid') ?? name)
    if (gid < 0) return refused(6, `useradd: group '${options.get('--gid')}' does not exist`)
    const home = options.get('--home-dir') ?? `/home/${name}`
    rewrite(host, '/etc/passwd', (line) => line, [
      name,
      'x',
      uid,
      `${gid}`,
      '',
      home,
      options.get('--shell') ?? '/bin/sh',
    ])
    enrol(host, options.get('--groups')?.split(',') ?? [], name)
    if (options.has('--create-home') && host.lstat(home) === null) host.given(home, null, '0755', name)
    return done
  },
  usermod(args, host) {
    const { options, rest } = parse(args, ['--append', '--move-home'])
    const [name = ''] = rest
    const before = readAccounts(host).find((one) => one.name === name)
    if (before === undefined) return refused(6, `usermod: user '${name}' does not exist`)
    const home = options.get('--home') ?? before.home
    if (options.has('--move-home')) host.rename(before.home, home)
    const group = options.get('--gid')
    const gid = group === undefined ? before.gid : gidOf(host, group)
    rewrite(host, '/etc/passwd', (line) =>
      line[0] === name
        ? [
            name,
            'x',
            options.get('--uid') ?? `${before.uid}`,
            `${gid}`,
            '',
            home,
            options.get('--shell') ?? before.shell,
          ]
        : line,
    )
    enrol(host, options.get('--groups')?.split(',') ?? [], name)
    const expiry = options.get('--expiredate')
    if (expiry !== undefined)
      rewrite(host, '/etc/shadow', (line) => (line[0] === name ? line.with(expiryField, expiry) : line))
    return done
  },
  userdel(args, host) {
    const { options, rest } = parse(args, ['--remove'])
    const account = readAccounts(host).find(({ name }) => name === rest[0])
    if (account === undefined) return refused(6, `userdel: user '${rest[0]}' does not exist`)
    rewrite(host, '/etc/passwd', (line) => (line[0] === account.name ? null : line))
    if (options.has('--remove')) host.remove(account.home)
    return done
  },
  groupadd(args, host) {
    const { options, rest } = parse(args, ['--system'])
    const [name = ''] = rest
    if (gidOf(host, name) >= 0) return refused(9, `groupadd: group '${name}' already exists`)
    const gid = options.get('--gid') ?? `${(options.has('--system') ? 900 : 1000) + readGroups(host).length}`
    rewrite(host, '/etc/group', (line) => line, [name, 'x', gid, ''])
    return done
  },
  groupmod(args, host) {
    const { options, rest } = parse(args, [])
    rewrite(host, '/etc/group', (line) =>
      line[0] === rest[0] ? [line[0] ?? '', 'x', options.get('--gid') ?? '', line[3] ?? ''] : line,
    )
    return done
  },
  groupdel(args, host) {
    if (gidOf(host, args[0] ?? '') < 0) return refused(6, `groupdel: group '${args[0]}' does not exist`)
    rewrite(host, '/etc/group', (line) => (line[0] === args[0] ? null : line))
    return done
  },
}
