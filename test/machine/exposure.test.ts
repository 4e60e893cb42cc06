/**
 * Tests what real servers of every built-in role expose on a host with a loopback and a private address: where they
 * listen, what `doctor` reports of it, and the logs that other accounts can read.
 */
import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { merge } from '../../core/node/merge.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { hasStoredEggs, offeredEggs, storeEggs } from '../support/eggs.ts'
import { needs } from '../support/machine.ts'
import { rolesOfLayers, serveRepositories, solrDirectory, stackOf } from './support/exposed_stack.ts'
import { systemdHostNeeds, type TestHost, type TestNetwork, testNetwork } from './support/hosts.ts'
import { Operator } from './support/operator.ts'
import { webProxy } from './support/web_proxy.ts'

t.setTimeout(30 * 60_000)

interface Expected {
  readonly layers: readonly string[]
  /** Sockets as `ADDRESS:PORT PROGRAM`; `own` is the private address of the host. */
  readonly sockets: readonly string[]
  /** Ports that are reported as open at all addresses; `brick` is the random port of a brick of GlusterFS. */
  readonly open: readonly (number | 'brick')[]
  /** Logs that the programs of the role write, as patterns of bash. */
  readonly logs: readonly string[]
  /** Whether the host has systemd, for packages without an init script. */
  readonly systemd?: true
}

/**
 * Roles that are on no host of this test. nfs-server requires nfsd in the kernel, which these hosts lack. ebs-snapshots,
 * newrelic, papertrail and agent listen nowhere, and agents.test.ts connects to those of bus. The listeners of the others are tested in console_service.test.ts, relstorage_server.test.ts and monitoring.test.ts.
 */
const untested: readonly string[] = [
  'nfs-server',
  'console',
  'relstorage-server',
  'monitoring',
  'ebs-snapshots',
  'newrelic',
  'papertrail',
  'agent',
  'bus',
]

const varnishCli = ['127.0.0.1:6082 varnishd', '[::1]:6082 varnishd']
const nginx = { socket: '0.0.0.0:80 nginx', log: '/var/log/nginx/access.log' }
const output = (name: string) => `/var/log/supervisor/${name}.log`
const shared = (app: string, name: string) => `/srv/www/${app}/shared/var/log/${name}.log`

const expected: Readonly<Record<string, Expected>> = {
  zeo: {
    layers: ['zeoserver'],
    sockets: ['0.0.0.0:8001 zeoserver'],
    open: [8001],
    logs: [output('zeoserver'), shared('zeoserver', 'zeoserver'), shared('zeoserver', 'pack')],
  },
  plone: {
    layers: ['plone_instances'],
    sockets: ['0.0.0.0:8081 python'],
    open: [8081],
    logs: [
      ...['client1', 'celerybeat'].map((name) => output(`plone_instances-${name}`)),
      ...['client1', 'client1-access'].map((name) => shared('plone_instances', name)),
    ],
  },
  lb: {
    layers: ['lb'],
    // Clients on other hosts send PURGE to Varnish.
    sockets: [
      nginx.socket,
      '127.0.0.1:6081 cache-main',
      'own:6081 cache-main',
      ...varnishCli,
      '127.0.0.1:8080 haproxy',
    ],
    open: [80],
    logs: [nginx.log],
  },
  shop: {
    layers: ['shop'],
    sockets: [nginx.socket, '127.0.0.1:9090 node'],
    open: [80],
    logs: [nginx.log, output('shop-9090')],
  },
  java: {
    layers: ['java'],
    sockets: [nginx.socket, '127.0.0.1:9090 java'],
    open: [80],
    logs: [nginx.log, output('java-9090'), '/srv/www/java/releases/*/run/logs/*.request.log'],
  },
  wiki: {
    layers: ['wiki'],
    sockets: [nginx.socket],
    open: [80],
    logs: [nginx.log, '/var/log/php*-fpm.log'],
  },
  solr: { layers: ['solr'], sockets: ['127.0.0.1:8983 java'], open: [], logs: [output('solr')] },
  jobs: {
    layers: ['common', 'tasks', 'memcached'],
    sockets: ['127.0.0.1', 'own'].flatMap((at) => [`${at}:11211 memcached`, `${at}:6379 redis-server`]),
    open: [],
    logs: ['/var/log/redis/redis-server.log'],
  },
  blobs: {
    layers: ['shared_blobs'],
    sockets: ['0.0.0.0:24007 glusterd', '0.0.0.0:brick glusterfsd'],
    open: [24_007, 'brick'],
    logs: ['/var/log/glusterfs/glusterd.log', '/var/log/glusterfs/bricks/*.log'],
    systemd: true,
  },
  whole: {
    layers: ['zeoserver', 'plone_instances', 'lb'],
    sockets: [
      nginx.socket,
      ...['127.0.0.1:6081 cache-main', ...varnishCli, '127.0.0.1:8080 haproxy'],
      ...['127.0.0.1:8001 zeoserver', '127.0.0.1:8081 python'],
    ],
    open: [80],
    logs: [nginx.log, output('zeoserver'), output('plone_instances-client1')],
  },
}

