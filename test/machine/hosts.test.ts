/** The hosts that other tests are made with do what those rely on. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/waiting.ts'
import { hostNeeds, testNetwork } from './support/hosts.ts'

t.test('two hosts with files, accounts and processes of their own', async (t) => {
  if (!needs(t, [...hostNeeds, 'sudo', 'openssl'])) return
  let directory = ''
  await t.test('while they are there', async (t) => {
    const network = await testNetwork(t)
    directory = network.directory
    const accounts = { deployer: { sudo: 'free' }, other: { sudo: 'password', password: 'geheim' }, none: {} } as const
    const [one, two] = await Promise.all([
      network.host('one', { accounts, without: ['/usr/bin/git'] }),
      network.host('two', { port: 2222, node: 'own', disk: 32 }),
    ])
    t.equal((await one.ssh('hostname')).stdout, 'one\n')
    t.equal((await two.ssh('hostname; node --version')).stdout, `two\n${process.version}\n`)
    t.match(await one.ssh('which node git || ls /work /home /root /tmp', {}), {
      stdout: '/home:\ndeployer\nnone\nother\n\n/root:\n\n/tmp:\n',
    })
    t.equal((await one.ssh('sudo id -un', { account: 'deployer' })).stdout, 'root\n')
    t.equal((await one.ssh('sudo -S -p "" id -un', { account: 'other', input: 'geheim\n' })).stdout, 'root\n')
    t.match(await one.ssh('sudo -n id -un', { account: 'none' }), { status: 1, stderr: /password is required/ })
    t.equal((await one.run('cat; ls /proc | grep -c "^[0-9]"', { input: 'in ' })).stdout, 'in 4\n')

    one.write('/srv/kept', 'yes')
    const boot = one.run('cat /proc/sys/kernel/random/boot_id')
    const first = (await boot).stdout
    await one.reboot()
    t.equal((await one.ssh('cat /srv/kept')).stdout, 'yes')
    t.not((await one.run('cat /proc/sys/kernel/random/boot_id')).stdout, first)

    await two.fillDisk()
    t.match(await two.ssh('echo more > /srv/file'), { stderr: /No space left on device/ })
    await two.freeDisk()
    t.equal((await two.ssh('echo more > /srv/file')).status, 0)
    t.equal(two.read('/srv/file'), 'more\n')
    t.notOk(one.exists('/srv/file'))
    const before = two.hostKey
    await two.newHostKey()
    t.not(two.hostKey, before)
    t.match(await two.ssh('true'), { status: 255, stderr: /IDENTIFICATION HAS CHANGED/ })

    const slept = one.ssh('echo begin; sleep 1; echo end')
    await until(async () => (await one.run('pgrep -c sleep')).stdout === '1\n', 'it sleeps')
    await one.linkDown()
    await one.linkUp()
    t.equal((await slept).stdout, 'begin\nend\n', 'a connection outlives a link that was down')
    await one.slow({ delayMs: 100, lossPercent: 1 })
    const began = performance.now()
    t.equal((await one.ssh('echo slow')).stdout, 'slow\n')
    t.ok(performance.now() - began > 1000, 'some round trips of 200 ms')
    await one.slow(null)
  })
  t.notOk(existsSync(directory))
  const id = `cvt${directory.split('-').at(-1)}`
  t.strictSame(
    readdirSync('/sys/class/net').filter((name) => name === id || name.startsWith(`${id}-`)),
    [],
  )
  t.notMatch(readFileSync('/proc/self/mounts', 'utf8'), `${directory}/`)
})

t.test('a host with systemd', async (t) => {
  if (!needs(t, [...hostNeeds, 'systemd'])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('booted')
  t.match(await host.ssh('systemctl is-active ssh cron'), { stdout: 'active\nactive\n' })
  t.match(await host.ssh('systemctl is-system-running'), { stdout: 'running\n' })
  t.equal((await host.run('systemctl --failed --plain --no-legend')).stdout, '')
  t.match((await host.run('journalctl -u ssh')).stdout, /Server listening on/)
  await host.shutDown()
  await host.start()
  t.equal((await host.ssh('hostname')).stdout, 'booted\n')
})
