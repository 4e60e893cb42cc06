/** Tests group: its number and its members. */
import t from 'tap'
import { group } from '../../../resources/accounts/group.ts'
import { accountPrograms, programs } from '../../support/commands.ts'
import { contract } from '../../support/contract.ts'

const host = { commands: programs(accountPrograms) }
const ordinary = { ...host, self: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' } }
const groups = (...lines: string[]) => `root:x:0:\n${lines.map((line) => `${line}\n`).join('')}`

contract(t, group, [
  {
    name: 'creates a missing group',
    props: { name: 'site' },
    host,
    changes: ['replace /exists = true'],
    then: (t, host) => t.match(host.groupNamed('site'), { name: 'site' }),
  },
  {
    name: 'creates a group with the given number',
    props: { name: 'site', gid: 4000 },
    host,
    changes: ['replace /gid = 4000', 'replace /exists = true'],
    then: (t, host) => t.equal(host.groupNamed('site')?.gid, 4000),
  },
  {
    name: 'corrects its number, and keeps its members',
    props: { name: 'site', gid: 4001 },
    given: (host) => host.given('/etc/group', groups('site:x:4000:root')),
    host,
    changes: ['replace /gid = 4001'],
    then: (t, host) => t.strictSame(host.groupNamed('site'), { name: 'site', gid: 4001, members: ['root'] }),
  },
  {
    name: 'adds a missing member, and keeps the others',
    props: { name: 'site', members: ['root', 'ann'] },
    given: (host) => {
      host.given('/etc/group', groups('site:x:4000:ann,bob'))
      host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n')
    },
    host,
    changes: ['add /members/1 = "root"'],
    then: (t, host) => t.strictSame(host.groupNamed('site')?.members, ['ann', 'bob', 'root']),
  },
  {
    name: 'does nothing if number and members are correct',
    props: { name: 'site', members: ['root'], gid: 4000 },
    given: (host) => host.given('/etc/group', groups('site:x:4000:ann,root')),
    host,
    changes: [],
  },
  {
    name: 'absent',
    props: { name: 'site', absent: true },
    given: (host) => host.given('/etc/group', groups('site:x:4000:ann')),
    host,
    changes: ['replace /exists = false'],
    then: (t, host) => t.equal(host.groupNamed('site'), null),
  },
  {
    name: 'does nothing if the group to remove does not exist',
    props: { name: 'site', absent: true },
    host,
    changes: [],
  },
  {
    name: 'fails if another group has the number',
    props: { name: 'site', gid: 4000 },
    given: (host) => host.given('/etc/group', groups('shop:x:4000:')),
    host,
    fails: /gid 4000 belongs to the group shop.*another gid/s,
  },
  {
    name: 'fails if a member has no account',
    props: { name: 'site', members: ['nobody-here'] },
    host,
    fails: /no account nobody-here.*user\(\)/s,
  },
  {
    name: 'fails without root, and displays the command',
    props: { name: 'site', gid: 4000 },
    host: ordinary,
    fails: /only root.*ann.*groupadd --gid 4000 site/s,
  },
  { name: 'accepts a correct group without root', props: { name: 'root' }, host: ordinary, changes: [] },
])
