/**
 * Tests that compiling a role, and rendering its files, looks at each host of the stack a fixed number of times: a stack
 * of thousands of hosts is otherwise read in minutes.
 */
import t from 'tap'
import { attributeSchemas, foreignKeys } from '../../attributes/index.ts'
import { draftFiles } from '../../core/cli/inputs/rendered_files.ts'
import { compile } from '../../core/compile/compile.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import { catalogue } from '../../recipes/catalogue.ts'

const layerOf: Readonly<Record<string, string>> = { 'zeo-server': 'zeoserver', frontend: 'lb' }

const relstorage = {
  enable_relstorage: true,
  relstorage: { db: { type: 'postgres', name: 'site', user: 'zope', password: 'planted' } },
}

/** Returns how often the compilation of a role reads a host of a stack with so many clients. */
async function reads(name: string, clients: number): Promise<number> {
  const own = { hostname: 'own', private_ip: '10.0.0.1', status: 'online' }
  const host = (index: number) => [
    `app${index}`,
    { hostname: `app${index}`, status: 'online', private_ip: `10.1.${index >> 8}.${index & 255}` },
  ]
  const hosts = Object.fromEntries(Array.from({ length: clients }, (_, index) => host(index)))
  const isClient = layerOf[name] === undefined
  const json = {
    opsworks: {
      stack: { name: 'demo' },
      instance: own,
      layers: {
        zeoserver: { instances: name === 'zeo-server' ? { own } : { zeo1: { ...own, hostname: 'zeo1' } } },
        lb: { instances: name === 'frontend' ? { own } : {} },
        plone_instances: { instances: isClient ? { ...hosts, own } : hosts },
      },
    },
    deploy: Object.fromEntries(
      ['plone_instances', 'zeoserver', 'solr', 'site'].map((app) => [app, { scm: { repository: '/srv/site.git' } }]),
    ),
    port_app: { app_name: 'site', command: 'node server.js --port %{port}' },
    jetty_app: { app_name: 'site' },
    php_app: { app_name: 'site' },
    redis: { config: { requirepass: 'planted' } },
    console: { stack_files: ['/srv/site/stack.yaml'] },
    bus: { stack_file: '/srv/site/stack.yaml' },
    papertrail: { remote_port: 514 },
    ...(name === 'relstorage-server' ? { plone_instances: relstorage } : {}),
    converge: { balancer: { layers: ['lb'], port: 8099 } },
  }
  const built = buildNode({
    layers: [objectLayer(json, 'stack.json', 'stack')],
    facts: { ...neutralFacts, init: 'systemd' },
    schemas: attributeSchemas,
    foreignKeys,
  })
  let count = 0
  const watched = (instances: object) =>
    new Proxy(instances, {
      get(target, key, receiver) {
        count++
        return Reflect.get(target, key, receiver)
      },
    })
  const role = await catalogue.roles[name]?.load()
  if (role === undefined) throw new Error(`no role ${name}`)
  for (const wanted of [['setup', 'configure', 'deploy'], ['configure'], ['undeploy'], ['shutdown']]) {
    const events = wanted.filter((event) => role.events.has(event))
    if (events.length === 0) continue
    const run = { id: 'test', events, options: {}, by: 'tester', roles: [name], locate: () => undefined }
    const node = catalogue.node(built, run)
    const layers = Object.fromEntries(
      Object.entries(node.opsworks.layers).map(([key, layer]) => [
        key,
        { ...layer, instances: watched(layer.instances) },
      ]),
    )
    const opsworks = { ...node.opsworks, layers }
    const plan = compile([role], events, Object.create(node, { opsworks: { value: opsworks } }))
    await draftFiles(plan)
    plan.bind(new VirtualHost())
  }
  return count
}

for (const name of Object.keys(catalogue.roles))
  t.test(name, async (t) => {
    const [few = 0, some = 0, many = 0] = await Promise.all([20, 40, 80].map((clients) => reads(name, clients)))
    t.ok(many - some <= 2 * (some - few), `20, 40 and 80 hosts: ${few}, ${some} and ${many} reads`)
  })