/** A file on each host that is older than everything a run writes. */
const mark = '/mark'

/** Replaces the port of a brick, which glusterd chooses at random. */
function withBrick(port: string): string {
  const number = Number(port.slice(1))
  return number >= 49_152 && number <= 60_999 ? ':brick' : port
}

/** Returns the listening sockets of a host, in the notation of `Expected`; without sshd, which the test itself needs. */
async function socketsOf(host: TestHost): Promise<string[]> {
  const { stdout } = await host.run('ss -Hltnup')
  const lines = stdout.split('\n').filter((line) => line !== '')
  const found = lines.map((line) => {
    const [protocol, , , , local = ''] = line.split(/\s+/)
    const program = /users:\(\("([^"]*)"/.exec(line)?.[1] ?? ''
    const named = local.replace(host.address, 'own').replace('[::ffff:127.0.0.1]', '127.0.0.1')
    const address = program === 'glusterfsd' ? named.replace(/:\d+$/, withBrick) : named
    return `${protocol === 'udp' ? 'udp ' : ''}${address} ${program}`
  })
  return [...new Set(found)].filter((line) => !line.endsWith(':22 sshd')).sort()
}

/** Lists the logs, journals and log directories of a run that an account without groups can read. */
async function readable(host: TestHost): Promise<string[]> {
  const files = [
    "-name '*.log*'",
    "-name '*.out'",
    "-path '*/log/*'",
    "-path '*/logs/*'",
    "-path '/var/lib/converge/*'",
  ]
  const findConditions = `-type f \\( ${files.join(' -o ')} \\) -o -type d -not -empty \\( -name log -o -name logs \\)`
  // The directory of the distribution, and the logs of apt, which are its own.
  const others = /^\/var\/log(\/apt\/.*|\/dpkg\.log|\/alternatives\.log)?$/
  const nobody = 'setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs'
  const { stdout } = await host.run(
    `cd /; ${nobody} find / -xdev -newer ${mark} \\( ${findConditions} \\) -readable -printf '%p\\n' 2>/dev/null`,
  )
  return stdout.split('\n').filter((line) => line !== '' && !others.test(line))
}

/** A log that every account can read, which proves that the search finds one. */
const control = '/srv/control/logs/control.log'

/** Makes the programs write to their logs: requests of visitors, and the job that packs the database. */
const useIt = `cd /
for path in / /nothing; do curl -s -o /dev/null "http://127.0.0.1$path"; done
job=$(sed -n 's/^[^#]* deploy \\(.*zeopack.*\\)$/\\1/p' /etc/cron.d/converge-* 2>/dev/null)
[ -z "$job" ] || runuser -u deploy -- sh -c "$job"
mkdir -p -m 0755 ${control.replace(/\/[^/]*$/, '')}; echo one >> ${control}; chmod 0644 ${control}`

const rotate = `cd /
for file in $(find /etc/logrotate.d -newer ${mark} -type f); do logrotate --force "$file" || exit 1; done
find /var/log /srv -xdev -name '*.log.1' -newer ${mark}`

