/** Manages one account of the system with its groups, home and shell; or its absence. */
import { dirname } from 'node:path'
import * as z from 'zod'
import type { Account, Host } from '../../core/host/types.ts'
import { noGroup } from '../../core/model/account_errors.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { absolutePath } from '../../core/model/units.ts'
import {
  accountId,
  accountName,
  type Command,
  joinGroups,
  nextId,
  readAccounts,
  readGroups,
  requireRoot,
  rewriteLines,
} from './account_files.ts'

const props = z
  .strictObject({
    name: accountName.describe('Name of the account'),
    uid: accountId.optional().describe('Its number; default: unchanged, or the next free one when it is created'),
    group: accountName
      .optional()
      .describe('Its primary group; default: unchanged, or a group of the same name for a new account'),
    gid: accountId.optional().describe('The primary group by its number, in place of `group`'),
    groups: z
      .array(accountName)
      .optional()
      .describe('Further groups that it must be a member of; its other memberships stay'),
    home: absolutePath.optional().describe('Home directory; default: unchanged, or /home/NAME for a new account'),
    shell: absolutePath.optional().describe('Login shell; default: unchanged, or that of useradd(8) for a new account'),
    system: z.boolean().optional().describe('Give a new account a number from the range of the system; default false'),
    manageHome: z
      .boolean()
      .optional()
      .describe(
        'Create the home directory if it is missing, move it with `home`, remove it with the account. Default: create it unless `system`, and never remove it',
      ),
    absent: z.boolean().optional().describe('Remove the account instead; default false'),
  })
  .refine((props) => props.group === undefined || props.gid === undefined, {
    error: 'give group or gid, not both',
    path: ['gid'],
  })
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  uid: z.number().nullable(),
  group: z.string().nullable(),
  gid: z.number().nullable(),
  groups: z.array(z.string()).nullable(),
  home: z.string().nullable(),
  homeDirectory: z.enum(['present', 'absent']).nullable(),
  shell: z.string().nullable(),
})
type State = z.output<typeof state>

const undeclared = { uid: null, group: null, gid: null, groups: null, home: null, homeDirectory: null, shell: null }

export const user = defineResource(
  {
    type: 'user',
    doc: 'Keeps an account of the system with the declared groups, home and shell; or removes it.',
    mirrors: "Chef's user resource; useradd(8), usermod(8)",
    examples: [
      { name: 'deploy', group: 'www-data', home: '/home/deploy', shell: '/bin/bash' },
      { name: 'solr', system: true, home: '/var/lib/solr' },
    ],
    reach: 'system',
    key: (props) => props.name,
    props,
    state,
  },
  {
    read(host, props): State {
      const found = readAccounts(host).find((account) => account.name === props.name)
      if (found === undefined) return { exists: false, ...undeclared }
      const groups = readGroups(host)
      const isIn = (name: string) => groups.some((group) => group.name === name && group.members.includes(found.name))
      const ifDeclared = <T>(prop: unknown, value: T) => (prop === undefined ? null : value)
      return {
        exists: true,
        uid: ifDeclared(props.uid, found.uid),
        group: ifDeclared(props.group, groups.find((group) => group.gid === found.gid)?.name ?? `${found.gid}`),
        gid: ifDeclared(props.gid, found.gid),
        groups: props.groups === undefined ? null : sorted(props.groups).filter(isIn),
        home: ifDeclared(props.home, found.home),
        homeDirectory: managesHome(props) ? (host.stat(props.home ?? found.home) ? 'present' : 'absent') : null,
        shell: ifDeclared(props.shell, found.shell),
      }
    },
    desired(props): State {
      if (props.absent) return { exists: false, ...undeclared }
      const { uid = null, group = null, gid = null, home = null, shell = null } = props
      const groups = props.groups === undefined ? null : sorted(props.groups)
      const homeDirectory = managesHome(props) ? 'present' : null
      return { exists: true, uid, group, gid, groups, home, homeDirectory, shell }
    },
    async apply(host, props, { now }) {
      for (const command of checkedCommands(host, props, now)) await host.run(command, { outlivesRun: true })
      if (!props.absent) makeHome(host, props)
    },
    predict(host, props, { now }) {
      checkedCommands(host, props, now)
      if (props.absent) return predictRemoval(host, props)
      predictAccount(host, props)
      joinGroups(host, missingGroups(props, now), props.name)
      makeHome(host, props)
    },
  },
)

function managesHome(props: Props): boolean {
  return !props.absent && (props.manageHome ?? props.system !== true)
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}

function missingGroups(props: Props, now: State): string[] {
  return sorted(props.groups ?? []).filter((name) => !now.groups?.includes(name))
}

