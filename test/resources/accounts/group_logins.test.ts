/** Tests which accounts of a group may log in. */
import t from 'tap'
import type { VirtualHost } from '../../../core/host/virtual.ts'
import { group_logins } from '../../../resources/accounts/group_logins.ts'
import { accountPrograms, programs } from '../../support/commands.ts'
import { contract } from '../../support/contract.ts'

const host = { commands: programs(accountPrograms) }
const ordinary = { ...host, self: { name: 'ann', uid: 2000, gid: 500, home: '/home/ann', shell: '/bin/sh' } }
const people = (host: VirtualHost) => {
  host.given(
    '/etc/passwd',
    'root:x:0:0::/root:/bin/bash\nann:x:2000:500::/home/ann:/bin/sh\nbob:x:2001:500::/home/bob:/bin/sh\nsolr:x:123:123::/:/bin/sh\n',
  )
  host.given('/etc/group', 'root:x:0:\nteam:x:500:\nsolr:x:123:\n')
  host.given('/etc/shadow', 'root:*:1::::::\nann:!:1:0:99999:7:::\nbob:!:1:0:99999:7::1:\nsolr:!:1::::::\n')
}

contract(t, group_logins, [
  {
    name: 'expires an account that is no longer declared, and lets a declared one log in again',
    props: { group: 'team', accounts: ['bob'] },
    given: people,
    host,
    changes: ['replace /accounts/bob = "may log in"', 'replace /accounts/ann = "expired"'],
    then: (t, host) => {
      const lines = host.readText('/etc/shadow')?.split('\n')
      t.equal(lines?.[1], 'ann:!:1:0:99999:7::1:')
      t.equal(lines?.[2], 'bob:!:1:0:99999:7:::')
      t.equal(lines?.[3], 'solr:!:1::::::', 'accounts of other groups stay')
    },
  },
  {
    name: 'accounts that do not exist yet',
    props: { group: 'team', accounts: ['ann', 'carl'] },
    given: people,
    host,
    changes: [],
  },
  { name: 'a group that does not exist yet', props: { group: 'new', accounts: ['carl'] }, host, changes: [] },
  {
    name: 'refuses the name of an account of the system',
    props: { group: 'team', accounts: ['ann', 'solr', 'root'] },
    given: people,
    host,
    fails: /accounts that exist with another primary group than team: solr, root.*usermod --gid team solr/s,
  },
  {
    name: 'only expires others',
    props: { group: 'team', accounts: ['bob'], lift: false },
    given: people,
    host,
    changes: ['replace /accounts/ann = "expired"'],
    then: (t, host) => t.match(host.readText('/etc/shadow'), 'bob:!:1:0:99999:7::1:'),
  },
  {
    name: 'refuses a number that belongs to another account',
    props: { group: 'team', accounts: ['carl'], uids: { carl: 2001 } },
    given: people,
    host,
    fails: /2001 of carl belongs to bob.*usermod --login carl bob/s,
  },
  {
    name: 'requires root',
    props: { group: 'team', accounts: [] },
    given: people,
    host: ordinary,
    fails: /run this as root: usermod --expiredate 1 ann/,
  },
])