t.test('the listeners and logs of every role', async (t) => {
  const servers = [
    'supervisord',
    'haproxy',
    'varnishd',
    'nginx',
    'php-fpm',
    'java',
    'jetty9',
    'redis-server',
    'memcached',
  ] as const
  if (
    !needs(t, [
      ...systemdHostNeeds,
      ...servers,
      'glusterd',
      's3fs',
      'git',
      'python3 venv',
      'pip registry',
      'zip',
      'mvn',
    ])
  )
    return
  const tested = new Set(Object.values(expected).flatMap(({ layers }) => layers.flatMap(rolesOfLayers)))
  for (const role of untested) tested.add(role)
  t.strictSame([...tested].sort(), Object.keys(catalogue.roles).sort(), 'every role is on a host')
  const network = await testNetwork(t)
  const hosts = await converged(t, network)
  for (const [name, { layers, sockets, open, logs }] of Object.entries(expected)) {
    const host = hosts.get(name)
    if (host === undefined) throw new Error(`no host ${name}`)
    await t.test(name, async (t) => {
      t.strictSame(await socketsOf(host), [...sockets].sort(), 'where the programs listen')
      t.strictSame(await openPorts(host), open, 'doctor reports the ports that are open')
      await host.run(useIt)
      for (const log of logs) t.not((await host.run(`ls ${log}`)).stdout, '', `${log} is written`)
      t.strictSame((await readable(host)).sort(), ['/srv/control/logs', control], 'no log but the one of the test')
      const rotated = await host.run(rotate)
      t.equal(rotated.status, 0, `logrotate ${rotated.stdout}`)
      const isRotated = (log: string) => rotated.stdout.split('\n').includes(`${log}.1`)
      t.strictSame(logs.filter(isRotated), logs.filter(hasLogrotate(layers)), 'logrotate rotates them')
      await host.run(useIt)
      t.strictSame((await readable(host)).sort(), ['/srv/control/logs', control], 'after logrotate')
    })
  }
})

/** Tells whether a role of these layers has a logrotate configuration for a log; that of the pack stays empty, and is not rotated. */
function hasLogrotate(layers: readonly string[]): (log: string) => boolean {
  return (log) => (/\/shared\//.test(log) && !log.endsWith('/pack.log')) || (log === nginx.log && layers.includes('lb'))
}

/** Returns the ports that `doctor` reports as open at all addresses. */
async function openPorts(host: TestHost): Promise<(number | 'brick')[]> {
  const { stdout } = await host.run('cd /; /usr/local/lib/converge/this-host doctor --json-output')
  const { needs: found } = JSON.parse(stdout) as { needs: readonly { what: string; detail: string }[] }
  const open = found.filter(({ detail }) => detail.endsWith(', at all addresses of this host'))
  const ports = open.map(({ what, detail }) =>
    detail.startsWith('a brick') ? 'brick' : Number(what.replace(/^port /, '')),
  )
  return ports.sort()
}

/** Makes the hosts, and sets them up by two stack files: a role on each host, and a whole site on one. */
async function converged(t: Test, network: TestNetwork): Promise<ReadonlyMap<string, TestHost>> {
  const variables = Object.entries(await webProxy(t, network.gateway)).map(([name, value]) => `"${name}=${value}"`)
  await serveRepositories(t, network)
  const hosts = new Map<string, TestHost>()
  for (const [name, { systemd }] of Object.entries(expected)) {
    const mounts = name === 'solr' ? { [solrDirectory]: `${network.directory}/solr-archive` } : {}
    const options = { sshd: [`SetEnv ${variables.join(' ')}`], node: 'own', mounts } as const
    const host = await (systemd ? network.systemdHost(name, options) : network.host(name, options))
    writeFileSync(`${host.root}${mark}`, '')
    hosts.set(name, host)
  }
  const entries = [...hosts].map(([name, host]) => [host, ...(expected[name]?.layers ?? [])] as const)
  const stack = (whole: boolean, eggs: object) =>
    stackOf(
      network,
      entries.filter(([{ name }]) => (name === 'whole') === whole),
      {
        site: whole ? 'whole' : 'site',
        custom: merge(
          { ...eggs },
          whole ? { plone_instances: { listen_address: '127.0.0.1', zeo: { address: '127.0.0.1:8001' } } } : {},
        ),
      },
    )
  const several = new Operator(network)
  several.write({ 'stack.yaml': stack(false, {}) })
  if (!hasStoredEggs()) {
    await runOperator(t, several, 'run', 'setup', '--host', 'plone')
    await runOperator(t, several, 'run', 'build', '--host', 'plone')
    storeEggs(`${hosts.get('plone')?.root}/srv/www/plone_instances/shared`)
  }
  const eggs = await offeredEggs(t, network.gateway)
  several.write({ 'stack.yaml': stack(false, eggs) })
  await runOperator(t, several, 'setup')
  const single = new Operator(network, 'single', `${network.directory}/single`)
  single.write({ 'stack.yaml': stack(true, eggs) })
  await runOperator(t, single, 'setup')
  return hosts
}

async function runOperator(t: Test, operator: Operator, ...args: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await operator.run(args)
  if (status !== 0) throw new Error(`converge stack ${args.join(' ')}: ${stdout}${stderr}`)
  t.pass(`converge stack ${args.join(' ')}`)
}
