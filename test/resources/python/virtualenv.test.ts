/** Tests virtualenv: creating, repairing and updating environments. */
import t from 'tap'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { sameVersion } from '../../../resources/python/venv_files.ts'
import { virtualenv } from '../../../resources/python/virtualenv.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const path = '/srv/venv'
const site = `${path}/lib/python3.11/site-packages`
const packages = { 'zc.buildout': '6.0.1', Setup_Tools: '' }
const newest = '84.2.1'

/** Fakes of venv and pip for the in-memory host. */
const commands: CommandHandler = ([program = '', ...args], _, host) => {
  if (program === 'sync') return {}
  const install = (name: string, version: string) => {
    for (const old of host.list(site))
      if (old.startsWith(`${name}-`)) host.given(`${site}/${old}/RECORD`, { link: '/nowhere' })
    host.given(`${site}/${name}-${version}.dist-info/RECORD`, '')
  }
  if (args[1] === 'venv') {
    host.given(`${args[2]}/pyvenv.cfg`, `executable = ${program}\n`).given(`${args[2]}/bin/python`, { link: program })
    install('pip', '26.3')
    return {}
  }
  if (args[1] !== 'pip' || host.stat(program) === null) return null
  for (const expected of args.slice(5)) {
    const [name = '', version = newest] = expected.split('==')
    install(name.replaceAll('.', '_').toLowerCase(), version)
  }
  return {}
}

const given = (host: VirtualHost) =>
  void host
    .given('/usr/bin/python3.11', 'ELF', '0755')
    .given('/usr/bin/python3', { link: 'python3.11' })
    .given('/srv', null)
const createEnvironment = (host: VirtualHost, python = '/usr/bin/python3.11') => {
  given(host)
  host.given(`${path}/.converge.json`, `{"python":"${python}"}\n`).given(`${path}/pyvenv.cfg`, '')
  host.given(`${path}/bin/python`, { link: '/usr/bin/python3.11' }).given(`${site}/pip-26.3.dist-info/RECORD`, '')
  return host
}
const ran = (host: VirtualHost) => host.changes.filter((what) => what.startsWith('run'))

