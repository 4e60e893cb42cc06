/** Tests directory: creating, correcting and removing directories, and paths that it refuses. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { directory } from '../../../resources/files/directory.ts'
import { file } from '../../../resources/files/file.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const path = '/srv/site/shared'
const withDeploy = (host: VirtualHost) => {
  host.given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
  host.given('/etc/group', 'root:x:0:\ndeploy:x:1000:\n')
  host.given('/srv/site', null)
}

contract(t, directory, [
  {
    name: 'creates a missing directory',
    props: { path: '/srv/new' },
    changes: ['replace /kind = "directory"'],
    then: (t, host) => t.match(host.lstat('/srv/new'), { kind: 'directory', mode: '0755' }),
  },
  {
    name: 'creates it with mode and owner in one step',
    props: { path, mode: '2770', owner: 'deploy', group: 'deploy' },
    given: withDeploy,
    then: (t, host) => {
      t.match(host.lstat(path), { mode: '2770', uid: 1000, gid: 1000 })
      t.strictSame(host.changes.slice(-1), [`mkdir ${path}`])
    },
  },
  {
    name: 'creates missing parents with the same owner and mode 0755',
    props: { path: '/srv/a/b/c', parents: true, mode: '0700', owner: 'deploy' },
    given: withDeploy,
    then: (t, host) =>
      t.match(
        [host.lstat('/srv/a/b'), host.lstat('/srv/a/b/c')],
        [
          { mode: '0755', uid: 1000 },
          { mode: '0700', uid: 1000 },
        ],
      ),
  },
  {
    name: 'corrects mode and owner, and keeps the content',
    props: { path, mode: '0750', owner: 'deploy' },
    given: (host) => {
      withDeploy(host)
      host.given(`${path}/inner`, 'x')
    },
    changes: ['replace /owner = "deploy"', 'replace /mode = "0750"'],
    then: (t, host) =>
      t.match(
        [host.lstat(path)?.uid, host.lstat(`${path}/inner`)?.uid, host.readText(`${path}/inner`)],
        [1000, 0, 'x'],
      ),
  },
  {
    name: 'does nothing if mode and owner are correct',
    props: { path, mode: '0755' },
    given: (host) => host.given(`${path}/inner`, 'x'),
    changes: [],
  },
  {
    name: 'a link to a directory counts as one, and its target gets mode and owner',
    props: { path, mode: '0750', owner: 'deploy' },
    given: (host) => {
      withDeploy(host)
      host.given('/mnt/real', null).given(path, { link: '/mnt/real' })
    },
    then: (t, host) =>
      t.match(
        [host.lstat(path), host.lstat('/mnt/real')],
        [
          { kind: 'link', uid: 0 },
          { mode: '0750', uid: 1000 },
        ],
      ),
  },
  {
    name: 'refuses a link of another account, which would get mode and owner on its target',
    props: { path, mode: '0770', owner: 'deploy' },
    given: (host) => {
      withDeploy(host)
      host.given('/mnt/real', null).given(path, { link: '/mnt/real' }).setOwner(path, 'deploy', undefined)
    },
    fails: /is a link that deploy can change: \/srv\/site\/shared belongs to that account name the directory/,
  },
  {
    name: 'refuses a link below a directory of another account',
    props: { path, mode: '0770', owner: 'deploy' },
    given: (host) => {
      withDeploy(host)
      host.given('/mnt/real', null).given(path, { link: '/mnt/real' }).setOwner('/srv/site', 'deploy', undefined)
    },
    fails: /is a link that deploy can change: \/srv\/site belongs to that account name/,
  },
  {
    name: 'refuses a dangling link',
    props: { path },
    given: (host) => host.given(path, { link: '/nowhere' }),
    fails: /is a link.*points nowhere/s,
  },
  {
    name: 'refuses a link to a file',
    props: { path },
    given: (host) => host.given('/srv/f', '').given(path, { link: '/srv/f' }),
    fails: /is a file/,
  },
  {
    name: 'fails if a socket has its path',
    props: { path },
    given: (host) => host.given(path, { other: true }),
    fails: /is a device, socket or pipe, but a directory was declared/,
  },
  {
    name: 'fails if a file has its path',
    props: { path },
    given: (host) => host.given(path, 'x'),
    fails: /is a file, but a directory was declared.*move it away/s,
  },
  {
    name: 'fails if its parent does not exist',
    props: { path: '/srv/no/where' },
    fails: /no such file or directory.*declare the directory/s,
  },
  {
    name: 'removes a directory with all its content',
    props: { path, absent: true },
    given: (host) => host.given(`${path}/a/b`, 'x').given(`${path}/loop`, { link: '..' }).given('/srv/site/kept', 'x'),
    changes: ['replace /kind = "absent"'],
    then: (t, host) => t.strictSame(host.list('/srv/site'), ['kept']),
  },
  {
    name: 'removes what a killed run left',
    props: { path, absent: true },
    given: (host) => host.given('/srv/site/.shared.removing/a', 'x').given('/srv/site/kept', 'x'),
    changes: ['replace /kind = "absent"'],
    then: (t, host) => t.strictSame(host.list('/srv/site'), ['kept']),
  },
  {
    name: 'removes what a killed run left before it creates the directory again',
    props: { path },
    given: (host) => host.given('/srv/site/.shared.removing/a', 'x'),
    then: (t, host) => t.strictSame(host.list('/srv/site'), ['shared']),
  },
  { name: 'does nothing if the directory to remove is missing', props: { path, absent: true }, changes: [] },
  {
    name: 'fails to remove a link',
    props: { path, absent: true },
    given: (host) => host.given('/mnt/x', '').given(path, { link: '/mnt' }),
    fails: /is a link, but a directory was declared absent take it away with symlink/,
  },
])

t.test('after a kill during the removal, the whole directory exists or nothing', async (t) => {
  for (let at = 1; ; at++) {
    let count = 0
    const host = new VirtualHost({
      beforeChange: () => {
        if (++count === at) throw new Error('killed')
      },
    })
    host.given(`${path}/.converge/complete`, '').given(`${path}/bin/client1`, '')
    const plan = planOf((r) => void directory(r, { path, absent: true }))
    const report = await run(plan, host)
    t.ok(host.lstat(path) === null || host.lstat(`${path}/bin/client1`), `change ${at}`)
    if (report.outcome === 'changed') break
  }
})

t.test(
  'in a dry run, a planned directory exists for new content, and a planned removal hides old content',
  async (t) => {
    const host = new VirtualHost()
    host.given('/srv/old/x', 'x')
    const plan = planOf((r) => {
      directory(r, { path: '/srv/new/deep', parents: true })
      file(r, { path: '/srv/new/deep/a', content: 'a' })
      directory(r, { path: '/srv/old', absent: true })
      file(r, { path: '/srv/old/x', absent: true })
      directory(r, { path: '/etc', mode: '0700' })
    })
    const before = host.changes.length
    const report = await run(plan, new VirtualHost({ base: host }), 'plan')
    t.strictSame(
      report.resources.map(({ outcome }) => outcome),
      ['planned', 'planned', 'planned', 'planned'],
    )
    t.equal(report.counts.unchanged, 1)
    t.equal(host.changes.length, before)
  },
)
