/** Manages one group of the system with its required members; or its absence. */
import * as z from 'zod'
import type { Host, HostReader } from '../../core/host/types.ts'
import { noAccount } from '../../core/model/account_errors.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
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

const props = z.strictObject({
  name: accountName.describe('Name of the group'),
  gid: accountId.optional().describe('Its number; default: unchanged, or the next free one when it is created'),
  system: z.boolean().optional().describe('Take the number from those of the system when it is made; default false'),
  members: z.array(accountName).optional().describe('Accounts that must be members; other members stay'),
  absent: z.boolean().optional().describe('Remove the group instead; default false'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  exists: z.boolean(),
  gid: z.number().nullable(),
  members: z.array(z.string()).nullable(),
})
type State = z.output<typeof state>

const none: State = { exists: false, gid: null, members: null }

export const group = defineResource(
  {
    type: 'group',
    doc: 'Keeps a group of the system with the declared members; or removes it.',
    mirrors: "Chef's group resource; groupadd(8), groupmod(8)",
    examples: [
      { name: 'www-data', members: ['deploy'] },
      { name: 'site', gid: 4000 },
    ],
    reach: 'system',
    key: (props) => props.name,
    props,
    state,
  },
  {
    read(host, { name, gid, members }): State {
      const found = readGroups(host).find((group) => group.name === name)
      if (found === undefined) return none
      return {
        exists: true,
        gid: gid === undefined ? null : found.gid,
        members: members === undefined ? null : sorted(members).filter((member) => found.members.includes(member)),
      }
    },
    desired: ({ gid, members, absent }): State =>
      absent ? none : { exists: true, gid: gid ?? null, members: members === undefined ? null : sorted(members) },
    async apply(host, props, { now }) {
      for (const command of checkedCommands(host, props, now)) await host.run(command, { outlivesRun: true })
    },
    predict(host, props, { now }) {
      checkedCommands(host, props, now)
      const { name, gid, system, members = [], absent } = props
      const others = readGroups(host).map((group) => group.gid)
      if (absent) rewriteLines(host, '/etc/group', (fields) => (fields[0] === name ? null : fields))
      else if (!now.exists)
        rewriteLines(host, '/etc/group', (f) => f, [name, 'x', `${gid ?? nextId(others, system === true)}`, ''])
      else if (gid !== undefined)
        rewriteLines(host, '/etc/group', (f) => (f[0] === name ? [name, f[1] ?? 'x', `${gid}`, f[3] ?? ''] : f))
      if (!absent) for (const member of members) joinGroups(host, [name], member)
    },
  },
)

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}

/** Returns the required commands, after a check that they can work. */
function checkedCommands(host: Host, props: Props, now: State): Command[] {
  const commands = commandsFor(props, now)
  requireRoot(host, commands)
  if (props.absent) return commands
  const other = readGroups(host).find((group) => group.gid === props.gid && group.name !== props.name)
  if (props.gid !== undefined && other !== undefined)
    throw new ConvergeError(`the gid ${props.gid} belongs to the group ${other.name}`, {
      code: 'ID_TAKEN',
      hint: 'give another gid, or none',
    })
  for (const member of missingMembers(props, now)) requireAccount(host, member)
  return commands
}

function requireAccount(host: HostReader, name: string): void {
  if (readAccounts(host).some((account) => account.name === name) || host.account(name) !== null) return
  throw noAccount(name)
}

function missingMembers(props: Props, now: State): string[] {
  return sorted(props.members ?? []).filter((member) => !now.members?.includes(member))
}

function commandsFor(props: Props, now: State): Command[] {
  const { name, gid, system, absent } = props
  if (absent) return [['groupdel', name]]
  const number = gid === undefined ? [] : ['--gid', `${gid}`]
  const commands: Command[] = []
  if (!now.exists) commands.push(['groupadd', ...number, ...(system ? ['--system'] : []), name])
  else if (gid !== undefined && gid !== now.gid) commands.push(['groupmod', ...number, name])
  for (const member of missingMembers(props, now)) commands.push(['usermod', '--append', '--groups', name, member])
  return commands
}
