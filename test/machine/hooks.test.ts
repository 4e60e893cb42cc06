/**
 * Tests a host whose systemd runs converge: setup at the first boot, configure by a timer, shutdown before the host
 * goes down.
 */
import t from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { systemdHostNeeds, type TestHost, testNetwork } from './support/hosts.ts'
import { converge, installProgram } from './support/program_on_host.ts'

/** Records each event; shutdown stops a systemd service, as a frontend does, while systemd is stopping it too. */
const recipe = `
import { execute, role, service } from 'converge-engine'
const note = (r, event, more = 'true') => execute(r, {
  name: event, command: 'echo ' + event + ' $(' + more + ') >> /var/log/events',
})
export default role('site', {
  setup: (r) => note(r, 'setup', 'systemctl is-system-running || true'),
  configure: (r) => note(r, 'configure'),
  shutdown(r) {
    note(r, 'shutdown', 'systemctl is-active supervisor; ip -4 -brief address show up scope global | wc -l')
    service(r, { name: 'site', action: 'stopped' })
    note(r, 'stopped', 'systemctl is-active site || true')
  },
})
`

const unit = (name: string) => `[Unit]
Description=${name}
After=network.target
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`

const events = (host: TestHost) =>
  host.exists('/var/log/events') ? host.read('/var/log/events').trim().split('\n') : []
const count = (host: TestHost, event: string) => events(host).filter((line) => line.startsWith(event)).length

t.test('installs hooks, runs them by timer, at reboot and shutdown, and removes them', async (t) => {
  if (!needs(t, systemdHostNeeds)) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('self', { node: 'own', disk: 512 })
  installProgram(host)
  host.write('/root/recipes/site.ts', recipe)
  for (const name of ['site', 'supervisor']) host.write(`/etc/systemd/system/${name}.service`, unit(name))
  const enable = await host.run('systemctl daemon-reload && systemctl enable --now site supervisor')
  t.equal(enable.status, 0, enable.stderr)
  const words = '--role site --recipes recipes'
  const install = (more: string) => converge(host, `hooks install ${words} --wait 60 ${more}`)

  const first = await install('--interval 1h --jitter 5m')
  t.equal(first.status, 0, first.stderr + first.stdout)
  const names = ['setup.service', 'configure.service', 'configure.timer', 'shutdown.service']
  const paths = names.map((name) => `/etc/systemd/system/converge-${name}`)
  const verify = await host.run(`systemd-analyze verify ${paths.join(' ')}`)
  t.equal(verify.status, 0, verify.stderr)
  t.notMatch(verify.stderr, 'converge-', 'systemd has nothing to say of them')
  t.match(await install('--interval 1h --jitter 5m'), { status: 0, stdout: /^nothing to do/ })
  t.strictSame(events(host), [], 'nothing is run now')

  t.match(await install('--interval 1s --jitter 0s --dry-run'), { status: 0, stdout: /OnUnitInactiveSec=1s/ })
  t.equal((await install('--interval 1s --jitter 0s')).status, 0)
  await until(() => count(host, 'configure') >= 2, 'the timer calls configure, again and again')
  t.match(await converge(host, 'hooks show'), {
    status: 0,
    stdout:
      /converge-setup.service {2}is due at the next boot\n.*converge-configure.timer {2}active, (last run .*: success|runs now)\n/,
  })
  t.equal((await install('--interval 1h --jitter 5m')).status, 0)
  const stop = await host.run('systemctl restart converge-shutdown.service')
  t.equal(stop.status, 0, stop.stderr)
  t.equal(count(host, 'shutdown'), 0, 'a stop by hand stops no site')

  await host.shutDown()
  t.strictSame(
    events(host).filter((line) => /^(shutdown|stopped)/.test(line)),
    ['shutdown active 1', 'stopped inactive'],
    'supervisor and the network were still there',
  )
  await host.start()
  t.strictSame(
    events(host).filter((line) => line.startsWith('setup')),
    ['setup starting'],
    'before the host counts as up',
  )
  t.match(await converge(host, 'hooks show'), { stdout: /converge-setup.service {2}has been done\n/ })
  t.match((await host.run('systemctl is-active site converge-shutdown.service')).stdout, 'active\nactive\n')
  await host.reboot()
  t.equal(count(host, 'setup'), 1, 'once')

  const remove = await converge(host, 'hooks remove')
  t.equal(remove.status, 0, remove.stderr)
  t.match(await converge(host, 'hooks remove'), { status: 0, stdout: /^nothing to do/ })
  t.equal((await host.run('systemctl is-active site')).stdout, 'active\n')
  t.equal((await host.run('ls /etc/systemd/system /etc/systemd/system/*.wants | grep converge')).stdout, '')
  t.equal((await host.run('systemctl list-units --all --plain --no-legend "converge*"')).stdout, '')
  t.equal(count(host, 'shutdown'), 1)
})
