/**
 * Sets up a whole site on test hosts in one stack file: a ZEO server, clients, frontends, a shop and hosts with
 * packages only. All hosts mount the directory of the blobs; the repositories and the proxy to PyPI are at the
 * operator's end.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { JsonObject } from '../../../core/node/merge.ts'
import { hasStoredEggs, offeredEggs, storeEggs } from '../../support/eggs.ts'
import type { Owner } from '../../support/machine.ts'
import { until } from '../../support/wait_until.ts'
import { type Figures, visitors } from '../../support/wrk.ts'
import { git, newRepository, serveGit } from './git_server.ts'
import { type TestHost, type TestNetwork, testNetwork } from './hosts.ts'
import { Operator } from './operator.ts'
import { webProxy } from './web_proxy.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))

/** The layer of a host, by the letters at the start of its name. */
const layersByPrefix: Readonly<Record<string, string>> = {
  zeo: 'zeoserver',
  plone: 'plone_instances',
  lb: 'lb',
  shop: 'shop',
  files: 'common',
  jobs: 'common',
  mail: 'common',
}

/** The hosts with systemd; on the others, init scripts start the services. */
const systemdHosts: readonly string[] = ['lb2']

/** The values on the status page of a client. */
export interface Answer {
  readonly host: string
  readonly version: string
  readonly release: string
}

interface Settings {
  readonly balancerPort?: number | null
  readonly environment?: Readonly<Record<string, string>>
  /** Role of the clients, from the directory `recipes` beside the stack file unless it is built in. */
  readonly clientRole?: string
}

/** The results of the visitors of all frontends. */
export interface Visits extends Pick<Figures, 'requests' | 'failed' | 'longestMs' | 'seconds'> {
  readonly kinds: readonly Figures['kinds'][]
}

export class FleetSite {
  readonly hosts = new Map<string, TestHost>()
  readonly operator: Operator
  /** Attributes with which hosts receive the eggs that another host has built. */
  private eggs: JsonObject = {}
  private version = 1
  private readonly switchedOff = new Set<string>()
  /** The address at which other hosts reach a host, if it has a second one. */
  private readonly privateAddresses = new Map<string, string>()
  /** `converge.balancer.port`; null: not set. */
  private balancerPort: number | null = 8099
  /** Environment of the clients. */
  private environment: Readonly<Record<string, string>> = {}
  private clientRole = 'zeo-client'

  private constructor(
    private readonly t: Owner,
    readonly network: TestNetwork,
    private readonly variables: Readonly<Record<string, string>>,
  ) {
    this.operator = new Operator(network)
  }

  static async make(t: Owner): Promise<FleetSite> {
    const network = await testNetwork(t)
    for (const name of ['blobs', 'site', 'visits']) mkdirSync(`${network.directory}/${name}`)
    const variables = await webProxy(t, network.gateway)
    const site = new FleetSite(t, network, variables)
    cpSync(fixture('example-buildout'), site.repository, { recursive: true })
    site.replace('cfg/base.cfg', 'shared-blob = off', 'shared-blob = on')
    site.replace('cfg/base.cfg', '127.0.0.1:8001', '0.0.0.0:8001')
    await newRepository(site.repository)
    cpSync(fixture('example-node-app'), `${network.directory}/shop`, { recursive: true })
    await newRepository(`${network.directory}/shop`)
    await serveGit(t, network, 'site', 'shop')
    return site
  }

  // --- repository

  private get repository(): string {
    return `${this.network.directory}/site`
  }

  git(...args: readonly string[]): Promise<string> {
    return git(this.repository, ...args)
  }

  /** Commits another version with files of these contents, and returns the commit. */
  async commit(files: Readonly<Record<string, string>> = {}): Promise<string> {
    this.version++
    for (const [name, content] of Object.entries({ VERSION: `${this.version}\n`, ...files }))
      writeFileSync(`${this.repository}/${name}`, content)
    await this.git('add', '-A')
    await this.git('commit', '-q', '-m', `version ${this.version}`)
    return this.git('rev-parse', 'HEAD')
  }

  /** Commits a version of the shop, and returns the commit. */
  async commitShop(version: string): Promise<string> {
    const repository = `${this.network.directory}/shop`
    writeFileSync(`${repository}/VERSION`, `${version}\n`)
    await git(repository, 'commit', '-q', '-a', '-m', `version ${version}`)
    return git(repository, 'rev-parse', 'HEAD')
  }

  /** Reads a file of the repository. */
  read(name: string): string {
    return readFileSync(`${this.repository}/${name}`, 'utf8')
  }

  private replace(name: string, part: string, by: string): void {
    writeFileSync(`${this.repository}/${name}`, this.read(name).replace(part, by))
  }

