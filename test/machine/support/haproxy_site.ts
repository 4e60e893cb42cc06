/** Runs real HAProxy balancers for the servers of a supervisor site. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { BalancerReader, type BalancerServer } from '../../../resources/balancer/haproxy_runtime.ts'
import { freePort } from '../../support/machine.ts'
import { until } from '../../support/wait_until.ts'
import { names, type Site } from './supervisor_site.ts'

export class RealBalancer {
  private child: ChildProcess | undefined

  private constructor(
    private readonly site: Site,
    readonly socket: string,
    /** TCP port of the runtime API. */
    readonly runtimePort: number,
    /** Port for visitors. */
    readonly port: number,
    /** Port for visitors whose sessions a cookie binds to one server. */
    readonly stickyPort: number,
  ) {}

  /** Writes the configuration; `start` starts the balancer. */
  static async create(t: Test, site: Site, name = 'haproxy'): Promise<RealBalancer> {
    const socket = `${site.directory}/${name}.sock`
    const balancer = new RealBalancer(site, socket, await freePort(), await freePort(), await freePort())
    writeFileSync(balancer.config, balancer.text())
    const { status, stderr } = spawnSync('haproxy', ['-c', '-q', '-f', balancer.config], { encoding: 'utf8' })
    t.equal(status, 0, `haproxy.cfg is valid ${stderr}`)
    t.teardown(() => balancer.stop())
    return balancer
  }

  private get config(): string {
    return this.socket.replace(/\.sock$/, '.cfg')
  }

  /** Returns the configuration. No retries: a request to a server that is down fails. */
  private text(): string {
    const { site, socket, runtimePort, port, stickyPort } = this
    const servers = (more: (name: string) => string) =>
      names.map((name, index) => `  server ${name} 127.0.0.1:${site.ports[index]} check ${more(name)}`).join('\n')
    const health = 'inter 500ms fastinter 200ms downinter 200ms rise 1 fall 2 maxconn 2'
    return `global
  stats socket ${socket} mode 600 level admin
  stats socket ipv4@127.0.0.1:${runtimePort} level admin
  maxconn 200
defaults
  mode http
  retries 0
  timeout client 20s
  timeout server 20s
  timeout connect 2s
  timeout queue 20s
backend site
  balance leastconn
  option httpchk GET /check
${servers(() => health)}
backend sticky
  balance roundrobin
  cookie sid insert indirect nocache
  option redispatch
  option httpchk GET /check
${servers((name) => `${health} cookie ${name}`)}
frontend site
  bind 127.0.0.1:${port}
  default_backend site
frontend sticky
  bind 127.0.0.1:${stickyPort}
  default_backend sticky
`
  }

  async start(): Promise<this> {
    this.child = spawn('haproxy', ['-db', '-q', '-f', this.config], { stdio: 'ignore' })
    await until(async () => existsSync(this.socket) && (await this.servers()).length > 0, 'haproxy answers')
    await until(async () => (await this.servers()).every(({ takesVisitors }) => takesVisitors), 'all servers are up')
    return this
  }

  /** Kills the balancer, so that its socket remains, as after a crash. */
  async stop(): Promise<void> {
    const { child } = this
    this.child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const over = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await over
  }

  removeSocket(): void {
    rmSync(this.socket, { force: true })
  }

  servers(): Promise<BalancerServer[]> {
    return new BalancerReader(this.site.host, { socket: this.socket }).servers()
  }

  /** Returns the state of each server of a backend, in order. */
  async states(backend = 'site'): Promise<string> {
    const all = await this.servers()
    return all.flatMap((one) => (one.backend === backend ? one.admin : [])).join(' ')
  }

  async tell(command: string): Promise<void> {
    await this.site.host.sendToSocket({ socketPath: this.socket, text: `${command}\n` })
  }
}
