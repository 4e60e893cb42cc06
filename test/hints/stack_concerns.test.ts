/**
 * Proves the hints of `converge stack check` about hosts that do not match: triggers each for a stack, then follows it.
 */
import t from 'tap'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof } from '../support/proofs.ts'

interface ConcernProof extends Proof {
  /** The difference from a stack without warnings. */
  readonly broken: object
  readonly repaired: object
}

const source = 'recipes/stack_concerns.ts'
const scm = { repository: '/srv/site.git' }
const layers = {
  zeoserver: { roles: ['zeo-server'] },
  plone_instances: { roles: ['zeo-client'] },
  frontend: { roles: ['frontend'] },
}
const hosts = {
  db1: { address: '10.0.0.1', layers: ['zeoserver'] },
  app1: { address: '10.0.0.2', layers: ['plone_instances'], cpus: 2 },
  web1: { address: '10.0.0.4', layers: ['frontend'] },
}
const sound = {
  name: 'small',
  layers,
  hosts,
  apps: { plone_instances: { scm }, zeoserver: { scm } },
  custom_json: { converge: { balancer: { port: 8099 } } },
}
const app1 = (change: object) => ({ hosts: { ...hosts, app1: { address: '10.0.0.2', ...change } } })
const json = (more: object) => ({ custom_json: { ...sound.custom_json, ...more } })
const balanced = (balancer: object) => json({ converge: { balancer: { port: 8099, ...balancer } } })
const perCpu = { plone_instances: { per_cpu: 1 } }
const ofLayer = { layers: { ...layers, plone_instances: { roles: ['zeo-client'], attributes: perCpu } } }
const named = (layer: string) => {
  const { plone_instances, ...others } = layers
  return {
    layers: { ...others, [layer]: plone_instances },
    ...app1({ layers: [layer], cpus: 2 }),
  }
}

const app2 = { address: '10.0.0.3', layers: ['plone_instances'], cpus: 2 }
const twoClients = (roles: readonly string[]) => ({
  layers: { ...layers, plone_instances: { roles } },
  hosts: { ...hosts, app2 },
})
const celery = { enable_celery: true, broker: { host: '10.0.0.9' } }
const relstorage = { enable_relstorage: true, relstorage: { db: { name: 'site', host: '10.0.0.9' } } }

const docs = (more: object) => ({ apps: { ...sound.apps, docs: { scm, ...more } } })
const portApp = { layers: { ...layers, frontend: { roles: ['frontend', 'port-app'] } } }
const serves = (app_name: string) => json({ port_app: { app_name, command: 'serve %{port}', http_port: 8088 } })

