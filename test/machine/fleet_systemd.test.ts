/**
 * Tests a stack's host with a real systemd: several kinds of accounts connect to it, then its own scheduler runs
 * converge.
 */
import t from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { systemdHostNeeds, type TestHost, testNetwork } from './support/hosts.ts'
import { Operator, type Outcome } from './support/operator.ts'

/** Records each event with the path of its Node, and the layers in the node JSON. */
const recipe = `import { role, execute } from 'converge-engine'
const note = (r, event, node) => execute(r, {
  name: event,
  command: 'echo ' + event + ' $(readlink /proc/$PPID/exe) ' + node.probe.word + ' >> ' + '/srv/events',
})
export default role('probe', {
  attributes: { probe: { word: 'none' } },
  setup(r, node) { note(r, 'setup', node) },
  deploy(r, node) { note(r, 'deploy', node) },
  configure(r, node) { note(r, 'configure', node) },
  shutdown(r, node) { note(r, 'shutdown', node) },
  events: { slow(r) { execute(r, { command: 'touch /srv/began; until [ -e /srv/go ]; do sleep 0.05; done' }) } },
})
`

const password = 'open sesame, please'

const events = (host: TestHost) => (host.exists('/srv/events') ? host.read('/srv/events').trim().split('\n') : [])
const count = (host: TestHost, event: string) => events(host).filter((line) => line.startsWith(`${event} `)).length

function failureOf({ report }: Outcome) {
  const failure = report?.hosts[0]?.failure
  return { code: failure?.code, message: failure?.message, hint: failure?.hint }
}

