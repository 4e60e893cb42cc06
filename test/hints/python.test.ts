/** Proves the hints about Python and its environments on a host in memory: triggers each, then follows it. */
import t from 'tap'
import { type CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { recoverBuild } from '../../resources/python/build_area.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { deployed, set } from '../support/fake_host.ts'
import { succeeded } from '../support/lifecycle.ts'
import { hintPattern, proveCalls } from '../support/proofs.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const path = '/srv/venv'
/** The message of Debian's Python without the package for venv. */
const noEnsurepip = `The virtual environment was not created successfully because ensurepip is not
available.  On Debian/Ubuntu systems, you need to install the python3-venv
package using the following command.

    apt install python3.11-venv
`
const modules: Readonly<Record<string, string>> = {
  '/usr/bin/python3.11': '/usr/lib/python3.11/ensurepip',
  '/opt/python/bin/python3.9': '/opt/python/lib/python3.9/ensurepip',
}

/** Fakes of venv and pip; Python 2 has neither. */
const commands: CommandHandler = ([program = '', ...args], _, host) => {
  const isPython2 = program.endsWith('python2.7')
  if (args[0] === '-c') return { status: isPython2 ? 0 : 1 }
  if (args[1] !== 'venv' && args[1] !== 'virtualenv') return {}
  if (isPython2) return { status: 1, stderr: '/usr/bin/python2.7: No module named venv\n' }
  const needed = modules[program]
  if (needed !== undefined && host.lstat(needed) === null) return { status: 1, stdout: noEnsurepip }
  const directory = args.at(-1) ?? ''
  const python = args[1] === 'venv' ? program : args.at(-2)
  host.given(`${directory}/pyvenv.cfg`, '').given(`${directory}/bin/python`, { link: python ?? '' })
  host.given(`${directory}/lib/python3.11/site-packages/pip-26.3.dist-info/RECORD`, '')
  return {}
}

const install = (host: VirtualHost, python: string): VirtualHost => host.given(python, 'ELF', '0755')
const debian = (host: VirtualHost): VirtualHost =>
  install(host, '/usr/bin/python3.11').given('/usr/bin/python3', { link: 'python3.11' })
const installModules = (host: VirtualHost, python = '/usr/bin/python3.11'): VirtualHost =>
  host.given(modules[python] ?? '', null)
/** Installs the packages python3 and python3-venv. */
const whole = (host: VirtualHost): VirtualHost => installModules(debian(host))

t.test('the hints about environments work', async (t) => {
  const source = 'resources/python/virtualenv.ts'
  const made: Declare = (r) => virtualenv(r, { path })
  const kept: Declare = (r) => virtualenv(r, { path, newPython: 'keep' })
  const missingPython: Declare = (r) => virtualenv(r, { path, python: 'python3.12' })
  const absent =
    'install it (apt-get install python3.12 python3.12-venv), or set python to the full path of another one'
  proveResources(t, [
    {
      source: 'core/model/file_errors.ts',
      hint: 'check whether it is still needed, then move it away: mv /srv/venv /srv/venv.old',
      commands,
      given: (host) => whole(host).given(`${path}/notes.txt`, 'x'),
      broken: made,
      repair: (host) => host.rename(path, `${path}.old`),
    },
    {
      source,
      hint: absent,
      commands,
      given: whole,
      broken: missingPython,
      repair: (host) => install(host, '/usr/bin/python3.12'),
    },
    {
      source,
      hint: absent,
      commands,
      given: whole,
      broken: missingPython,
      repaired: (r) => virtualenv(r, { path, python: '/usr/bin/python3.11' }),
    },
    {
      source,
      hint: 'install that Python, or correct the path of python',
      commands,
      broken: (r) => virtualenv(r, { path, python: '/opt/bin/python3.12' }),
      repair: (host) => install(host, '/opt/bin/python3.12'),
    },
    {
      source,
      hint: 'install /usr/bin/python3.9 again; or set converge.python to python3.11, or python_major_version of the app to its version: the next deploy makes another environment with it',
      commands,
      given: (host) =>
        whole(host)
          .given(`${path}/.converge.json`, '{"python":"/usr/bin/python3.9"}\n')
          .given(`${path}/pyvenv.cfg`, '')
          .given(`${path}/bin/python`, { link: '/usr/bin/python3.9' })
          .given(`${path}/lib/python3.9/site-packages/pip-26.3.dist-info/RECORD`, ''),
      broken: kept,
      repair: (host) => install(host, '/usr/bin/python3.9'),
    },
  ])
})

t.test('the hints about a Python of the system that was upgraded work', async (t) => {
  const proof = {
    source: 'resources/python/virtualenv.ts',
    hint: 'set converge.python to python3.13, or python_major_version of the app to its version: the next deploy makes another environment with it',
  }
  const host = await deployed()
  const environments = () => host.machine.list('/srv/www/site/shared').filter((name) => name.startsWith('env'))
  host.machine.given('/usr/bin/python3.13', '', '0755').given('/usr/bin/python3', { link: 'python3.13' })
  const before = await host.run()
  t.match(before.warnings.join('\n'), hintPattern(`…${proof.hint}`), 'the hint is given')
  set(host, {}, { python_major_version: '3.13' })
  const after = await host.run()
  succeeded(t, after)
  t.strictSame(after.warnings, [])
  t.match(environments(), [/^env-python3-/, /^env-python3\.13-/])
})

t.test('the hints about a Python that cannot create environments work', async (t) => {
  const source = 'resources/python/make_environment.ts'
  const own = '/opt/python/bin/python3.9'
  const withOwn: Declare = (r) => virtualenv(r, { path, python: own })
  proveResources(t, [
    {
      source,
      hint: 'install them: apt-get install python3.11-venv',
      commands,
      given: debian,
      broken: (r) => virtualenv(r, { path }),
      repair: installModules,
    },
    {
      source,
      hint: 'install both modules for this Python, or set python to /usr/bin/python3 and install python3.11-venv',
      commands,
      given: (host) => install(debian(host), own),
      broken: withOwn,
      repair: (host) => installModules(host, own),
    },
    {
      source,
      hint: 'install both modules for this Python, or set python to /usr/bin/python3 and install python3.11-venv',
      commands,
      given: (host) => install(debian(host), own),
      broken: withOwn,
      repair: installModules,
      repaired: (r) => virtualenv(r, { path, python: '/usr/bin/python3' }),
    },
    {
      source,
      hint: 'install it: apt-get install python3 python3-venv',
      commands,
      given: (host) => install(host, '/usr/bin/python2.7'),
      broken: (r) => virtualenv(r, { path, python: 'python2.7' }),
      repair: whole,
    },
  ])
})

t.test('the hints about files that a killed build left work', async (t) => {
  const shared = '/srv/site/shared'
  const [wheel, note] = [`${shared}/downloads/dist/x.whl`, `${shared}/.converge-building.json`]
  const area = { shared, directory: '/srv/site/releases/000001-1a2b3c4d', user: 'deploy' }
  /** A rm that runs as the account that builds, and removes only what it owns. */
  const remove: CommandHandler = (_, { input = '' }, host) => {
    const owned = input.split('\0').filter((one) => host.lstat(one)?.uid === 1000)
    for (const one of owned) host.remove(one)
    return {}
  }
  const host = new VirtualHost({ commands: remove })
  host
    .given('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n')
    .given(note, JSON.stringify({ directory: area.directory, before: [`${shared}/downloads/dist`] }))
    .given(wheel, 'half', '0644', 'root')
  proveCalls(t, [
    {
      source: 'resources/python/build_area.ts',
      hint: 'remove them as root (rm -rf), then run again',
      broken: () => recoverBuild(host, area),
      repaired: () => {
        host.remove(wheel)
        return recoverBuild(host, area)
      },
    },
  ])
})
