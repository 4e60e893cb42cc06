/** Sets up a frontend below a scratch directory, in front of three small servers, and simulates visitors. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, createServer, type Server } from 'node:http'
import type { Test } from 'tap'
import { attributeSchemas, foreignKeys } from '../../../attributes/index.ts'
import { compile } from '../../../core/compile/compile.ts'
import type { ServiceView } from '../../../core/compile/inspection.ts'
import type { Role } from '../../../core/compile/role.ts'
import { converge } from '../../../core/converge/engine.ts'
import { LocalHost } from '../../../core/host/local.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { Secrets } from '../../../core/model/secrets.ts'
import { gatherFacts } from '../../../core/node/facts.ts'
import { buildNode } from '../../../core/node/node.ts'
import { objectLayer } from '../../../core/node/parse_layer.ts'
import type { RunReport } from '../../../core/report/events.ts'
import { inspect } from '../../../recipes/frontend/inspect.ts'
import role from '../../../recipes/frontend/role.ts'
import { recipeNode, type SiteNode } from '../../../recipes/node.ts'
import { supervisord } from '../../../resources/supervisor/supervisord.ts'
import { failureOf, planOf } from '../../support/contract.ts'
import { freePort, scratch } from '../../support/machine.ts'
import { ask } from './visitor_request.ts'

type Json = { readonly [key: string]: unknown }

/** A server behind the frontend, on its own address, with the port of a first client. */
export interface Backend {
  readonly name: string
  readonly address: string
  readonly requestedPaths: string[]
  readonly server: Server
}

/** Statuses that the backends answer instead of 200, by path. */
type Statuses = Map<string, number>

