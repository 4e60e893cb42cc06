/**
 * Runs a whole site on one host (nginx, Varnish and HAProxy in front of three ZEO clients), and changes it under
 * requests.
 */
import { pageOf } from './deploy_pages.ts'
import type { DeploySite, Ended } from './deploy_site.ts'
import { offeredEggs, storeEggs } from './eggs.ts'
import { freePort, type Owner } from './machine.ts'
import { until } from './wait_until.ts'
import { type Figures, visitors } from './wrk.ts'

export interface Scene {
  readonly name: string
  /** Whether requests may fail: only true if a client is killed without warning. */
  readonly mayFail?: boolean
  readonly work: (site: DeploySite) => Promise<void>
}

const clients = 3
const ownHost = { hostname: 'here', status: 'online', private_ip: '127.0.0.1', private_dns_name: 'localhost' }
const allRoles = { roles: ['zeo-server', 'zeo-client', 'frontend'] } as const

/**
 * Deploys the site from nothing but its eggs.
 * @returns the port for visitors
 */
export async function wholeSite(t: Owner, site: DeploySite): Promise<number> {
  const [http, https, balancer, cache] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const hosts = { instances: { here: ownHost } }
  site.json = {
    opsworks: {
      instance: { ...ownHost, layers: ['plone_instances', 'lb'] },
      layers: { plone_instances: hosts, lb: hosts },
    },
    plone_instances: { instance_count: clients, site_id: '' },
    nginx_plone: { proxy_port: cache },
    converge: { frontend: { http_port: http, https_port: https, balancer_port: balancer, slow_start_seconds: 2 } },
    ...(await offeredEggs(t)),
  }
  succeeded(await site.converge([], allRoles))
  storeEggs(`${site.directory()}/shared`)
  await until(async () => (await site.pages(clients)).every((page) => page !== null), 'every client answers')
  const answers = () =>
    fetch(`http://127.0.0.1:${http}/`).then(
      ({ status }) => status === 200,
      () => false,
    )
  await until(answers, 'the site answers')
  return http
}

function succeeded({ status, output }: Ended): void {
  if (status !== 0) throw new Error(`a run failed:\n${output}`)
}

async function deploy(site: DeploySite, event = 'deploy'): Promise<void> {
  succeeded(await site.converge([event], { roles: ['zeo-client'] }))
}

const zcml = 'src/example_site/configure.zcml'

export const scenes: readonly Scene[] = [
  { name: 'at rest', work: () => new Promise((resolve) => setTimeout(resolve, 5000)) },
  {
    name: 'deploy of a new revision',
    async work(site) {
      site.commit()
      await deploy(site)
    },
  },
  {
    name: 'another configuration of the clients',
    async work(site) {
      const { plone_instances } = site.json as { plone_instances: object }
      site.json = { ...site.json, plone_instances: { ...plone_instances, zodb_cache_size: 4321 } }
      await deploy(site)
    },
  },
  { name: 'rollback', work: (site) => deploy(site, 'rollback') },
  {
    name: 'a host joins the stack: HAProxy is reloaded',
    async work(site) {
      const { opsworks } = site.json as { opsworks: { instance: object } }
      // Nothing listens on this address yet.
      const otherHost = { ...ownHost, hostname: 'there', private_ip: '127.0.0.9', private_dns_name: '127.0.0.9' }
      const layers = {
        plone_instances: { instances: { here: ownHost, there: otherHost } },
        lb: { instances: { here: ownHost } },
      }
      site.json = { ...site.json, opsworks: { ...opsworks, layers } as never }
      succeeded(await site.converge(['configure'], { roles: ['frontend'] }))
    },
  },
  {
    name: 'a client that does not start',
    async work(site) {
      const good = site.read(zcml)
      site.commit({ [zcml]: good.replace('.views.Status', '.views.Missing') })
      const { status, output } = await site.converge(['deploy'], { roles: ['zeo-client'] })
      if (status !== 1 || !output.includes('did not come up'))
        throw new Error(`the deploy of a client that does not start must fail:\n${output}`)
      site.commit({ [zcml]: good })
      await deploy(site)
    },
  },
  {
    name: 'a client is killed by hand',
    mayFail: true,
    async work() {
      const pid = (await pageOf(2))?.pid
      if (pid === undefined) throw new Error('the second client does not answer')
      process.kill(pid, 'SIGKILL')
      await until(async () => ((await pageOf(2))?.pid ?? pid) !== pid, 'supervisord has started it again')
    },
  },
]

/** Measures the requests of visitors while a scene runs. All are logged in, so no page comes from the cache. */
export async function measureScene(scene: Scene, site: DeploySite, port: number): Promise<Figures> {
  const measurement = visitors(`http://127.0.0.1:${port}/`, site.root, { headers: { Cookie: '__ac=visitor' } })
  try {
    await scene.work(site)
  } catch (error) {
    await measurement.end()
    throw error
  }
  return measurement.end()
}