  /** The version of the last commit. */
  get latest(): string {
    return `${this.version}`
  }

  // --- hosts

  /** Adds installed hosts that have no part of the site yet. */
  async addHosts(...names: readonly string[]): Promise<void> {
    const words = Object.entries(this.variables).map(([name, value]) => `"${name}=${value}"`)
    const options = { sshd: [`SetEnv ${words.join(' ')}`], node: 'own' as const }
    const mounts = { '/srv/blobs': `${this.network.directory}/blobs` }
    const hosts = await Promise.all(
      names.map((name) => {
        const all = layerOf(name) === 'lb' ? options : { ...options, mounts }
        return systemdHosts.includes(name) ? this.network.systemdHost(name, all) : this.network.host(name, all)
      }),
    )
    for (const host of hosts) this.hosts.set(host.name, host)
    this.writeStack()
  }

  /** Removes a host from the stack file. */
  removeHost(name: string): void {
    this.hosts.delete(name)
    this.writeStack()
  }

  /** Shuts a host down in order. Visitors no longer use it, and the test no longer checks its page. */
  async switchOff(name: string): Promise<void> {
    await this.host(name).shutDown()
    this.switchedOff.add(name)
    this.writeStack()
  }

  /** Starts a host, and waits until it has booted. */
  async switchOn(name: string): Promise<void> {
    await this.host(name).start()
    this.switchedOff.delete(name)
    this.writeStack()
  }

  /** Powers a host off without warning, as a power cut does. */
  async fail(name: string): Promise<void> {
    await this.host(name).stop()
  }

  /** Starts a host without systemd, and its init scripts. */
  async boot(name: string): Promise<void> {
    await this.host(name).start()
    const { status, stderr } = await this.host(name).run('/etc/init.d/supervisor start')
    if (status !== 0) throw new Error(`${name}: supervisord did not start: ${stderr}`)
  }

  /** Adds a second address to a host, which the stack file then gives to the other hosts. */
  async addPrivateAddress(name: string): Promise<string> {
    const { address } = this.host(name)
    const other = address.replace(/\d+$/, '240')
    await this.host(name).run(`ip addr add ${other}/24 dev eth0`)
    this.privateAddresses.set(name, other)
    this.writeStack()
    return other
  }

  /** Changes attributes in the stack file. */
  changeAttributes({
    balancerPort = this.balancerPort,
    environment = this.environment,
    clientRole = this.clientRole,
  }: Settings): void {
    Object.assign(this, { balancerPort, environment, clientRole })
    this.writeStack()
  }

  /** Returns the process id of a client. */
  async clientPid(name: string): Promise<string> {
    return (await this.host(name).run('supervisorctl pid plone_instances-client1')).stdout.trim()
  }

  host(name: string): TestHost {
    const found = this.hosts.get(name)
    if (found === undefined) throw new Error(`there is no host ${name}`)
    return found
  }

  /** Lets one host build the eggs for the others, unless they exist already. */
  async shareEggs(build: () => Promise<void>, name: string): Promise<void> {
    if (!hasStoredEggs()) {
      await build()
      storeEggs(`${this.host(name).root}/srv/www/plone_instances/shared`)
    }
    this.eggs = await offeredEggs(this.t, this.network.gateway)
    this.writeStack()
  }

  private url(name: string): string {
    return `http://${this.host(name).address}/`
  }

  /** The frontends that are switched on. */
  private get frontends(): string[] {
    return [...this.hosts.keys()].filter((name) => layerOf(name) === 'lb' && !this.switchedOff.has(name))
  }

  private writeStack(): void {
    const inside = (name: string) =>
      this.privateAddresses.has(name) ? `, private_ip: ${this.privateAddresses.get(name)}` : ''
    const hosts = [...this.hosts.values()].map(
      ({ name, address }) => `  ${name}: { address: ${address}${inside(name)}, layers: [${layerOf(name)}] }`,
    )
    const scm = `{ repository: "git://${this.network.gateway}/site", revision: main }`
    const eggs = Object.entries(this.eggs).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    const urls = this.frontends.map((name) => this.url(name))
    this.operator.write({
      'stack.yaml': `name: example
${this.clientRole === 'zeo-client' ? '' : 'recipes: [recipes]'}
layers:
  zeoserver:
    roles: [zeo-server]
    attributes: { plone_blobs: { blob_dir: /srv/blobs } }
  plone_instances:
    roles: [${this.clientRole}]
    attributes: { plone_blobs: { blob_dir: /srv/blobs }, plone_instances: { shared_blobs: true } }
  lb:
    roles: [frontend]
  shop:
    roles: [port-app]
    attributes: { port_app: { app_name: shop, command: "node server.js --port %{port}" } }
  common:
    roles: [base]
    packages: [git, openssl]
hosts:
${hosts.join('\n')}
apps:
  zeoserver:
    scm: ${scm}
  plone_instances:
    scm: ${scm}
    migrate: true
    migrate_command: 'echo "$(cat VERSION) on $(hostname)" >> ../../shared/var/migrated'
    environment: ${JSON.stringify(this.environment)}
  shop:
    scm: { repository: "git://${this.network.gateway}/shop", revision: main }
custom_json:
  plone_instances: { instance_count: 1, site_id: "" }
  haproxy: { check_interval: 1000 }
  converge:
    balancer: { port: ${this.balancerPort} }
    frontend: { slow_start_seconds: 2, cache_size: 16m }
  ${eggs.join('')}
ssh: { user: root }
${urls.length > 0 ? `health: { url: ${JSON.stringify(urls)}, deadline_seconds: 30 }` : ''}
`,
    })
  }

