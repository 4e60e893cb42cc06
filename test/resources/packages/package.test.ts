/** Tests package: installing, pinning and removing packages of Debian. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { file } from '../../../resources/files/file.ts'
import { findProvider, parseStatus } from '../../../resources/packages/dpkg.ts'
import { package_ } from '../../../resources/packages/package.ts'
import { aptPrograms, givePackage, offerPackage, programs } from '../../support/commands.ts'
import { contract, patchOf, planOf, run } from '../../support/contract.ts'

const commands = programs(aptPrograms)
const host = { commands }
const ordinary = { ...host, self: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' } }
const offered = (host: VirtualHost) => {
  offerPackage(host, 'hello', '2.10-3')
  offerPackage(host, 'git', '1:2.39.5-0+deb12u2')
}
const ran = (host: VirtualHost) =>
  host.changes.filter((change) => change.startsWith('run ')).map((change) => change.replaceAll(/ -o \S+/g, ''))

contract(t, package_, [
  {
    name: 'installs a package after it has fetched the lists',
    props: { names: ['hello', 'git'] },
    given: offered,
    host,
    changes: ['replace /hello = "installed"', 'replace /git = "installed"'],
    then: (t, host) => t.match(host.readText('/var/lib/dpkg/status'), /Package: hello\nStatus: install ok installed/),
  },
  {
    name: 'requests only missing packages',
    props: { names: ['hello', 'git'] },
    given: (host) => {
      offered(host)
      givePackage(host, 'git', '1:2.30')
    },
    host,
    changes: ['replace /hello = "installed"'],
    then: (t, host) => t.match(ran(host).at(-1), /install hello$/),
  },
  {
    name: 'corrects a version',
    props: { names: { hello: '2.10-3' } },
    given: (host) => {
      offered(host)
      givePackage(host, 'hello', '2.9-1')
    },
    host,
    changes: ['replace /hello = "2.10-3"'],
    then: (t, host) => t.match(ran(host).at(-1), /--allow-downgrades install hello=2\.10-3$/),
  },
  {
    name: 'accepts a prefix of the version',
    props: { names: { hello: '2.10*' } },
    given: (host) => givePackage(host, 'hello', '2.10-3'),
    host,
    changes: [],
  },
  {
    name: 'accepts any installed version',
    props: { names: ['hello'] },
    given: (host) => givePackage(host, 'hello', '1'),
    host,
    changes: [],
  },
  {
    name: 'removes a package and keeps its configuration',
    props: { names: ['hello'], absent: true },
    given: (host) => givePackage(host, 'hello', '2.10-3'),
    host,
    changes: ['replace /hello = "absent"'],
    then: (t, host) => t.match(host.readText('/var/lib/dpkg/status'), 'deinstall ok config-files'),
  },
  {
    name: 'does nothing if the package to remove is not installed',
    props: { names: ['hello'], absent: true },
    host,
    changes: [],
  },
  {
    name: 'completes an interrupted dpkg first',
    props: { names: ['hello'] },
    given: (host) => {
      offered(host)
      host.given('/var/lib/dpkg/updates/0001', '')
    },
    host,
    changes: ['replace /hello = "installed"'],
    then: (t, host) => t.equal(host.list('/var/lib/dpkg/updates').length, 0),
  },
  {
    name: 'completes a half-installed package',
    props: { names: ['hello'] },
    given: (host) => {
      offered(host)
      givePackage(host, 'hello', '2.10-3', 'install ok half-configured')
    },
    host,
    changes: ['replace /hello = "installed"'],
  },
  {
    name: 'fails if the package is on hold at another version',
    props: { names: { hello: '2.10-3' } },
    given: (host) => givePackage(host, 'hello', '2.9-1', 'hold ok installed'),
    host,
    fails: /hello is on hold at 2\.9-1, but 2\.10-3 was declared.*apt-mark unhold hello/s,
  },
  {
    name: 'accepts a package on hold at a matching version',
    props: { names: ['hello'] },
    given: (host) => givePackage(host, 'hello', '2.9-1', 'hold ok installed'),
    host,
    changes: [],
  },
  {
    name: 'fails for an unknown name, with the nearest known one',
    props: { names: ['helo'] },
    given: offered,
    host,
    fails: /no package helo.*did you mean hello\?/s,
  },
  {
    name: 'fails for an unknown version, with the available ones',
    props: { names: { hello: '3*' } },
    given: offered,
    host,
    fails: /no version 3\* of the package hello.*declare a version that the sources have: 2\.10-3/s,
  },
  {
    name: 'waits while the lists are locked',
    props: { names: ['hello'] },
    given: (host) => {
      offered(host)
      host.given('/locked', '3')
    },
    host,
    changes: ['replace /hello'],
  },
  {
    name: 'fails without lists and network',
    props: { names: ['hello'] },
    given: (host) => host.given('/offline', ''),
    host,
    fails: /lists could not be fetched.*Could not resolve.*/s,
  },
  {
    name: 'uses the known versions if the lists are old and there is no network',
    props: { names: ['hello'] },
    given: (host) => {
      host.given('/var/lib/apt/lists/deb_Packages', 'hello 2.10-3')
      host.given('/offline', '')
    },
    host,
    changes: ['replace /hello = "installed"'],
  },
  {
    name: 'fails without root, and displays the command',
    props: { names: ['hello'] },
    host: ordinary,
    fails: /only root.*apt-get -y --no-install-recommends install hello/s,
  },
])

