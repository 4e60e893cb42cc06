/** Makes the accounts of the people who log in to the hosts of the stack. */
import { keyLines } from '../../attributes/ssh_users.ts'
import type { Recipe } from '../../core/compile/role.ts'
import { authorized_key } from '../../resources/accounts/authorized_key.ts'
import { group } from '../../resources/accounts/group.ts'
import { group_logins } from '../../resources/accounts/group_logins.ts'
import { sudoers } from '../../resources/accounts/sudoers.ts'
import { user } from '../../resources/accounts/user.ts'
import { file } from '../../resources/files/file.ts'
import { package_ } from '../../resources/packages/package.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'
import { systemSetting } from '../site/system_setting.ts'

/** The primary group of these accounts, as on the hosts of OpsWorks. */
const name = 'opsworks'

type Person = readonly [id: string, person: NonNullable<SiteNode['ssh_users']>[string]]

export function sshUsers(r: Recipe<SiteNode>, node: SiteNode): void {
  const { ssh_users } = node
  if (ssh_users === null) return
  systemSetting(r, node, {
    attribute: ['ssh_users'],
    leftOut: 'the accounts of ssh_users are left out: they need root and the whole system',
    declare: () => declareAccounts(r, Object.entries(ssh_users)),
  })
}

function declareAccounts(r: Recipe<SiteNode>, people: readonly Person[]): void {
  requireOneEach(people)
  const names = people.map(([, person]) => person.name).sort()
  const uids = Object.fromEntries(people.map(([id, person]) => [person.name, Number(id)]))
  group(r, { name })
  // Rights that somebody loses go first, so that a later failure does not leave them in force.
  group_logins(r, { group: name, accounts: names, uids, lift: false })
  sudoersFile(r, people)
  for (const [id, person] of people) {
    const home = `/home/${person.name}`
    user(r, { name: person.name, uid: Number(id), group: name, home, shell: '/bin/bash' })
    authorized_key(r, { user: person.name, keys: keyLines(person.public_key), exclusive: true })
    // sshd reads this file too, unless its configuration says otherwise.
    file(r, { path: `${home}/.ssh/authorized_keys2`, absent: true })
  }
  // The old keys of an account that had expired are gone by now.
  group_logins(r, { group: name, accounts: names })
}

function sudoersFile(r: Recipe<SiteNode>, people: readonly Person[]): void {
  const users = people.flatMap(([, person]) => (person.sudoer ? [person.name] : [])).sort()
  const rule = { name: 'opsworks-ssh-users' }
  if (users.length === 0) return void sudoers(r, { ...rule, absent: true })
  r.unlessDeclared('package', 'sudo', () => void package_(r, { names: ['sudo'] }))
  sudoers(r, { ...rule, users, runAs: ['ALL'], noPassword: true })
}

/** @throws INVALID_ATTRIBUTE for two accounts of one name */
function requireOneEach(people: readonly Person[]): void {
  const values = new AttributeWriter()
  const firstIds = new Map<string, string>()
  for (const [id, person] of people) {
    const first = firstIds.get(person.name)
    firstIds.set(person.name, first ?? id)
    if (first === undefined) continue
    const message = `is the name of ssh_users.${first} too`
    values.refuse(`ssh_users.${id}.name`, message, 'give each person a name of their own')
  }
  values.check()
}