  // --- visitors

  /**
   * Requests a page.
   * @returns null if the answer is not as expected
   */
  async statusPage(frontend: string, path = ''): Promise<Answer | null> {
    const text = await this.page(frontend, path)
    if (text === null) return null
    const reported = new Map(text.split('\n').map((line) => line.split(': ') as [string, string]))
    const get = (key: string) => reported.get(key) ?? ''
    return { host: get('host'), version: get('version'), release: get('release') }
  }

  /**
   * Requests a page as a logged-in user, so that it does not come from the cache.
   * @returns null for any status but 200
   */
  page(host: string, path = ''): Promise<string | null> {
    const headers = { Cookie: '__ac=visitor', Authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}` }
    return fetch(`${this.url(host)}${path}`, { headers, signal: AbortSignal.timeout(20_000) }).then(
      (answer) => (answer.status === 200 ? answer.text() : null),
      () => null,
    )
  }

  /** Waits until each frontend has returned answers of all these hosts, of this version, and of no other one. */
  async waitUntilServed(hosts: readonly string[], version = this.latest): Promise<void> {
    const requested = hosts.map((host) => `${host} ${version}`).join()
    for (const frontend of this.frontends)
      await until(async () => {
        const answers = await Promise.all(Array.from({ length: hosts.length * 4 }, () => this.statusPage(frontend)))
        const distinct = new Set(answers.map((answer) => (answer ? `${answer.host} ${answer.version}` : 'nothing')))
        return [...distinct].sort().join() === requested
      }, `${frontend} has answers of ${requested}`)
  }

  /** Returns the hosts with a client in the configuration that HAProxy of a frontend runs, by its own statistics. */
  async balancedHosts(frontend: string): Promise<readonly string[]> {
    const program =
      'import socket; s = socket.socket(socket.AF_UNIX); s.connect("/var/lib/haproxy/stats"); s.sendall(b"show stat -1 4 -1\\n"); print(s.makefile().read())'
    const { status, stdout, stderr } = await this.host(frontend).run(`python3 -c '${program}'`)
    if (status !== 0) throw new Error(`HAProxy of ${frontend} does not answer: ${stderr}`)
    return [...stdout.matchAll(/^plone_instances,(\w+)-\d+,/gm)].flatMap(([, name]) => name ?? []).sort()
  }

  /** Measures the requests to all frontends while some work runs. */
  async measureVisits(work: () => Promise<unknown>): Promise<Visits> {
    const crowds = this.frontends.map((name) => {
      const visitsDirectory = `${this.network.directory}/visits`
      // zero_downtime.test.ts has full load; here visitors would take the CPU time of eleven hosts.
      return visitors(this.url(name), visitsDirectory, {
        connections: 4,
        headers: { Cookie: '__ac=visitor' },
        pauseMs: 60,
      })
    })
    const ends = () => Promise.all(crowds.map((crowd) => crowd.end()))
    const failed = await work().then(
      () => null,
      (error: unknown) => ({ error }),
    )
    const figures = await ends()
    if (failed !== null) throw failed.error
    const sum = (key: 'requests' | 'failed') => figures.reduce((total, one) => total + one[key], 0)
    const most = (key: 'longestMs' | 'seconds') => Math.max(...figures.map((one) => one[key]))
    return {
      requests: sum('requests'),
      failed: sum('failed'),
      longestMs: most('longestMs'),
      seconds: most('seconds'),
      kinds: figures.map(({ kinds }) => kinds),
    }
  }

  /** Returns the migrations that a host has recorded. */
  migrations(name: string): readonly string[] {
    const path = '/srv/www/plone_instances/shared/var/migrated'
    const host = this.host(name)
    return host.exists(path) ? host.read(path).trim().split('\n') : []
  }
}

function layerOf(name: string): string {
  return layersByPrefix[name.replace(/\d+$/, '')] ?? ''
}
