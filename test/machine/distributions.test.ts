/**
 * Tests the roles on each supported distribution, on hosts with their own packages and systemd: setup, deploy, rollback
 * and a second run without changes; on the newest distribution also without systemd.
 */
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { planned } from '../support/role_plans.ts'
import { aptProxy } from './support/apt_proxy.ts'
import { type Distribution, distributions, systemOf } from './support/distributions.ts'
import { writeFileWithParents } from './support/host_files.ts'
import { systemdHostNeeds, type TestHost, type TestNetwork, testNetwork } from './support/hosts.ts'
import { webApps } from './support/web_apps.ts'

const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** A stand-in for a Zope client behind HAProxy. */
const client = "require('node:http').createServer((_, answer) => answer.end('a page')).listen(8081, '127.0.0.1')"

const site = {
  converge: { roles: ['port-app', 'php-app', 'frontend'], frontend: { cache_size: '64m' } },
  opsworks: {
    instance: { hostname: 'web', private_ip: '127.0.0.1', layers: ['web'] },
    layers: { plone_instances: { instances: { plone1: { private_ip: '127.0.0.1', status: 'online' } } } },
  },
  plone_instances: { instance_count: 1, site_id: '' },
  ...webApps,
  deploy: Object.fromEntries(
    ['shop', 'wiki'].map((app) => [app, { scm: { scm_type: 'directory', repository: `/opt/apps/${app}` } }]),
  ),
}

/** Writes two apps with the same version, as the host receives them. */
function writeApps(root: string, version: string): void {
  cpSync(`${project}/fixtures/example-node-app`, `${root}/opt/apps/shop`, { recursive: true })
  writeFileWithParents(`${root}/opt/apps/shop/VERSION`, `${version}\n`)
  writeFileWithParents(`${root}/opt/apps/wiki/index.php`, `<?php echo '${version} ' . PHP_VERSION . PHP_EOL;\n`)
}

interface Scene {
  readonly network: TestNetwork
  readonly proxy: string
}

class Machine {
  private constructor(readonly host: TestHost) {}

  /** Makes a minimal host of a distribution, with a working apt and only the program of converge. */
  static async make({ network, proxy }: Scene, distribution: Distribution, init: 'systemd' | 'none'): Promise<Machine> {
    const options = {
      system: await systemOf(distribution),
      node: 'own' as const,
      enabled: [],
      mounts: { '/opt/converge': `${project}/dist` },
    }
    const { suite } = distribution
    const host = await (init === 'systemd' ? network.systemdHost(suite, options) : network.host(suite, options))
    writeFileWithParents(`${host.root}/etc/apt/apt.conf.d/99proxy`, proxy)
    writeFileWithParents(`${host.root}/etc/converge/site.json`, JSON.stringify(site))
    await host.run(`setsid /usr/local/bin/node -e "${client}" > /dev/null 2>&1 &`)
    return new Machine(host)
  }