/** Returns the required commands, after a check that they can work. */
function checkedCommands(host: Host, props: Props, now: State): Command[] {
  const commands = commandsFor(host, props, now)
  requireRoot(host, commands)
  if (props.absent) return commands
  const other = readAccounts(host).find((account) => account.uid === props.uid && account.name !== props.name)
  if (props.uid !== undefined && other !== undefined)
    throw new ConvergeError(`the uid ${props.uid} belongs to the account ${other.name}`, {
      code: 'ID_TAKEN',
      hint: 'give another uid, or none',
    })
  for (const name of [...(props.group === undefined ? [] : [props.group]), ...(props.groups ?? [])])
    if (host.groupNamed(name) === null) throw noGroup(name)
  if (props.gid !== undefined && host.groupById(props.gid) === null) throw noGroup(`with the gid ${props.gid}`)
  return commands
}

function commandsFor(host: Host, props: Props, now: State): Command[] {
  const { name, uid, group, gid, home, shell, absent } = props
  if (absent) return [['userdel', ...(props.manageHome ? ['--remove'] : []), name]]
  const option = (flag: string, value: string | number | undefined, before: unknown) =>
    value === undefined || value === before ? [] : [flag, `${value}`]
  const changes = [
    ...option('--uid', uid, now.uid),
    ...(group === undefined ? option('--gid', gid, now.gid) : option('--gid', group, now.group)),
    ...option('--shell', shell, now.shell),
  ]
  const groups = missingGroups(props, now).join(',')
  if (now.exists) {
    const moved = option('--home', home, now.home)
    const along = moved.length > 0 && movesHome(host, props) ? ['--move-home'] : []
    const joined = groups === '' ? [] : ['--append', '--groups', groups]
    const all = [...changes, ...moved, ...along, ...joined]
    return all.length === 0 ? [] : [['usermod', ...all, name]]
  }
  const hasGroup = host
    .readText('/etc/group')
    ?.split('\n')
    .some((line) => line.startsWith(`${name}:`))
  const primary = group !== undefined || gid !== undefined ? [] : hasGroup ? ['--gid', name] : ['--user-group']
  return [
    [
      'useradd',
      ...changes,
      ...primary,
      ...(groups === '' ? [] : ['--groups', groups]),
      ...option('--home-dir', home, undefined),
      ...(props.system ? ['--system'] : []),
      managesHome(props) ? '--create-home' : '--no-create-home',
      name,
    ],
  ]
}

/** Decides whether the content of the old home moves to the new one: only if the new one does not exist. */
function movesHome(host: Host, props: Props): boolean {
  const old = readAccounts(host).find((account) => account.name === props.name)?.home
  return managesHome(props) && old !== undefined && host.stat(old) !== null && host.stat(props.home ?? old) === null
}

function makeHome(host: Host, props: Props): void {
  const account = readAccounts(host).find((entry) => entry.name === props.name)
  if (!managesHome(props) || account === undefined || host.stat(account.home) !== null) return
  makeParents(host, dirname(account.home))
  const group = readGroups(host).find((entry) => entry.gid === account.gid)
  host.makeDirectory(account.home, { mode: '0755', owner: account.name, group: group?.name })
}

function makeParents(host: Host, path: string): void {
  if (path === '/' || host.stat(path) !== null) return
  makeParents(host, dirname(path))
  host.makeDirectory(path, { mode: '0755' })
}

function predictAccount(host: Host, props: Props): void {
  const { name, system = false } = props
  const accounts = readAccounts(host)
  const before = accounts.find((account) => account.name === name)
  const uid = props.uid ?? before?.uid ?? nextId([...accounts.map((one) => one.uid)], system)
  const account: Account = {
    name,
    uid,
    gid: primaryGroup(host, props, before?.gid, uid),
    home: props.home ?? before?.home ?? `/home/${name}`,
    shell: props.shell ?? before?.shell ?? '/bin/sh',
  }
  if (before && before.home !== account.home && movesHome(host, props)) host.rename(before.home, account.home)
  const line = [name, 'x', `${uid}`, `${account.gid}`, '', account.home, account.shell]
  rewriteLines(host, '/etc/passwd', (fields) => (fields[0] === name ? null : fields), line)
}

function primaryGroup(host: Host, props: Props, before: number | undefined, uid: number): number {
  const groups = readGroups(host)
  const requestedGid = props.gid ?? groups.find((group) => group.name === (props.group ?? props.name))?.gid
  if (props.group === undefined && props.gid === undefined && before !== undefined) return before
  if (requestedGid !== undefined) return requestedGid
  const usedIds = groups.map((group) => group.gid)
  const gid = usedIds.includes(uid) ? nextId(usedIds, props.system === true) : uid
  rewriteLines(host, '/etc/group', (fields) => fields, [props.name, 'x', `${gid}`, ''])
  return gid
}

function predictRemoval(host: Host, props: Props): void {
  const account = readAccounts(host).find((entry) => entry.name === props.name)
  if (account && props.manageHome) host.remove(account.home)
  rewriteLines(host, '/etc/passwd', (fields) => (fields[0] === props.name ? null : fields))
  rewriteLines(host, '/etc/group', (fields) => {
    const [name = '', password = '', gid = '', members = ''] = fields
    const others = members.split(',').filter((member) => member !== props.name && member !== '')
    const isEmptyOwnGroup = name === props.name && Number(gid) === account?.gid && others.length === 0
    return isEmptyOwnGroup ? null : [name, password, gid, others.join(',')]
  })
}
