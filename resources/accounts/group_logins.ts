/** Decides which accounts of a group may log in: the declared ones, while all others expire. */
import * as z from 'zod'
import type { Account, Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { defineResource } from '../../core/model/resource.ts'
import { accountId, accountName, type Command, readAccounts, readGroups, requireRoot } from './account_files.ts'

const props = z.strictObject({
  group: accountName.describe('Primary group of the accounts; other accounts are left alone'),
  accounts: z.array(accountName).describe('Accounts of the group that may log in; they need not exist yet'),
  uids: z
    .record(accountName, accountId)
    .optional()
    .describe('Numbers of these accounts by name, which must not belong to other accounts; default: not checked'),
  lift: z
    .boolean()
    .optional()
    .describe('Let declared accounts that have expired log in again. Default true; false only expires the others'),
})
type Props = z.output<typeof props>

const state = z.strictObject({
  /** The existing accounts of the group. */
  accounts: z.record(z.string(), z.enum(['may log in', 'expired'])),
})
type State = z.output<typeof state>

const shadow = '/etc/shadow'
/** The second day of 1970: no other program sets it. */
const expiredOn = '1'
/** Position of the expiry date in a line: shadow(5). */
const expiryField = 7

export const group_logins = defineResource(
  {
    type: 'group_logins',
    doc: 'Lets the declared accounts of a group log in, and expires its other accounts. Their files stay.',
    mirrors: 'usermod(8): --expiredate',
    examples: [{ group: 'developers', accounts: ['ann', 'bob'] }],
    reach: 'system',
    key: (props) => (props.lift === false ? `${props.group} without others` : props.group),
    props,
    state,
  },
  {
    read(host, props): State {
      const members = membersOf(host, props.group)
      requireGroup(host, props, members)
      requireFreeIds(host, props)
      const expired = expiredNames(host)
      const entries = members.map(({ name }) => [name, expired.has(name) ? 'expired' : 'may log in'] as const)
      return { accounts: Object.fromEntries(entries) }
    },
    desired(props, now): State {
      const names = Object.keys(now.accounts)
      const login = (name: string) => {
        if (!props.accounts.includes(name)) return 'expired'
        return props.lift === false ? (now.accounts[name] ?? 'expired') : 'may log in'
      }
      const entries = names.map((name) => [name, login(name)] as const)
      return { accounts: Object.fromEntries(entries) }
    },
    async apply(host, _props, change) {
      const commands = commandsFor(changedAccounts(change))
      requireRoot(host, commands)
      for (const command of commands) await host.run(command, { outlivesRun: true })
    },
    predict(host, _props, change) {
      const changed = changedAccounts(change)
      requireRoot(host, commandsFor(changed))
      predictExpiry(host, changed)
    },
  },
)

function membersOf(host: HostReader, name: string): Account[] {
  const group = readGroups(host).find((one) => one.name === name)
  return group === undefined ? [] : readAccounts(host).filter((account) => account.gid === group.gid)
}

/** @throws ACCOUNT_TAKEN for an account of a declared name that belongs to something else, such as `root` */
function requireGroup(host: HostReader, { group, accounts }: Props, members: readonly Account[]): void {
  const existing = readAccounts(host).map((account) => account.name)
  const foreign = accounts.filter((name) => existing.includes(name) && !members.some((one) => one.name === name))
  if (foreign.length === 0) return
  throw new ConvergeError(`accounts that exist with another primary group than ${group}: ${foreign.join(', ')}`, {
    code: 'ACCOUNT_TAKEN',
    hint: `choose another name, or make it a member on the host: usermod --gid ${group} ${foreign[0]}`,
  })
}

/** @throws ID_TAKEN for the number of an account of another name */
function requireFreeIds(host: HostReader, { uids = {} }: Props): void {
  const taken = readAccounts(host).flatMap(({ name, uid }) =>
    Object.entries(uids).flatMap(([declared, id]) =>
      id === uid && declared !== name ? [{ name, uid, declared }] : [],
    ),
  )
  const [first] = taken
  if (first === undefined) return
  const list = taken.map(({ name, uid, declared }) => `${uid} of ${declared} belongs to ${name}`).join(', ')
  throw new ConvergeError(`numbers of accounts that are taken: ${list}`, {
    code: 'ID_TAKEN',
    hint: `give ${first.declared} another number, or rename the account on the host: usermod --login ${first.declared} ${first.name}`,
  })
}

function expiredNames(host: HostReader): Set<string> {
  const lines = (host.readText(shadow) ?? '').split('\n').map((line) => line.split(':'))
  return new Set(lines.flatMap(([name = '', ...fields]) => (fields[expiryField - 1] === expiredOn ? [name] : [])))
}

/** Returns the new expiry date of each account that changes. */
function changedAccounts({ now, desired }: { readonly now: State; readonly desired: State }): Map<string, string> {
  const changed = Object.entries(desired.accounts).filter(([name, login]) => now.accounts[name] !== login)
  return new Map(changed.map(([name, login]) => [name, login === 'expired' ? expiredOn : '']))
}

function commandsFor(changed: ReadonlyMap<string, string>): Command[] {
  return [...changed].map(([name, date]) => ['usermod', '--expiredate', date, name])
}

function predictExpiry(host: Host, changed: ReadonlyMap<string, string>): void {
  const lines = (host.readText(shadow) ?? '').split('\n').map((line) => {
    const fields = line.split(':')
    const date = changed.get(fields[0] ?? '')
    return date === undefined ? line : fields.with(expiryField, date).join(':')
  })
  host.writeFile(shadow, lines.join('\n'))
}