contract(t, virtualenv, [
  {
    name: 'creates an environment with its packages',
    props: { path, packages },
    given,
    host: { commands },
    changes: [
      'replace /packages/Setup_Tools = "any"',
      'replace /packages/zc.buildout = "6.0.1"',
      'replace /python = "/usr/bin/python3.11"',
      'replace /kind = "environment"',
    ],
    then: (t, host) =>
      t.ok(
        ran(host).at(-2)?.endsWith('pip install --disable-pip-version-check --no-input zc.buildout==6.0.1 Setup_Tools'),
      ),
  },
  {
    name: 'creates an environment without packages, and does not run pip',
    props: { path },
    given,
    host: { commands },
    then: (t, host) =>
      t.strictSame(
        ran(host).filter((what) => what.includes('pip')),
        [],
      ),
  },
  {
    name: 'completes an environment after a kill before its mark was written',
    props: { path, packages },
    given: (host) => {
      given(host)
      host.given(`${path}/..converge.json.converge-4711-1`, '')
    },
    host: { commands },
  },
  {
    name: 'creates an environment in an empty directory',
    props: { path },
    given: (host) => {
      given(host)
      host.given(path, null)
    },
    host: { commands },
    changes: ['replace /python', 'replace /kind = "environment"'],
  },
  {
    name: 'does nothing if the environment is correct',
    props: { path, packages: { 'zc.buildout': '6.0', setuptools: '' } },
    given: (host) =>
      void createEnvironment(host)
        .given(`${site}/zc_buildout-6.0.0.dist-info/RECORD`, '')
        .given(`${site}/setuptools-1.0.dist-info/RECORD`, ''),
    changes: [],
  },
  {
    name: 'installs another version in the same environment',
    props: { path, packages: { supervisor: '4.3.0' } },
    given: (host) => void createEnvironment(host).given(`${site}/supervisor-4.2.5.dist-info/RECORD`, ''),
    host: { commands },
    changes: ['replace /packages/supervisor = "4.3.0"'],
  },
  {
    name: 'installs again after an incomplete installation',
    props: { path, packages: { supervisor: '4.3.0' } },
    given: (host) => void createEnvironment(host).given(`${site}/supervisor-4.3.0.dist-info/METADATA`, ''),
    host: { commands },
    changes: ['replace /packages/supervisor = "4.3.0"'],
  },
  {
    name: 'creates an incomplete environment again',
    props: { path, packages: { supervisor: '4.3.0' } },
    given: (host) =>
      void createEnvironment(host)
        .given(`${path}/.converge.json`, '{"python":null}\n')
        .given(`${site}/supervisor-4.3.0.dist-info/RECORD`, '')
        .given(`${path}/junk`, ''),
    host: { commands },
    changes: ['replace /packages/supervisor', 'replace /python', 'replace /kind = "environment"'],
    then: (t, host) => t.equal(host.lstat(`${path}/junk`), null),
  },
  {
    name: 'creates an environment again after a kill during its removal',
    props: { path },
    given: (host) => {
      given(host)
      host.given('/srv/.venv.unfinished', '').given(`${path}/lib/junk`, '')
    },
    host: { commands },
    changes: ['replace /python', 'replace /kind = "environment"'],
    then: (t, host) => {
      t.equal(host.lstat(`${path}/lib/junk`), null)
      t.equal(host.lstat('/srv/.venv.unfinished'), null)
    },
  },
  {
    name: 'creates an environment again after a kill during its creation, with any mark',
    props: { path },
    given: (host) => void createEnvironment(host).given('/srv/.venv.unfinished', ''),
    host: { commands },
    changes: ['replace /python', 'replace /kind = "environment"'],
  },
  {
    name: 'creates an environment without pip again',
    props: { path, packages: { supervisor: '4.3.0' } },
    given: (host) => {
      createEnvironment(host)
      host.given(`${site}/pip-26.3.dist-info/RECORD`, { link: '/nowhere' })
      host.given(`${site}/supervisor-4.3.0.dist-info/RECORD`, '')
    },
    host: { commands },
    changes: ['replace /packages/supervisor', 'replace /kind = "environment"'],
  },
  {
    name: 'creates an environment again if its Python is missing',
    props: { path },
    given: (host) =>
      void createEnvironment(host, '/usr/bin/python3.9').given(`${path}/bin/python`, { link: '/usr/bin/python3.9' }),
    host: { commands },
    changes: ['replace /python', 'replace /kind = "environment"'],
  },
  {
    name: 'creates an environment again for another Python',
    props: { path, python: 'python3.12' },
    given: (host) => void createEnvironment(host).given('/usr/bin/python3.12', 'ELF', '0755'),
    host: { commands },
    changes: ['replace /python = "/usr/bin/python3.12"'],
  },
  {
    name: 'keep: leaves an environment of another Python unchanged',
    props: { path, newPython: 'keep' as const },
    given: (host) =>
      void createEnvironment(host)
        .given('/usr/bin/python3.13', 'ELF', '0755')
        .given('/usr/bin/python3', { link: 'python3.13' }),
    changes: [],
    then: (t, host) => t.match(host.readText(`${path}/.converge.json`), 'python3.11'),
  },
  {
    name: 'keep: fails if the Python of the environment is missing',
    props: { path, newPython: 'keep' as const },
    given: (host) => {
      createEnvironment(host, '/usr/bin/python3.9').given(`${path}/bin/python`, { link: '/usr/bin/python3.9' })
    },
    fails: /was made with \/usr\/bin\/python3\.9, which is gone.*converge.python to python3\.11/s,
  },
  {
    name: 'keep: creates an environment without pip again with its own Python',
    props: { path, newPython: 'keep' as const },
    given: (host) => {
      createEnvironment(host)
        .given('/usr/bin/python3.13', 'ELF', '0755')
        .given('/usr/bin/python3', { link: 'python3.13' })
      host.given(`${site}/pip-26.3.dist-info/RECORD`, { link: '/nowhere' })
    },
    host: { commands },
    changes: ['replace /kind = "environment"'],
    then: (t, host) => {
      t.match(host.readText(`${path}/.converge.json`), 'python3.11')
      t.equal(host.readLink(`${path}/bin/python`), '/usr/bin/python3.11')
    },
  },
  {
    name: 'keep: creates an incomplete environment again',
    props: { path, newPython: 'keep' as const },
    given: (host) => void createEnvironment(host).given(`${path}/.converge.json`, '{"python":null}\n'),
    host: { commands },
    changes: ['replace /python', 'replace /kind = "environment"'],
  },
  {
    name: 'leaves an environment alone whose Python works and is not on the PATH',
    props: { path, python: 'python2' },
    given: (host) => void createEnvironment(host),
    changes: [],
  },
  {
    name: 'creates an environment as another account',
    props: { path, user: 'deploy', packages: { a: '1' } },
    given: (host) => {
      given(host)
      host
        .given('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
        .given('/etc/group', 'root:x:0:\ndeploy:x:1000:\n')
    },
    host: {
      commands: (argv, options, host) =>
        argv[0] !== 'sync' && options.user !== 'deploy' ? { status: 77 } : commands(argv, options, host),
    },
    then: (t, host) => t.match(host.stat(path), { uid: 1000, gid: 1000 }),
  },
  {
    name: 'fails if the Python does not exist',
    props: { path, python: 'python3.99' },
    given,
    host: { commands },
    fails: /there is no python3\.99 on this host.*apt-get install python3\.99 python3\.99-venv/s,
  },
  {
    name: 'fails if Python has no venv',
    props: { path },
    given,
    host: {
      commands: ([, , what]) =>
        what === 'venv'
          ? {
              status: 1,
              stdout:
                'The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian/Ubuntu systems, you need to install the python3-venv\npackage using the following command.\n\n    apt-get install python3.11-venv\n',
            }
          : {},
    },
    fails: /cannot make environments.*apt-get install python3\.11-venv/s,
  },
  {
    name: 'fails if pip fails, and displays its output',
    props: { path, packages: { a: '9' } },
    given,
    host: {
      commands: (argv, options, host) =>
        argv[2] === 'pip'
          ? { status: 1, stderr: 'ERROR: No matching distribution found for a==9' }
          : commands(argv, options, host),
    },
    fails: /No matching distribution found/,
  },
  {
    name: 'fails if another directory has its path',
    props: { path },
    given: (host) => void host.given(`${path}/index.html`, ''),
    fails: /not a Python environment.*mv \/srv\/venv/s,
  },
  {
    name: 'fails if a file has its path',
    props: { path },
    given: (host) => void host.given(path, ''),
    fails: /not a Python environment/,
  },
])

t.test('the digest differs with the versions', async (t) => {
  const { implementation, props } = virtualenv.definition
  t.equal(implementation.fingerprint, undefined, 'all of the state counts')
  t.throws(() => props.parse({ path, packages: { a: '>=1' } }), /exact version/)
  t.throws(() => props.parse({ path, packages: { 'a; rm': '1' } }), /name of a package/)
})

t.test('compares versions', async (t) => {
  for (const [a, b, same] of [
    ['1.0', '1.0.0', true],
    ['1', '1.0', true],
    ['10', '1', false],
    ['1.0rc1', '1rc1', true],
    ['1.0rc1', '1.0', false],
    ['2026.6', '2026.6.0', true],
    ['1.10', '1.1', false],
    ['1!2.0', '2.0', false],
    ['0!2.0', '2', true],
  ] as const)
    t.equal(sameVersion(a, b), same, `${a} ${b}`)
})

t.test('marks an environment after all its files are on the disk', async (t) => {
  const host = new VirtualHost({ commands })
  given(host)
  t.strictSame(
    failureOf(
      await run(
        planOf((r) => void virtualenv(r, { path, packages: { a: '1' } })),
        host,
      ),
    ),
    undefined,
  )
  t.strictSame(
    host.changes.map((what) => what.split(' ').slice(0, 2).join(' ')),
    [
      'write /srv/.venv.unfinished',
      'mkdir /srv/venv',
      'write /srv/venv/.converge.json',
      'run /usr/bin/python3.11',
      'run /srv/venv/bin/python',
      'run sync',
      'write /srv/venv/.converge.json',
      'remove /srv/.venv.unfinished',
    ],
  )
})
