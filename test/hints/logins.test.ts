/** Proves the hints of the types that let accounts log in and act as others. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { authorized_key } from '../../resources/accounts/authorized_key.ts'
import { group_logins } from '../../resources/accounts/group_logins.ts'
import { sudoers } from '../../resources/accounts/sudoers.ts'
import { user } from '../../resources/accounts/user.ts'
import { commands, type Declare, proveResources as prove } from '../support/resource_proofs.ts'

const key: Declare = (r) => authorized_key(r, { user: 'web', keys: ['ssh-ed25519 AAAA ci'] })
const rule: Declare = (r) => sudoers(r, { name: 'web', users: ['deploy'] })
const people = (passwd: string) => (host: VirtualHost) =>
  host
    .given('/etc/group', 'root:x:0:\nteam:x:500:\nsolr:x:123:\n')
    .given('/etc/passwd', `root:x:0:0::/root:/bin/sh\n${passwd}`)
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
    {
      source: 'resources/accounts/group_logins.ts',
      hint: 'choose another name, or make it a member on the host: usermod --gid … …',
      given: people('solr:x:123:123::/:/bin/sh\n'),
      broken: (r) => group_logins(r, { group: 'team', accounts: ['solr'] }),
      repair: people('solr:x:123:500::/:/bin/sh\n'),
    },
    {
      source: 'resources/accounts/group_logins.ts',
      hint: 'give … another number, or rename the account on the host: usermod --login … …',
      given: people('bob:x:2001:500::/home/bob:/bin/sh\n'),
      broken: (r) => group_logins(r, { group: 'team', accounts: ['carl'], uids: { carl: 2001 } }),
      repair: people('carl:x:2001:500::/home/bob:/bin/sh\n'),
    },
  ])
})
