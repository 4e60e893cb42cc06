/** Makes the accounts of the people who log in to the hosts of the stack. */
import { keyLines } from '../../attributes/ssh_users.ts'
import type { Recipe } from '../../core/compile/role.ts'
import { authorized_key } from '../../resources/accounts/authorized_key.ts'
import { group } from '../../resources/accounts/group.ts'
import { group_logins } from '../../resources/accounts/group_logins.ts'
import { sudoers } from '../../resources/accounts/sudoers.ts'
import { user } from '../../resources/accounts/user.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'

/** The primary group of these accounts, as on the hosts of OpsWorks. */
const name = 'opsworks'

export function sshUsers(r: Recipe<SiteNode>, { ssh_users }: SiteNode): void {
  if (ssh_users === null) return
  const people = Object.entries(ssh_users)
  requireOneEach(people)
  const names = people.map(([, person]) => person.name).sort()
  group(r, { name })
  // Before the accounts: it refuses names that the system uses for others.
  group_logins(r, { group: name, accounts: names })
  for (const [id, person] of people) {
    const home = `/home/${person.name}`
    user(r, { name: person.name, uid: Number(id), group: name, home, shell: '/bin/bash' })
    authorized_key(r, { user: person.name, keys: keyLines(person.public_key), exclusive: true })
  }
  const sudoing = people.flatMap(([, person]) => (person.sudoer ? [person.name] : [])).sort()
  const file = 'opsworks-ssh-users'
  if (sudoing.length > 0) sudoers(r, { name: file, users: sudoing, runAs: ['ALL'], noPassword: true })
  else sudoers(r, { name: file, absent: true })
}

/** @throws INVALID_ATTRIBUTE for two accounts of one name */
function requireOneEach(people: readonly (readonly [string, { readonly name: string }])[]): void {
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