  /** Runs converge, and fails the test unless the run succeeds. */
  async converge(t: Test, words: string): Promise<string> {
    const began = performance.now()
    const { status, stdout, stderr } = await this.host.run(`/usr/local/bin/node /opt/converge/start.cjs ${words}`)
    t.equal(status, 0, `converge ${words}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
    if (status !== 0) t.comment(`${stdout}\n${stderr}`)
    return stdout
  }
}

async function page(host: TestHost, name: string, path = '/'): Promise<string> {
  const { stdout } = await host.run(
    `exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET ${path} HTTP/1.1\\r\\nHost: ${name}\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3`,
  )
  return stdout
}

/** Returns the Varnish options of the package, without those that attributes or an init script set. */
async function packagedOptions(host: TestHost): Promise<string[]> {
  const { stdout } = await host.run("sed -e '/^ExecStart=/,/[^\\\\]$/!d' /lib/systemd/system/varnish.service")
  const words = stdout.replace(/\\\n/g, ' ').replace('ExecStart=', '').trim().split(/\s+/)
  const decided = ['-a', '-s', '-F', '-j']
  return words.filter((word, at) => !decided.some((option) => [word, words[at - 1]].includes(option)))
}

/** Checks that Varnish runs with the options of its package, except for address and size. */
async function checkOptionsKept(t: Test, host: TestHost): Promise<void> {
  const { stdout: command } = await host.run('tr "\\0" " " < /proc/$(pgrep -o varnishd)/cmdline')
  t.match(command, / -a 127\.0\.0\.1:6081 .*malloc,64m/)
  const lost = (await packagedOptions(host)).filter((word) => !command.split(' ').includes(word))
  t.strictSame(lost, [], command)
}

/** Checks the package names in this distribution for a host with Zope clients, a relational database and its cache. */
async function checkPackageNames(t: Test, machine: Machine): Promise<void> {
  for (const type of ['postgres', 'mysql']) {
    const relstorage = { db: { type, name: 'zodb', host: 'db' } }
    const node = { plone_instances: { enable_relstorage: true, relstorage }, cpu: { total: 1 } }
    const { resources } = await planned('zeo-client', node, { event: 'setup' })
    const names = resources.flatMap(({ type, props }) =>
      type === 'package' ? (props as { names: string[] }).names : [],
    )
    t.ok(['build-essential', 'libxslt1-dev', 'libpng-dev', 'libjpeg-dev'].every((name) => names.includes(name)))
    const { status, stderr } = await machine.host.run(
      `apt-get -q update >/dev/null && apt-get -s install ${names.join(' ')}`,
    )
    t.equal(status, 0, stderr)
  }
}

async function wholeLife(t: Test, scene: Scene, distribution: Distribution): Promise<void> {
  const machine = await Machine.make(scene, distribution, 'systemd')
  const { host } = machine
  writeApps(host.root, 'one')
  await checkPackageNames(t, machine)
  t.match(await machine.converge(t, 'plan'), /known after package/, 'a plan for a host without PHP')
  t.notOk(host.exists('/etc/nginx'))
  await machine.converge(t, '')
  t.match(await machine.converge(t, ''), /nothing to do/)
  t.match(await page(host, 'shop.test'), /\bone /)
  t.match(await page(host, 'wiki.test'), /\bone \d/)
  t.match(await page(host, 'www.test'), /X-Cache: miss[\s\S]*a page/i)
  t.match(await machine.converge(t, 'status'), /up .*varnish/)
  await checkOptionsKept(t, host)
  writeApps(host.root, 'two')
  await machine.converge(t, 'deploy')
  t.match(await page(host, 'shop.test'), /\btwo /)
  t.match(await page(host, 'wiki.test'), /\btwo \d/)
  await machine.converge(t, 'rollback --role port-app,php-app')
  t.match(await page(host, 'shop.test'), /\bone /)
  t.match(await page(host, 'wiki.test'), /\bone \d/)
  t.match(await machine.converge(t, 'configure'), /nothing to do/)
}

/** Tests Varnish, whose package has no init script, on a host without systemd. */
async function withoutSystemd(t: Test, scene: Scene, distribution: Distribution): Promise<void> {
  const machine = await Machine.make(scene, distribution, 'none')
  const { host } = machine
  const role = '--role frontend'
  await machine.converge(t, role)
  t.match(await machine.converge(t, role), /nothing to do/)
  t.match(await page(host, 'www.test'), /X-Cache: miss[\s\S]*a page/i)
  await checkOptionsKept(t, host)
  for (const command of ['restart', 'stop', 'start']) await machine.converge(t, `${command} ${role}`)
  t.match(await page(host, 'www.test'), /X-Cache: miss[\s\S]*a page/i)
  t.match(await machine.converge(t, `configure ${role}`), /nothing to do/)
}

t.test('each distribution', async (t) => {
  t.setTimeout(24 * 60_000)
  if (!needs(t, [...systemdHostNeeds, 'debootstrap', 'apt'])) return
  const network = await testNetwork(t)
  const scene = { network, proxy: await aptProxy(t, network.gateway) }
  const timeout = 8 * 60_000
  for (const distribution of Object.values(distributions))
    await t.test(distribution.title, { timeout }, (t) => wholeLife(t, scene, distribution))
  const { debian13 } = distributions
  await t.test(`deploys on ${debian13.title} without systemd`, { timeout }, (t) => withoutSystemd(t, scene, debian13))
})