t.test("uses today's lists, and fetches them again for an unknown name", async (t) => {
  const host = new VirtualHost({ commands })
  offerPackage(host, 'hello', '1')
  const install = (name: string) =>
    run(
      planOf((r) => package_(r, { names: [name] })),
      host,
    )
  await install('hello')
  offerPackage(host, 'git', '1')
  offerPackage(host, 'curl', '1')
  await install('git')
  await install('curl')
  const updates = ran(host).map((line) => (line.endsWith(' update') ? 'update' : line.split(' ').at(-1)))
  t.strictSame(updates, ['update', 'hello', 'git', 'update', 'git', 'curl'])
})

t.test('in a dry run, planned packages count as installed, and their files are unknown', async (t) => {
  const plan = planOf((r) => {
    package_(r, { names: ['nginx'] })
    package_(r, { names: ['nginx', 'curl'] })
    file(r, { path: '/etc/nginx/sites/site', content: 'x' })
    file(r, { path: '/etc/other/deep/site', content: 'x' })
    file(r, { path: '/etc/motd', content: 'x' })
    file(r, { path: '/srv/site', content: 'x', owner: 'nginx' })
    execute(r, { command: 'true', user: 'nginx', creates: '/srv/x' })
  })
  const report = await run(plan, new VirtualHost({ base: new VirtualHost({ commands }) }), 'plan')
  t.strictSame(patchOf(report).slice(0, 2), ['replace /nginx = "installed"', 'replace /curl = "installed"'])
  t.strictSame(
    report.resources.map(({ outcome }) => outcome),
    ['planned', 'planned', 'unknown', 'unknown', 'planned', 'unknown', 'unknown'],
  )
})

t.test('parses the status file of dpkg', (t) => {
  const packages = parseStatus(
    [
      'Package: mawk\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.3\nProvides: awk, other (= 2)',
      'Package: libc6\nStatus: deinstall ok config-files\nArchitecture: i386\nVersion: 2.35',
      'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\nDescription: Package: fake\n Status: folded',
      '',
    ].join('\n\n'),
  )
  t.equal(packages.get('libc6')?.version, '2.36')
  t.equal(packages.get('libc6:i386')?.status, 'deinstall ok config-files')
  t.equal(findProvider('awk', packages)?.name, 'mawk')
  t.equal(findProvider('other', packages)?.name, 'mawk')
  t.equal(findProvider('aw', packages), undefined)
  t.end()
})

t.test('fails on a host without dpkg', async (t) => {
  const host = new VirtualHost({ commands })
  host.remove('/var/lib/dpkg/status')
  const report = await run(
    planOf((r) => package_(r, { names: ['awk'] })),
    host,
  )
  t.match(report.resources[0]?.failure, { code: 'NOT_DEBIAN', hint: /package manager of this system/ })
})

t.test('accepts another package that provides a virtual one', async (t) => {
  const host = new VirtualHost({ commands })
  host.given(
    '/var/lib/dpkg/status',
    'Package: mawk\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nProvides: awk\n\n',
  )
  t.equal(
    (
      await run(
        planOf((r) => package_(r, { names: ['awk'] })),
        host,
      )
    ).outcome,
    'unchanged',
  )
})
