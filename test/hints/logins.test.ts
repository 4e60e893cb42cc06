/** Proves the hints of the types that let accounts log in and act as others. */
import t from 'tap'
import type { CommandHandler } from '../../core/host/virtual.ts'
import { authorized_key } from '../../resources/accounts/authorized_key.ts'
import { sudoers } from '../../resources/accounts/sudoers.ts'
import { user } from '../../resources/accounts/user.ts'
import { commands, type Declare, proveResources as prove } from '../support/resource_proofs.ts'

const key: Declare = (r) => authorized_key(r, { user: 'web', keys: ['ssh-ed25519 AAAA ci'] })
const rule: Declare = (r) => sudoers(r, { name: 'web', users: ['deploy'] })
const visudo: CommandHandler = () => ({})

t.test('logins', async (t) => {
  prove(t, [
    {
      source: 'resources/accounts/authorized_key.ts',
      hint: "declare it before this: user(r, { name: 'web' })",
      commands,
      given: (host) => host.given('/home/web', null),
      broken: key,
      repaired(r) {
        user(r, { name: 'web' })
        key(r)
      },
    },
    {
      source: 'resources/accounts/sudoers.ts',
      hint: "declare it before this: packages(r, { names: ['sudo'] })",
      commands: visudo,
      given: (host) => host.given('/etc/sudoers.d', null),
      broken: rule,
      repair: (host) => host.given('/usr/sbin/visudo', '', '0755'),
    },
  ])
})
