/** Tests user: creating, changing and removing an account with its groups and home. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { user } from '../../../resources/accounts/user.ts'
import { file } from '../../../resources/files/file.ts'
import { accountPrograms, programs } from '../../support/commands.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'

const host = { commands: programs(accountPrograms) }
const ordinary = { ...host, self: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' } }
const withAnn = (host: VirtualHost) => {
  host.given('/etc/passwd', 'root:x:0:0::/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n')
  host.given('/etc/group', 'root:x:0:\nann:x:1000:\nwww-data:x:33:\nadm:x:4:ann\n')
  host.given('/home/ann/notes', 'hers')
}

contract(t, user, [
  {
    name: 'creates an account with its own group and a home',
    props: { name: 'deploy' },
    host,
    changes: ['replace /homeDirectory = "present"', 'replace /exists = true'],
    then: (t, host) => {
      const account = host.account('deploy')
      t.match(account, { home: '/home/deploy' })
      t.equal(host.groupById(account?.gid ?? -1)?.name, 'deploy')
      t.equal(host.stat('/home/deploy')?.kind, 'directory')
    },
  },
  {
    name: 'creates an account with all properties',
    props: { name: 'deploy', uid: 2000, group: 'www-data', groups: ['adm'], home: '/srv/deploy', shell: '/bin/bash' },
    given: withAnn,
    host,
    then: (t, host) => {
      t.strictSame(host.account('deploy'), {
        name: 'deploy',
        uid: 2000,
        gid: 33,
        home: '/srv/deploy',
        shell: '/bin/bash',
      })
      t.strictSame(host.groupNamed('adm')?.members, ['ann', 'deploy'])
    },
  },
  {
    name: 'uses an existing group of the same name',
    props: { name: 'solr', system: true },
    given: (host) => host.given('/etc/group', 'root:x:0:\nsolr:x:123:\n'),
    host,
    changes: ['replace /exists = true'],
    then: (t, host) => {
      t.equal(host.account('solr')?.gid, 123)
      t.equal(host.lstat('/home/solr'), null, 'a system account gets no home')
    },
  },
  {
    name: 'corrects shell and groups, and keeps the rest',
    props: { name: 'ann', shell: '/bin/bash', groups: ['www-data', 'adm'] },
    given: withAnn,
    host,
    changes: ['replace /shell = "/bin/bash"', 'add /groups/1 = "www-data"'],
    then: (t, host) => {
      t.match(host.account('ann'), { uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/bash' })
      t.strictSame(host.groupNamed('www-data')?.members, ['ann'])
      t.equal(host.readText('/home/ann/notes'), 'hers')
    },
  },
  {
    name: 'moves the home with its content',
    props: { name: 'ann', home: '/srv/ann' },
    given: withAnn,
    host,
    changes: ['replace /homeDirectory = "present"', 'replace /home = "/srv/ann"'],
    then: (t, host) => t.equal(host.readText('/srv/ann/notes'), 'hers'),
  },
  {
    name: 'creates a missing home again',
    props: { name: 'ann' },
    given: (host) => host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\nann:x:1000:0::/home/far/ann:/bin/sh\n'),
    host,
    changes: ['replace /homeDirectory = "present"'],
    then: (t, host) => t.match(host.stat('/home/far/ann'), { kind: 'directory', uid: 1000 }),
  },
  {
    name: 'does nothing if the account is correct',
    props: { name: 'ann', uid: 1000, groups: ['adm'] },
    given: withAnn,
    host,
    changes: [],
  },
  {
    name: 'removes the account, and keeps its home',
    props: { name: 'ann', absent: true },
    given: withAnn,
    host,
    changes: ['replace /exists = false'],
    then: (t, host) => {
      t.equal(host.account('ann'), null)
      t.equal(host.readText('/home/ann/notes'), 'hers')
    },
  },
  {
    name: 'removes the account with its home',
    props: { name: 'ann', absent: true, manageHome: true },
    given: withAnn,
    host,
    changes: ['replace /exists = false'],
  },
  {
    name: 'fails if another account has the number',
    props: { name: 'bob', uid: 1000 },
    given: withAnn,
    host,
    fails: /uid 1000 belongs to the account ann/,
  },
  {
    name: 'fails if a group does not exist',
    props: { name: 'bob', group: 'wheel' },
    host,
    fails: /no group wheel.*group\(\)/s,
  },
  {
    name: 'fails if no group has the number of the primary group',
    props: { name: 'bob', gid: 77 },
    host,
    fails: /gid 77/,
  },
  {
    name: 'fails without root, and displays the command',
    props: { name: 'bob', shell: '/bin/sh' },
    host: ordinary,
    fails: /only root.*useradd --shell \/bin\/sh --user-group --create-home bob/s,
  },
])

t.test('in a dry run, files can belong to a planned account', async (t) => {
  const plan = planOf((r) => {
    user(r, { name: 'deploy', home: '/srv/deploy' })
    file(r, { path: '/srv/deploy/.profile', content: 'x', owner: 'deploy', group: 'deploy' })
  })
  const base = new VirtualHost(host)
  const report = await run(plan, new VirtualHost({ base }), 'plan')
  t.equal(failureOf(report), undefined)
  t.equal(report.counts.planned, 2)
  t.strictSame(patchOf(report), patchOf(await run(plan, base)))
})
