/** Finds conflicts between the hosts of a stack whose own settings are valid. */
import type { Concern } from '../core/cli/catalogue.ts'
import { balancedServers } from './frontend/haproxy.ts'
import type { SiteNode } from './node.ts'
import { clientLayer } from './plone/balancing.ts'
import { celeryBroker, clientCount, runsScheduler } from './plone/site.ts'
import { storageOf } from './role_services.ts'
import { isSet } from './site/attribute_writer.ts'

/** A host of the stack with its roles. */
interface Member {
  readonly name: string
  readonly roles: readonly string[]
  readonly node: SiteNode
}

/** Finds conflicts between hosts whose own settings are valid. */
export function concernsOf(members: readonly Member[]): Concern[] {
  const hostsWith = (role: string) => members.filter(({ roles }) => roles.includes(role))
  const [servers, clients, frontends] = [hostsWith('zeo-server'), hostsWith('zeo-client'), hostsWith('frontend')]
  return [
    ...serverConcerns(servers, clients),
    ...(frontends.length > 0 ? drainConcerns(clients, frontends) : []),
    ...(frontends.length > 0 ? countConcerns(clients, frontends) : []),
    ...frontendConcerns(frontends),
    ...schedulerConcerns(clients),
    ...packConcerns(hostsWith('relstorage-pack')),
  ]
}

/** Warns if several hosts run Celery's scheduler. */
function schedulerConcerns(clients: readonly Member[]): Concern[] {
  const running = clients.filter(({ node }) => celeryBroker(node) !== undefined && runsScheduler(node))
  if (running.length < 2) return []
  return concern(
    `${running.length} hosts run the scheduler of Celery, so each periodic task runs ${running.length} times`,
    running,
    'set plone_instances.celerybeat_layer to their layer, or give the role celerybeat to one host',
  )
}

function packConcerns(packing: readonly Member[]): Concern[] {
  if (packing.length < 2) return []
  const message = `${packing.length} hosts pack and back up the database of RelStorage`
  return concern(message, packing, 'give the role relstorage-pack to one host')
}

const namesOf = (members: readonly Member[]) => members.map(({ name }) => name)

function serverConcerns(servers: readonly Member[], clients: readonly Member[]): Concern[] {
  const lost = clients.filter(({ node, name }) => {
    const { enable_relstorage, zeo } = node.plone_instances
    return !enable_relstorage && !isSet(zeo.address) && storageOf(node, name).length === 0
  })
  const layers = [...new Set(lost.map(({ node }) => node.plone_instances.zeo_layer))]
  return [
    ...concern(
      `there are ${servers.length} ZEO servers, and clients use the first of the layer only`,
      servers.length > 1 ? servers : [],
      'give the role zeo-server to one host, and put a second database into another stack',
    ),
    ...layers.map((layer) => ({
      message: `clients have no ZEO server: no host is in the layer ${layer}`,
      hosts: namesOf(lost.filter(({ node }) => node.plone_instances.zeo_layer === layer)),
      hint: 'set plone_instances.zeo_layer to the layer of the ZEO server, or plone_instances.zeo.address to its address',
    })),
  ]
}

/** Warns of clients that cannot be drained, because they do not reach the balancer's runtime API. */
function drainConcerns(clients: readonly Member[], frontends: readonly Member[]): Concern[] {
  const drained = clients.filter(({ node }) => node.converge.balancer.drain)
  const elsewhere = drained.filter(({ name }) => frontends.some((frontend) => frontend.name !== name))
  const without = elsewhere.filter(
    ({ node }) => node.converge.balancer.port === null && node.converge.balancer.sockets.length === 0,
  )
  const unknown = elsewhere.filter(({ node }) => {
    const { layers, port } = node.converge.balancer
    const isInKnownLayer = (one: Member) => one.node.opsworks.instance.layers.some((layer) => layers.includes(layer))
    return port !== null && !frontends.every(isInKnownLayer)
  })
  const hint = 'open the runtime API inside the network with custom_json: { converge: { balancer: { port: 8099 } } }'
  return [
    ...concern('clients restart without being drained: converge.balancer.port is not set', without, hint),
    ...concern(
      'clients restart without being drained: frontends are in no layer of converge.balancer.layers',
      unknown,
      `add the layer of the frontends to converge.balancer.layers, which is ${JSON.stringify(unknown[0]?.node.converge.balancer.layers)}`,
    ),
  ]
}

/** Warns if frontends count other clients on a host, by the stack and their own attributes, than it runs. */
function countConcerns(clients: readonly Member[], frontends: readonly Member[]): Concern[] {
  const unexplained = clients.filter(({ node }) => {
    const { instance_count } = node.plone_instances
    return !isSet(instance_count) && !isSet(node.opsworks.instance.backends)
  })
  const counts = clients.flatMap((client) => {
    const count = clientCount(client.node, client.node.opsworks.instance)
    const others = frontends.filter(({ node }) => clientCount(node, client.node.opsworks.instance) !== count)
    return others.length === 0 || unexplained.includes(client) ? [] : [client]
  })
  return [
    ...concern(
      'the frontends cannot know how many clients run here',
      unexplained,
      'set cpus for each host in the stack file, or plone_instances.instance_count in custom_json',
    ),
    ...concern(
      'the frontends count other clients here than there are',
      counts,
      'set plone_instances.per_cpu and instance_count for all hosts, in custom_json instead of a layer',
    ),
  ]
}

function concern(message: string, members: readonly Member[], hint: string): Concern[] {
  return members.length === 0 ? [] : [{ message, hosts: namesOf(members), hint }]
}

function frontendConcerns(frontends: readonly Member[]): Concern[] {
  const idle = frontends.filter(({ node }) => balancedServers(node).length === 0)
  const layers = [...new Set(idle.map(({ node }) => clientLayer(node)))]
  return layers.map((layer) => ({
    message: `a frontend has no clients: no host is in the layer ${layer}`,
    hosts: namesOf(idle.filter(({ node }) => clientLayer(node) === layer)),
    hint: 'name the layer of the clients plone_instances, or after their app (plone_instances.app_name)',
  }))
}
