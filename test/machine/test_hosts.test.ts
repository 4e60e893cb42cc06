/** Tests the test hosts themselves: other tests rely on what this file checks. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { hostNeeds, newKey, testNetwork } from './support/hosts.ts'

/** Reads which network owns a directory: another test can claim it meanwhile, unless something is mounted below it. */
function ownerOf(directory: string): string {
  return existsSync(`${directory}/owner`) ? readFileSync(`${directory}/owner`, 'utf8') : ''
}

t.test('two hosts have files, accounts and processes of their own', async (t) => {
  if (!needs(t, [...hostNeeds, 'sudo', 'openssl'])) return
  let [directory, owner] = ['', '']
  await t.test('hosts are isolated while they run', async (t) => {
    const network = await testNetwork(t)
    directory = network.directory
    owner = ownerOf(directory)
    const accounts = { deployer: { sudo: 'free' }, other: { sudo: 'password', password: 'geheim' }, none: {} } as const
    const authority = await newKey(`${network.directory}/authority`)
    const [one, two] = await Promise.all([
      network.host('one', { accounts, without: ['/usr/bin/git'] }),
      network.host('two', { port: 2222, node: 'own', disk: 32, hostAuthority: authority }),
    ])
    t.equal((await one.ssh('hostname')).stdout, 'one\n')
    t.equal((await two.ssh('hostname; node --version')).stdout, `two\n${process.version}\n`)
    t.match(await one.ssh('which node git || ls /work /home /root /tmp', {}), {
      stdout: '/home:\ndeployer\nnone\nother\n\n/root:\n\n/tmp:\n',
    })
    t.equal((await one.ssh('sudo id -un', { account: 'deployer' })).stdout, 'root\n')
    t.equal((await one.ssh('sudo -S -p "" id -un', { account: 'other', input: 'geheim\n' })).stdout, 'root\n')
    t.match(await one.ssh('sudo -n id -un', { account: 'none' }), { status: 1, stderr: /password is required/ })
    const { stdout } = await one.run('cat; set -- /proc/[0-9]*; echo $#', { input: 'in ' })
    const [input, processCount] = stdout.split(' ')
    t.equal(input, 'in')
    // sshd and bash; the process of a login may not have ended yet.
    t.ok(Number(processCount) >= 2 && Number(processCount) < 6, `the host sees ${processCount?.trim()} processes`)

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
    writeFileSync(`${network.directory}/authorities`, `@cert-authority * ${authority.line}\n`)
    t.equal((await two.ssh('true', { knownHosts: `${network.directory}/authorities` })).status, 0)
    t.equal((await one.ssh('true', { knownHosts: `${network.directory}/authorities` })).status, 255)
    const before = two.hostKey
    await two.newHostKey()
    t.not(two.hostKey, before)
    t.match(await two.ssh('true'), { status: 255, stderr: /IDENTIFICATION HAS CHANGED/ })

    const slept = one.ssh('echo begin; sleep 1; echo end')
    await until(async () => (await one.run('pgrep -c sleep')).stdout === '1\n', 'it sleeps')
    await one.linkDown()
    await one.linkUp()
    t.equal((await slept).stdout, 'begin\nend\n', 'a connection outlives a link that was down')
    await one.setSlowness({ delayMs: 100, lossPercent: 1 })
    const began = performance.now()
    t.equal((await one.ssh('echo slow')).stdout, 'slow\n')
    t.ok(performance.now() - began > 1000, 'some round trips of 200 ms')
    await one.setSlowness(null)
  })
  t.not(ownerOf(directory), owner, 'nothing is left')
})

t.test('a killed test leaves no host', async (t) => {
  if (!needs(t, hostNeeds)) return
  const hosts = new URL('support/hosts.ts', import.meta.url)
  const text = `import { testNetwork } from '${hosts}'
const network = await testNetwork({ teardown() {} })
const host = await network.host('left')
await host.setSlowness({ delayMs: 1 })
await host.run('sleep 1000 >/dev/null 2>&1 &')
console.log(network.directory)
process.kill(process.pid, 'SIGKILL')`
  const words = ['--import', 'tsx', '--input-type=module', '--eval', text]
  const { stdout, stderr, signal } = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: 60_000 })
  t.equal(signal, 'SIGKILL', stderr)
  const directory = stdout.trim()
  const owner = ownerOf(directory)
  t.match(owner, /^\d+ \d+$/)
  const id = `cvt${directory.split('-').at(-1)}-2`
  const left = () => spawnSync('ip', ['netns', 'pids', id], { encoding: 'utf8' }).stdout
  await until(() => left() === '', 'its processes have ended with it')
  await testNetwork(t)
  t.not(ownerOf(directory), owner, 'the next test has removed it')
})

t.test('a host with systemd boots', async (t) => {
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
