/** Tests how a program is found: on PATH, at a path, or in a release. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { host_program } from '../../../resources/packages/host_program.ts'
import { package_ } from '../../../resources/packages/package.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const props = { program: 'node', attribute: 'port_app.command' }

contract(t, host_program, [
  { name: 'finds a program on PATH', props, given: (host) => void host.given('/usr/local/bin/node', ''), changes: [] },
  {
    name: 'missing',
    props,
    fails: /port_app\.command runs node, which is not on the PATH.*install node on this host, or correct/s,
  },
  {
    name: 'accepts an absolute path',
    props: { ...props, program: '/opt/node/bin/node' },
    given: (host) => void host.given('/opt/node/bin/node', ''),
    changes: [],
  },
  {
    name: 'fails if the absolute path does not exist',
    props: { ...props, program: '/opt/node/bin/node' },
    fails: /port_app\.command runs \/opt\/node\/bin\/node, which does not exist or is not executable/,
  },
  {
    name: 'finds a program in a directory of the PATH of the service',
    props: { ...props, directories: ['/opt/a', '/opt/node/bin'] },
    given: (host) => void host.given('/opt/node/bin/node', ''),
    changes: [],
  },
  {
    name: 'fails if the program is only on the PATH of the run',
    props: { ...props, directories: ['/opt/a'] },
    given: (host) => void host.given('/usr/bin/node', ''),
    fails: /which is not on the PATH/,
  },
])

const release = '/srv/www/shop/releases/000001-1a2b3c4d'
const own = { program: 'bin/smoke', attribute: 'deploy.shop.smoke_test.command', release }
const without =
  /deploy\.shop\.smoke_test\.command runs bin\/smoke, which the release does not have as an executable file/

contract(t, host_program, [
  {
    name: 'finds a program in the release',
    props: own,
    given: (host) => void host.given(`${release}/bin/smoke`, '', '0755'),
    changes: [],
  },
  {
    name: 'fails if the release does not have the program',
    props: own,
    given: (host) => void host.given(`${release}/README`, ''),
    fails: without,
  },
  {
    name: 'fails if the file is not executable',
    props: own,
    given: (host) => void host.given(`${release}/bin/smoke`, '', '0644'),
    fails: /git add --chmod=\+x/,
  },
  {
    name: 'fails if the path is a directory',
    props: own,
    given: (host) => void host.given(`${release}/bin/smoke/x`, '', '0644'),
    fails: without,
  },
  {
    name: 'accepts a program that the build creates',
    props: { ...own, mayBeBuilt: true },
    given: (host) => void host.given(`${release}/README`, ''),
    changes: [],
  },
  {
    name: 'fails if the file was committed without the mode of an executable',
    props: { ...own, mayBeBuilt: true },
    given: (host) => void host.given(`${release}/bin/smoke`, '', '0644'),
    fails: without,
  },
  {
    name: 'accepts a program that a hook creates',
    props: own,
    given: (host) => void host.given(`${release}/deploy/before_symlink.sh`, '', '0755'),
    changes: [],
  },
  {
    name: 'fails if only a hook after the switch could create the program',
    props: own,
    given: (host) => void host.given(`${release}/deploy/before_restart`, '', '0755'),
    fails: without,
  },
])

t.test('a plan does not refuse a program that an earlier resource may install', async (t) => {
  const outcomes = async (declare: Parameters<typeof planOf>[0]) => {
    const base = new VirtualHost().given(
      '/etc/passwd',
      'root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home:/bin/sh\n',
    )
    const plan = planOf((r) => {
      declare(r)
      host_program(r, props)
    })
    return (await run(plan, new VirtualHost({ base }), 'plan')).resources.at(-1)?.outcome
  }
  t.equal(await outcomes(() => undefined), 'failed')
  t.equal(await outcomes((r) => package_(r, { names: ['nodejs'] })), 'unknown')
  t.equal(await outcomes((r) => execute(r, { command: 'install-node.sh' })), 'unknown')
  t.equal(await outcomes((r) => execute(r, { command: 'npm ci', user: 'deploy' })), 'failed', 'not as that account')
})
