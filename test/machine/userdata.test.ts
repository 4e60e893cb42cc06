/**
 * Tests hosts that cloud-init creates with the user data of `converge stack userdata`: they are set up as its first
 * lines declare.
 */
import t from 'tap'
import { needs } from '../support/machine.ts'
import { systemdHostNeeds, type TestHost, testNetwork } from './support/hosts.ts'
import { Operator } from './support/operator.ts'

const recipe = `import { role, execute } from 'converge-engine'
const note = (r, event) => execute(r, { name: event, command: 'echo ' + event + ' $(id -un) >> /var/tmp/events' })
export default role('probe', { setup: (r) => note(r, 'setup'), configure: (r) => note(r, 'configure') })
`

const hosts = {
  known: { user: 'ann', port: 2222 },
  rooted: { user: 'root', port: 22 },
  // An ordinary account that cannot become root.
  plain: { user: 'site', port: 22, prefix: '/home/site/all of it' },
}

t.test('boots, sets up, installs hooks, and boots again', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'sudo', 'crontab', 'cloud-init'])) return
  const network = await testNetwork(t)
  const operator = new Operator(network)
  const hostEntries = Object.entries(hosts).map(
    ([name, more]) => [name, { ...more, address: network.freeAddress() }] as const,
  )
  operator.write({
    'recipes/probe.ts': recipe,
    'stack.json': {
      name: 'site',
      layers: { all: { roles: ['probe'] } },
      recipes: ['recipes'],
      hosts: Object.fromEntries(hostEntries.map(([name, entry]) => [name, { ...entry, layers: ['all'] }])),
    },
  })
  const booted = await Promise.all(
    hostEntries.map(async ([name, { address, port }]): Promise<[string, TestHost]> => {
      const more = name === 'known' ? ['--host-key'] : []
      const { status, stdout, stderr } = await operator.run(['userdata', name, ...more])
      t.equal(status, 0, stderr)
      return [name, await network.systemdHost(name, { address, port, userData: stdout, node: 'own', disk: 512 })]
    }),
  )
  const machines = new Map(booted)
  const on = async (name: string, command: string) => (await machines.get(name)?.run(command))?.stdout

  for (const [name, { port, user }] of hostEntries) {
    const result = JSON.parse((await on(name, 'cat /run/cloud-init/result.json')) ?? '') as unknown
    t.match(result, { v1: { datasource: /NoCloud/, errors: [] } }, 'cloud-init has nothing to complain of')
    t.equal(await on(name, 'hostname; hostname --fqdn'), `${name}\n${name}\n`)
    const settings = await on(name, 'sshd -T | grep -E "^(port|passwordauthentication) "')
    t.equal(settings, `port ${port}\npasswordauthentication no\n`)
    t.match(await on(name, `passwd --status ${user}`), new RegExp(`^${user} L `), 'nobody logs in with a password')
  }
  t.equal(await on('known', 'ls /etc/ssh/*_key'), '/etc/ssh/ssh_host_ed25519_key\n', 'none of the image is left')

  const known = await operator.json(['setup', '--host', 'known'])
  t.match(known, { status: 0, report: { outcome: 'changed' } }, 'its key was known before it was there')
  const refused = await operator.json(['setup', '--host', 'rooted,plain'])
  t.strictSame(
    refused.report?.hosts.map(({ failure }) => failure?.code),
    ['HOST_KEY_UNKNOWN', 'HOST_KEY_UNKNOWN'],
  )
  const others = await operator.json(['setup', '--host', 'rooted,plain', '--accept-new'])
  t.match(others, { status: 0, report: { outcome: 'changed' } })
  t.match(await operator.json(['hooks', 'install', '--interval', '1h']), { status: 0 })
  t.match(await operator.run(['hooks', 'show']), { status: 0 })
  t.match(await on('known', 'cat /var/tmp/events'), /^setup root\nconfigure root\n/)
  t.match(await on('plain', 'cat /var/tmp/events'), /^setup site\nconfigure site\n/)
  const called = "'/home/site/all of it/usr/local/lib/converge/this-host' configure --quiet --wait 600"
  t.match(await on('plain', 'crontab -u site -l'), new RegExp(`^0 \\* \\* \\* \\* .*${called}$`, 'm'))

  await on('known', 'rm /var/tmp/events')
  await machines.get('known')?.reboot()
  t.match(await operator.json(['status', '--host', 'known']), { status: 0 }, 'it has kept its key')
  t.equal(await on('known', 'cat /var/tmp/events'), 'setup root\nconfigure root\n', 'and sets itself up')
})
