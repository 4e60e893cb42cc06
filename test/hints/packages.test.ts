/** Proves the hints about packages of the system: triggers each on an in-memory host, then follows it. */
import t from 'tap'
import type { CommandHandler, VirtualHost } from '../../core/host/virtual.ts'
import { apt_repository } from '../../resources/packages/apt_repository.ts'
import { package_ } from '../../resources/packages/package.ts'
import { aptPrograms, givePackage, offerPackage, programs } from '../support/commands.ts'
import { publicKey } from '../support/openpgp.ts'
import { type Declare, proveResources } from '../support/resource_proofs.ts'

const commands = programs(aptPrograms)
const ann = { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' }
const offered = (host: VirtualHost) => offerPackage(host, 'hello', '2.10-3')

t.test('the hints about the host work', async (t) => {
  proveResources(t, [
    {
      source: 'resources/accounts/account_files.ts',
      hint: 'run converge as root, or run this as root: apt-get -y --no-install-recommends install hello',
      host: { self: ann },
      commands,
      given(host) {
        offered(host)
        commands(['apt-get', 'update'], {}, host)
      },
      broken: (r) => package_(r, { names: ['hello'] }),
      repair: (host) => commands(['apt-get', '-y', '--no-install-recommends', 'install', 'hello'], {}, host),
    },
    {
      source: 'resources/accounts/account_files.ts',
      hint: 'run converge as root, or run this as root: …',
      host: { self: ann },
      commands,
      given: offered,
      broken: (r) => package_(r, { names: ['hello'] }),
      repairedHost: {},
    },
    {
      source: 'resources/packages/dpkg.ts',
      hint: 'install the packages with the package manager of this system, and remove packages() from the recipe',
      given: (host) => host.remove('/var/lib/dpkg/status'),
      broken: (r) => package_(r, { names: ['hello'] }),
      repaired: () => undefined,
    },
  ])
})

/** An apt-get that knows hello only as an installed package, while /srv/unlisted exists. */
const unlisted: typeof commands = (argv, options, host) => {
  if (host.stat('/srv/unlisted') === null || argv.includes('update')) return commands(argv, options, host)
  return argv[0] === 'apt-get'
    ? { status: 100, stderr: "E: Version '2.10-3' for 'hello' was not found" }
    : { status: 0, stdout: '' }
}

/** A dpkg that cannot configure hello while /srv/broken exists. */
const halfDone: typeof commands = (argv, options, host) => {
  const isBroken = argv[0] === 'dpkg' && host.stat('/srv/broken') !== null
  return isBroken ? { status: 1, stderr: 'post-installation script failed' } : commands(argv, options, host)
}

t.test('the hints about packages work', async (t) => {
  const source = 'resources/packages/package.ts'
  const hello = { names: ['hello'] }
  const version = { names: { hello: '2.10-3' } }
  const locked = (host: VirtualHost) => {
    offered(host)
    givePackage(host, 'hello', '2.9-1', 'hold ok installed')
  }
  proveResources(t, [
    {
      source,
      hint: 'correct the declaration, or allow the change: apt-mark unhold hello',
      commands,
      given: locked,
      broken: (r) => package_(r, version),
      repair: (host) => givePackage(host, 'hello', '2.9-1'),
    },
    {
      source,
      hint: 'correct the declaration, or allow the change: apt-mark unhold hello',
      commands,
      given: locked,
      broken: (r) => package_(r, version),
      repaired: (r) => package_(r, { names: { hello: '2.9-1' } }),
    },
    {
      source,
      hint: 'correct what the output reports, and test it with: dpkg --configure -a',
      commands: halfDone,
      given(host) {
        offered(host)
        givePackage(host, 'hello', '2.10-3', 'install ok half-configured')
        host.given('/srv/broken', '')
      },
      broken: (r) => package_(r, hello),
      repair: (host) => host.remove('/srv/broken'),
    },
    {
      source,
      hint: 'check the network, and correct the sources in /etc/apt/sources.list and /etc/apt/sources.list.d',
      commands,
      given(host) {
        offered(host)
        host.given('/offline', '').given('/var/lib/apt/lists', null)
      },
      broken: (r) => package_(r, hello),
      repair: (host) => host.remove('/offline'),
    },
    {
      source,
      hint: 'declare a version that the sources have: 2.10-3',
      commands,
      given: offered,
      broken: (r) => package_(r, { names: { hello: '3*' } }),
      repaired: (r) => package_(r, version),
    },
    {
      source,
      hint: 'add a source that has hello to /etc/apt/sources.list.d',
      commands: unlisted,
      given: (host) => host.given('/srv/unlisted', ''),
      broken: (r) => package_(r, version),
      repair(host) {
        host.remove('/srv/unlisted')
        offered(host)
      },
    },
    {
      source,
      hint: 'correct the name, or add a source that has zzzzzz to /etc/apt/sources.list.d',
      commands,
      given: offered,
      broken: (r) => package_(r, { names: ['zzzzzz'] }),
      repaired: (r) => package_(r, hello),
    },
    {
      source,
      hint: 'correct the name, or add a source that has zzzzzz to /etc/apt/sources.list.d',
      commands,
      given: offered,
      broken: (r) => package_(r, { names: ['zzzzzz'] }),
      repair: (host) => offerPackage(host, 'zzzzzz', '1'),
    },
  ])
})

t.test('the hints about repositories work', async (t) => {
  const source = 'resources/packages/apt_repository.ts'
  const commands: CommandHandler = ([program], _, host) =>
    program === 'apt-get' && host.stat('/srv/offline') !== null ? { status: 100, stderr: 'E: offline' } : {}
  const repository = { name: 'shop', uris: ['https://deb.example.com'], suites: ['stable'] }
  const declare =
    (key: { content: string; fingerprints?: string[] }): Declare =>
    (r) =>
      apt_repository(r, { ...repository, key })
  const repaired = declare({ content: publicKey.text, fingerprints: [publicKey.fingerprint] })
  proveResources(t, [
    {
      source,
      hint: 'correct the property key: a key begins with -----BEGIN PGP PUBLIC KEY BLOCK-----, or is binary',
      commands,
      broken: declare({ content: 'key.asc' }),
      repaired,
    },
    {
      source,
      hint: 'compare the fingerprints with those that the repository publishes, and correct fingerprints',
      commands,
      broken: declare({ content: publicKey.text, fingerprints: ['0'.repeat(40)] }),
      repaired,
    },
    {
      source,
      hint: 'check the network, and correct uris, suites, components or the key, by what the output reports',
      commands,
      given: (host) => host.given('/srv/offline', ''),
      broken: repaired,
      repair: (host) => host.remove('/srv/offline'),
    },
  ])
})