t.test('accounts, timer, rollout, reboot, shutdown', async (t) => {
  if (!needs(t, [...systemdHostNeeds, 'sudo'])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('self', {
    disk: 1024,
    accounts: { free: { sudo: 'free' }, asked: { sudo: 'password', password }, plain: {} },
  })
  const operator = new Operator(network)
  const stackOf = (user: string, word: string, more: object = {}) => ({
    name: user,
    layers: { all: { roles: ['probe'], attributes: { probe: { word } } } },
    recipes: ['recipes'],
    hosts: { self: { address: host.address, layers: ['all'], user, ...more } },
  })
  operator.write({
    'recipes/probe.ts': recipe,
    'free.json': stackOf('free', 'first'),
    'asked.json': stackOf('asked', 'first', { sudo: 'password' }),
    'unasked.json': stackOf('asked', 'first'),
    'plain.json': stackOf('plain', 'first'),
    'own.json': stackOf('plain', 'first', { prefix: '/home/plain/site' }),
  })
  const as = (stack: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    operator.json([...words, '--stack', `${stack}.json`], env)

  await t.test('explains why an account cannot become root', async (t) => {
    t.match(failureOf(await as('plain', ['setup'])), {
      code: 'SUDO_REFUSED',
      message: /^sudo was refused: /,
      hint: /"sudo"/,
    })
    const unasked = failureOf(await as('unasked', ['setup']))
    t.match(unasked, { code: 'SUDO_REFUSED', message: /password is required/, hint: /set "sudo": "password"/ })
    const nobody = failureOf(await as('asked', ['setup']))
    t.match(nobody, { code: 'SUDO_REFUSED', hint: /CONVERGE_SUDO_PASSWORD/ })
    const wrong = failureOf(await as('asked', ['setup'], { CONVERGE_SUDO_PASSWORD: 'open, please' }))
    t.match(wrong, { code: 'SUDO_REFUSED', message: /the password is wrong/, hint: /correct CONVERGE_SUDO_PASSWORD/ })
    t.strictSame(events(host), [])
    t.notOk(host.exists('/usr/local/lib/converge'))
  })

  await t.test('refuses a runtime that is not Node', async (t) => {
    operator.write({ 'other.json': { ...stackOf('free', 'first'), runtime: { [process.arch]: '/bin/true' } } })
    t.match(failureOf(await as('other', ['setup'])), {
      code: 'NO_RUNTIME',
      message: 'the uploaded program is not Node',
      hint: /^set "runtime" in the stack file to a Node /,
    })
    t.notOk(host.exists('/usr/local/lib/converge/node'))
  })

  await t.test('works with a sudo password, and as an ordinary user below a prefix', async (t) => {
    const asked = await as('asked', ['run', 'setup'], { CONVERGE_SUDO_PASSWORD: password })
    t.match(asked, { status: 0, report: { outcome: 'changed' } })
    t.notOk(`${asked.stdout}${asked.stderr}`.includes(password))
    t.equal(count(host, 'setup'), 1)
    // An engine that is already installed is not uploaded again.
    const own = '/home/plain/site/usr/local/lib'
    await host.run(`mkdir -p ${own}; cp -a /usr/local/lib/converge ${own}; chown -R plain /home/plain /srv`)
    t.match(await as('own', ['run', 'setup']), { status: 0, report: { outcome: 'changed' } })
    t.equal(count(host, 'setup'), 2)
    t.ok(host.exists('/home/plain/site/var/lib/converge/fleet/runs'))
    t.match(await as('own', ['hooks', 'install', '--interval', '30m']), { status: 0 })
    const called = '/home/plain/site/usr/local/lib/converge/this-host configure --quiet --wait 600\n'
    t.match((await host.run('crontab -u plain -l')).stdout, called)
    t.match(await host.run('su - plain -c "/home/plain/site/usr/local/lib/converge/this-host status 2>&1"'), {
      stdout: /probe/,
    })
    t.match(await as('own', ['hooks', 'remove']), { status: 0 })
    t.equal((await host.run('crontab -u plain -l')).stdout.trim(), '')
    await host.run('rm /srv/events; chown root /srv')
  })

  if (!t.passing()) return

  await t.test('hooks run the stored command of the last rollout with the Node of the stack', async (t) => {
    const absent = await operator.run(['hooks', 'show', '--stack', 'free.json'])
    t.match(absent, { status: 1, stdout: /^self {2}absent {5}converge-setup.service$/m }, absent.stderr)
    const setup = await as('free', ['setup'])
    t.match(setup, { status: 0 })
    const { stdout } = await host.run('converge --version')
    t.match(stdout, /^\d+\.\d+\.\d+/, 'an operator who logs in finds the command')
    const preview = await operator.run(['hooks', 'install', '--interval', '7s', '--dry-run', '--stack', 'free.json'])
    t.match(preview, { status: 0, stdout: /OnUnitInactiveSec=7s/ }, preview.stderr)
    t.equal((await operator.run(['hooks', 'show', '--stack', 'free.json'])).status, 1, 'the plan changes nothing')
    const install = await as('free', ['hooks', 'install', '--interval', '1s', '--jitter', '0s'])
    t.match(install, { status: 0, report: { outcome: 'changed' } })
    const before = count(host, 'configure')
    await until(() => count(host, 'configure') >= before + 2, 'the timer calls configure, again and again')
    t.match(events(host).at(-1), /^configure \/usr\/local\/lib\/converge\/runtime-\w+\/node first$/)
    const show = await operator.run(['hooks', 'show', '--stack', 'free.json'])
    t.match(show, { status: 0, stdout: /^self {2}installed {2}converge-configure.timer {2}active, /m }, show.stderr)
    const slower = await as('free', ['hooks', 'install', '--interval', '1h'])
    t.match(slower, { status: 0, report: { outcome: 'changed' } })
    t.match(await as('free', ['hooks', 'install', '--interval', '1h']), { status: 0, report: { outcome: 'unchanged' } })
  })

  const configure = () =>
    host.run('systemctl start converge-configure; journalctl --sync; journalctl -u converge-configure -o cat -n 5')

  await t.test('hooks leave a rollout alone, and do not continue what it left', async (t) => {
    operator.write({ 'free.json': stackOf('free', 'second') })
    const run = operator.start(['run', 'slow', '--stack', 'free.json', '--json-output'])
    await until(() => host.exists('/srv/began'), 'the rollout is at work')
    const before = count(host, 'configure')
    t.match(await configure(), { stdout: /left alone: a rollout has locked this host: / })
    t.equal(count(host, 'configure'), before)
    host.write('/srv/go', '')
    t.match(await run.ended, { status: 0 })
    await configure()
    t.match(events(host).at(-1), /^configure .* first$/, 'its own event changes nothing')
    t.match(await as('free', ['configure']), { status: 0 })
    await configure()
    t.match(events(host).at(-1), /^configure .* second$/)
  })

  await t.test('runs at boot, and is removed at the end', async (t) => {
    const before = { setup: count(host, 'setup'), deploy: count(host, 'deploy') }
    await host.shutDown()
    t.match(events(host).at(-1), /^shutdown .* second$/, 'in order')
    await host.start()
    t.equal(count(host, 'setup'), before.setup + 1, 'it sets itself up')
    t.equal(count(host, 'deploy'), before.deploy, 'and deploys nothing')
    t.match(await as('free', ['shutdown', '--host', 'self']), { status: 0 })
    const then = events(host).length
    t.match(await configure(), { stdout: /left alone: it was shut down by converge stack shutdown/ })
    t.equal(events(host).length, then)
    t.match(await as('free', ['setup']), { status: 0 })
    const back = count(host, 'configure')
    await configure()
    t.equal(count(host, 'configure'), back + 1)
    t.match(await as('free', ['hooks', 'remove', '--dry-run']), { status: 0, report: { outcome: 'planned' } })
    t.equal((await host.run('systemctl is-active converge-configure.timer')).stdout, 'active\n')
    // One unit that has failed, and one that systemd will retry.
    host.write('/etc/systemd/system/converge-setup.service.d/broken.conf', '[Service]\nExecStartPre=/bin/false\n')
    host.write('/etc/systemd/system/converge-configure.service.d/broken.conf', '[Service]\nExecStartPre=/bin/false\n')
    const stamp = '/var/lib/converge/first-boot-done'
    await host.run(
      `rm ${stamp}; systemctl daemon-reload; systemctl start converge-configure; systemctl start --no-block converge-setup`,
    )
    t.equal((await host.run('systemctl is-failed converge-configure')).stdout, 'failed\n')
    await host.run('rm -r /etc/systemd/system/converge-*.d')
    t.match(await as('free', ['hooks', 'remove']), { status: 0, report: { outcome: 'changed' } })
    t.equal((await host.run('systemctl list-units --all --plain --no-legend "converge*"')).stdout, '')
  })
})