const proofs: readonly ConcernProof[] = [
  {
    source: 'core/cli/stack/compile_stack.ts',
    hint: 'add a layer with hosts to apps.docs.layers, set app_name of a role to docs, or remove the app',
    broken: docs({}),
    repaired: docs({ layers: ['frontend'] }),
  },
  {
    source: 'core/cli/stack/compile_stack.ts',
    hint: 'add a layer with hosts to apps.docs.layers, set app_name of a role to docs, or remove the app',
    broken: docs({ layers: [] }),
    repaired: { ...docs({}), ...portApp, ...serves('docs') },
  },
  {
    source: 'core/cli/stack/compile_stack.ts',
    hint: 'add a layer with hosts to apps.docs.layers, set app_name of a role to docs, or remove the app',
    broken: docs({ layers: [] }),
    repaired: {},
  },
  {
    source,
    hint: 'give the role zeo-server to one host, and put a second database into another stack',
    broken: { hosts: { ...hosts, db2: { address: '10.0.0.9', layers: ['zeoserver'] } } },
    repaired: {},
  },
  {
    source,
    hint: 'set plone_instances.celerybeat_layer to their layer, or give the role celerybeat to one host',
    broken: { ...twoClients(['zeo-client', 'celerybeat']), ...json({ plone_instances: celery }) },
    repaired: {
      ...twoClients(['zeo-client', 'celerybeat']),
      ...json({ plone_instances: { ...celery, celerybeat_layer: 'plone_instances' } }),
    },
  },
  {
    source,
    hint: 'give the role relstorage-pack to one host',
    broken: { ...twoClients(['zeo-client', 'relstorage-pack']), ...json({ plone_instances: relstorage }) },
    repaired: { ...twoClients(['zeo-client']), ...json({ plone_instances: relstorage }) },
  },
  {
    source,
    hint: 'set plone_instances.zeo_layer to the layer of the ZEO server, or plone_instances.zeo.address to its address',
    broken: json({ plone_instances: { zeo_layer: 'zeo' } }),
    repaired: json({ plone_instances: { zeo_layer: 'zeoserver' } }),
  },
  {
    source,
    hint: 'set plone_instances.zeo_layer to the layer of the ZEO server, or plone_instances.zeo.address to its address',
    broken: json({ plone_instances: { zeo_layer: 'zeo' } }),
    repaired: json({ plone_instances: { zeo_layer: 'zeo', zeo: { address: '10.0.0.1:8001' } } }),
  },
  {
    source,
    hint: 'open the runtime API inside the network with custom_json: { converge: { balancer: { port: 8099 } } }',
    broken: { custom_json: {} },
    repaired: { custom_json: { converge: { balancer: { port: 8099 } } } },
  },
  {
    source,
    hint: 'add the layer of the frontends to converge.balancer.layers, which is ["lb"]',
    broken: balanced({ layers: ['lb'] }),
    repaired: balanced({ layers: ['lb', 'frontend'] }),
  },
  {
    source,
    hint: 'set cpus for each host in the stack file, or plone_instances.instance_count in custom_json',
    broken: app1({ layers: ['plone_instances'] }),
    repaired: app1({ layers: ['plone_instances'], cpus: 2 }),
  },
  {
    source,
    hint: 'set cpus for each host in the stack file, or plone_instances.instance_count in custom_json',
    broken: app1({ layers: ['plone_instances'] }),
    repaired: { ...app1({ layers: ['plone_instances'] }), ...json({ plone_instances: { instance_count: 4 } }) },
  },
  {
    source,
    hint: 'set plone_instances.per_cpu and instance_count for all hosts, in custom_json instead of a layer',
    broken: ofLayer,
    repaired: json(perCpu),
  },
  {
    source,
    hint: 'name the layer of the clients plone_instances, or after their app (plone_instances.app_name)',
    broken: named('clients'),
    repaired: named('plone_instances'),
  },
  {
    source,
    hint: 'name the layer of the clients plone_instances, or after their app (plone_instances.app_name)',
    broken: { ...named('clients'), apps: { site: { scm }, zeoserver: { scm } }, ...json(app('site')) },
    repaired: { ...named('site'), apps: { site: { scm }, zeoserver: { scm } }, ...json(app('site')) },
  },
]

function app(app_name: string): object {
  return { plone_instances: { app_name } }
}

t.jobs = 2
for (const { source, hint, broken, repaired } of proofs)
  t.test(`${source}: ${hint}`, { buffered: true }, async (t) => {
    const sandbox = new Sandbox(t)
    const check = async (change: object) => {
      sandbox.write({ 'stack.json': JSON.stringify({ ...sound, ...change }) })
      const { status, stderr } = await sandbox.converge(['stack', 'check'], { bare: true })
      t.equal(status, 0, 'it is a warning')
      return stderr
    }
    const before = await check(broken)
    const hints = [...before.matchAll(/^ +hint: (.*)$/gm)].map(([, given = '']) => given)
    t.ok(
      hints.some((given) => hintPattern(hint).test(given)),
      'the hint is given',
      { before },
    )
    t.equal(await check(repaired), '', 'there is no warning left')
  })