async function backend(t: Test, name: string, address: string, statuses: Statuses): Promise<Backend> {
  const requestedPaths: string[] = []
  const server = createServer((request, answer) => {
    if (request.method !== 'OPTIONS') requestedPaths.push(`${request.method} ${request.url}`)
    const { searchParams: query, pathname } = new URL(request.url ?? '/', 'http://x')
    const status = statuses.get(pathname.replace(/^.*\/VirtualHostRoot/, '')) ?? Number(query.get('status') ?? 200)
    const own: Record<string, string> = { 'Content-Type': 'text/html', 'X-Served-By': name }
    const control = query.get('control')
    if (control !== null) own['Cache-Control'] = control
    answer.writeHead(request.method === 'OPTIONS' ? 200 : status, own)
    answer.end(`${name} ${request.url} ${request.headers['x-forwarded-for'] ?? ''}`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(8081, address, resolve)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { name, address, requestedPaths, server }
}

export interface FrontendSite {
  readonly prefix: string
  readonly ports: { readonly http: number; readonly https: number; readonly cache: number; readonly balancer: number }
  readonly backends: readonly Backend[]
  readonly statuses: Statuses
  readonly socket: string
  readonly host: LocalHost
  /** All output of runs, including reports. */
  readonly reported: string[]
  converge(
    attributes?: Json,
    events?: readonly string[],
    mode?: 'run' | 'plan',
    roles?: readonly Role<SiteNode>[],
    id?: string,
  ): Promise<RunReport>
  /** Returns what `status` displays. */
  inspect(): Promise<readonly ServiceView[]>
}

export async function frontendSite(t: Test): Promise<FrontendSite> {
  const prefix = scratch(t)
  chmodSync(prefix, 0o755)
  const statuses: Statuses = new Map()
  const backends = await Promise.all(
    ['b1', 'b2', 'b3'].map((name, index) => backend(t, name, `127.0.0.${index + 2}`, statuses)),
  )
  const [http, https, cache, balancer] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const host = new LocalHost(`${prefix}/state`)
  const supervisor = installSupervisor(prefix)
  t.teardown(async () => {
    const plan = planOf((r) => supervisord(r, { ...supervisor, action: 'stopped' }))
    const failure = failureOf(await converge(plan, host, { id: 'test', mode: 'run' }))
    if (failure !== undefined) throw new Error(`something may be left running: ${JSON.stringify(failure)}`)
  })
  const reported: string[] = []
  const base = {
    opsworks: {
      instance: { hostname: 'lb1', private_ip: '127.0.0.1', layers: ['lb'] },
      layers: {
        plone_instances: {
          instances: Object.fromEntries(backends.map(({ name, address }) => [name, { private_ip: address }])),
        },
      },
    },
    plone_instances: { instance_count: 1, app_name: 'site' },
    deploy: { site: { user: 'www-data', domains: ['www.example.com'] } },
    nginx_plone: { proxy_port: cache },
    haproxy: {
      stats_url: '/balancer/stats',
      stats_socket_path: '/var/run/haproxy.sock',
      enable_stats: true,
      check_interval: 1000,
    },
    converge: { prefix, frontend: { http_port: http, https_port: https, balancer_port: balancer, cache_size: '16m' } },
  }
  const nodeOf = (events: readonly string[], attributes: Json, id = 'test') => {
    const layers = [objectLayer(base, 'stack.json', 'stack'), objectLayer(attributes, 'custom.json', 'deployment')]
    const built = buildNode({ layers, facts: gatherFacts(), schemas: attributeSchemas, foreignKeys })
    const secrets = new Secrets()
    for (const secret of built.secrets) secrets.add(secret)
    return { node: recipeNode(built, { id, events, by: 'tester', options: {} }), secrets }
  }
  return {
    prefix,
    ports: { http, https, cache, balancer },
    backends,
    statuses,
    socket: `${prefix}/var/run/haproxy.sock`,
    host,
    reported,
    async converge(attributes = {}, events = ['configure'], mode = 'run', roles = [role], id = 'test') {
      const { node, secrets } = nodeOf(events, attributes, id)
      const on = mode === 'plan' ? new VirtualHost({ base: host }) : host
      const report = await converge(compile(roles, events, node), on, {
        id,
        mode,
        secrets,
        handlers: [{ progress: (name, line) => void reported.push(`${name}: ${line}`) }],
      })
      reported.push(JSON.stringify(report))
      return report
    },
    async inspect() {
      // A new object, since a host object caches answers that may have changed.
      const on = new LocalHost(`${prefix}/state`)
      return (await inspect(nodeOf([], {}).node, on)).apps[0]?.services ?? []
    },
  }
}

/** Provides the installed supervisor, instead of the one that setup would install. */
function installSupervisor(prefix: string) {
  for (const path of ['opt/supervisor/bin', 'etc/supervisor/conf.d', 'var/run', 'var/log/supervisor'])
    mkdirSync(`${prefix}/${path}`, { recursive: true })
  const program = `${prefix}/opt/supervisor/bin/supervisord`
  symlinkSync('/usr/bin/supervisord', program)
  const [config, socket] = [`${prefix}/etc/supervisor/supervisord.conf`, `${prefix}/var/run/supervisor.sock`]
  writeFileSync(
    config,
    `[unix_http_server]\nfile=${socket}\n[supervisord]\nlogfile=${prefix}/var/log/supervisor/supervisord.log\npidfile=${prefix}/opt/supervisor/supervisord.pid\nchildlogdir=${prefix}/var/log/supervisor\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n[include]\nfiles=${prefix}/etc/supervisor/conf.d/*.conf\n`,
  )
  return { config, socket, program }
}

/** Starts `many` parallel visitors that send one request after the other, until the test stops them. */
export function visitors(port: number, connectionCount: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connectionCount })
  const failed: string[] = []
  let [count, going] = [0, true]
  const sendRequests = async () => {
    while (going) {
      const path = `/page-${count++}`
      const answer = await ask(port, path, { agent }).catch((error: Error) => error)
      if (answer instanceof Error) failed.push(`${path}: ${answer.message}`)
      else if (answer.status !== 200) failed.push(`${path}: ${answer.status}`)
    }
  }
  const all = Promise.all(Array.from({ length: connectionCount }, sendRequests))
  return {
    get count() {
      return count
    },
    async stop(): Promise<string[]> {
      going = false
      await all
      agent.destroy()
      return failed
    },
  }
}
