/** Tests that hosts of a stack receive the same node JSON as from OpsWorks, so that recipes write the same files. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { renderedFiles } from '../../../../core/cli/inputs/rendered_files.ts'
import { compile, defaultEvents } from '../../../../core/compile/compile.ts'
import { type DocumentOptions, nodeDocuments, rolesOf } from '../../../../core/fleet/stack/documents.ts'
import { loadStack } from '../../../../core/fleet/stack/load.ts'
import type { Stack } from '../../../../core/fleet/stack/stack.ts'
import { neutralFacts } from '../../../../core/node/facts.ts'
import { buildNode } from '../../../../core/node/node.ts'
import { type Document, documentLayer } from '../../../../core/node/parse_layer.ts'
import { catalogue } from '../../../../recipes/catalogue.ts'
import { scratch } from '../../../support/machine.ts'

type Json = Readonly<Record<string, unknown>>

const golden = fileURLToPath(new URL('../../../../fixtures/golden/', import.meta.url))
const fixture = fileURLToPath(new URL('../../../../fixtures/stacks/plone/stack.yaml', import.meta.url))

async function nodeOf(documents: readonly Document[]) {
  return buildNode({
    layers: await Promise.all(documents.map(documentLayer)),
    facts: neutralFacts,
    schemas: await catalogue.schemas(),
    foreignKeys: await catalogue.foreignKeys(),
  })
}

/** Returns the files that roles write for a node. */
async function files(documents: readonly Document[], names: readonly string[]): Promise<Json> {
  const built = await nodeOf(documents)
  const roles = await Promise.all(names.flatMap((name) => catalogue.roles[name]?.load() ?? []))
  const run = { id: 'run', events: defaultEvents, options: {}, by: 'test' }
  return renderedFiles(compile(roles, defaultEvents, catalogue.node(built, run as never)))
}

async function stackOf(t: Test, content: Json): Promise<Stack> {
  const path = join(scratch(t), 'stack.json')
  writeFileSync(path, JSON.stringify(content))
  return loadStack(path)
}

interface Golden {
  readonly role: string
  readonly relstorage_pack_layer: boolean
  readonly node: {
    readonly opsworks: {
      readonly stack: { readonly name: string }
      readonly instance: Json & { readonly hostname: string; readonly layers: readonly string[] }
      readonly layers: Readonly<Record<string, { readonly instances: Readonly<Record<string, Json>> }>>
    }
    readonly deploy?: Readonly<Record<string, Json>>
    readonly cpu?: { readonly total: number }
  }
}

/** Returns a host of the stack file, from one of the node JSON. */
function hostOf({ private_ip, private_dns_name, public_dns_name, public_ip, ip, backends, region }: Json): Json {
  return {
    address: private_dns_name ?? private_ip,
    private_ip,
    private_dns_name,
    public_dns_name,
    ip: public_ip ?? ip,
    backends,
    region,
  }
}

/** Converts a node JSON of OpsWorks to a stack file. */
function stackFile({ role, relstorage_pack_layer, node }: Golden): Json {
  const { opsworks, deploy = {}, cpu, ...custom_json } = node
  const { instance } = opsworks
  const roles = relstorage_pack_layer ? [role, 'relstorage-pack'] : [role]
  const names = [...new Set([...Object.keys(opsworks.layers), ...instance.layers])]
  const hosts: Record<string, Json & { layers: string[] }> = {}
  for (const [layer, { instances }] of Object.entries(opsworks.layers))
    for (const [name, one] of Object.entries(instances))
      hosts[name] = { ...hostOf(one), layers: [...(hosts[name]?.layers ?? []), layer] }
  const known = hosts[instance.hostname]?.layers ?? []
  const self = {
    ...hostOf(instance),
    ...(cpu ? { cpus: cpu.total } : {}),
    layers: [...new Set([...known, ...instance.layers])],
  }
  return {
    name: opsworks.stack.name,
    layers: Object.fromEntries(names.map((name) => [name, { roles: instance.layers.includes(name) ? roles : [] }])),
    hosts: { ...hosts, [instance.hostname]: self },
    apps: Object.fromEntries(Object.entries(deploy).map(([name, app]) => [name, app])),
    custom_json,
  }
}

function onlineIn({ node }: Golden): Set<string> {
  const all = Object.values(node.opsworks.layers).flatMap(({ instances }) => Object.entries(instances))
  return new Set(all.filter(([, one]) => one.status === 'online').map(([name]) => name))
}

const cases = readdirSync(golden)
  .filter((name) => name !== 'default-attributes.json')
  .map((name) => [name, JSON.parse(readFileSync(join(golden, name), 'utf8')) as Golden] as const)
t.ok(cases.length >= 18, 'all cases exist')

for (const [name, one] of cases)
  t.test(`${name}: recipes see the node that OpsWorks described`, async (t) => {
    const stack = await stackOf(t, stackFile(one))
    const self = one.node.opsworks.instance.hostname
    const roles = rolesOf(stack, self)
    t.strictSame(roles.slice(1), one.relstorage_pack_layer ? [one.role, 'relstorage-pack'] : [one.role])
    const documents = nodeDocuments(stack, self, { online: onlineIn(one) })
    const reported = await files([{ name, kind: 'stack', value: one.node as unknown as Json }], roles)
    t.ok(Object.keys(reported).length > 0)
    t.strictSame(await files(documents, roles), reported)
  })

const reported = async (host: string, options: DocumentOptions) => {
  const stack = await loadStack(fixture, { variables: { SHOP_TOKEN: 'sesame-open' } })
  return (await nodeOf(nodeDocuments(stack, host, options))).attributes as never
}

t.test('builds the node JSON of a host', async (t) => {
  const online = new Set(['zeo1', 'plone1', 'web1'])
  const node = await reported('plone2', { online, activity: 'deploy', deployment: { plone_instances: { per_cpu: 4 } } })
  t.match(node, {
    cpu: { total: 2 },
    opsworks: {
      stack: { name: 'shop' },
      activity: 'deploy',
      instance: {
        hostname: 'plone2',
        layers: ['plone_instances'],
        region: 'eu-central-1',
        availability_zone: 'b',
        private_ip: '10.0.0.12',
        private_dns_name: '10.0.0.12',
        backends: 16,
        status: 'online',
      },
      layers: {
        zeoserver: { name: 'ZEO server', instances: { zeo1: { hostname: 'zeo1', status: 'online' } } },
        plone_instances: {
          instances: { plone1: { status: 'online' }, plone2: { status: 'stopped' }, plone3: { status: 'stopped' } },
        },
        frontend: { instances: { web1: { private_ip: '10.0.0.21' }, web2: { status: 'stopped' } } },
      },
      applications: [
        { name: 'Shop', slug_name: 'plone_instances', application_type: 'other' },
        { name: 'zeoserver', slug_name: 'zeoserver', application_type: 'other' },
      ],
    },
    plone_instances: { per_cpu: 4, zserver_threads: 2 },
    plone_blobs: { blob_dir: '/srv/blobs' },
    converge: { balancer: { port: 8099 } },
    deploy: { plone_instances: { deploy_to: '/srv/www/plone_instances', migrate: true } },
  })
})

t.test('all hosts share equal values', async (t) => {
  const stack = await loadStack(fixture, { variables: { SHOP_TOKEN: 'sesame-open' } })
  const online = new Set(['zeo1'])
  const layersFor = (host: string, all: ReadonlySet<string>) => {
    const { value } = nodeDocuments(stack, host, { online: all })[0] as Document
    return (value as never as Golden['node']).opsworks.layers
  }
  t.equal(layersFor('plone1', online), layersFor('web1', online))
  t.match(layersFor('web1', online), { frontend: { instances: { web1: { status: 'stopped' } } } })
  const later = layersFor('web1', new Set(['zeo1', 'web1']))
  t.match(later, { frontend: { instances: { web1: { status: 'online' } } } })
})

t.test('orders the documents from lowest to highest, each with its place', async (t) => {
  const stack = await stackOf(t, {
    name: 'small',
    layers: {
      one: { roles: ['solr', 'zeo-client'], attributes: { a: 1 }, packages: ['zip', 'curl'], automatic_updates: false },
      two: { roles: ['zeo-client'], attributes: [{ op: 'add', path: '/b', value: 2 }], packages: ['zip'] },
      other: { roles: ['frontend'], attributes: { c: 3 }, automatic_updates: true },
    },
    hosts: {
      both: { address: '10.0.0.1', layers: ['two', 'one'], attributes: { d: 4 }, prefix: '/home/me/site' },
      off: { address: '10.0.0.2', layers: ['two'], status: 'stopped' },
    },
    custom_json: { e: 5 },
  })
  const given = { name: 'once.json', kind: 'deployment', value: { g: 7 } } as const
  const withJson = { ...stack, deploymentDocuments: [given] }
  const documents = nodeDocuments(withJson, 'both', { online: new Set(['both', 'off']), deployment: { f: 6 } })
  t.strictSame(
    documents.slice(1).map(({ name, kind, value }) => [name.replace(`${stack.file}: `, ''), kind, value]),
    [
      ['custom_json', 'stack', { e: 5 }],
      ['layers.one.attributes', 'host', { a: 1 }],
      ['layers.two.attributes', 'host', [{ op: 'add', path: '/b', value: 2 }]],
      ['hosts.both.attributes', 'host', { d: 4 }],
      ['once.json', 'deployment', { g: 7 }],
      ['this deployment', 'deployment', { f: 6 }],
      ['hosts.both.prefix', 'deployment', { converge: { prefix: '/home/me/site' } }],
    ],
  )
  t.match(documents[0]?.value, {
    converge: { packages: ['zip', 'curl'], automatic_updates: false },
    opsworks: { instance: { layers: ['one', 'two'] }, layers: { two: { instances: { off: { status: 'stopped' } } } } },
  })
  t.strictSame(rolesOf(stack, 'both'), ['base', 'solr', 'zeo-client'])
  t.strictSame(JSON.parse(JSON.stringify(documents[0]?.value)), documents[0]?.value, 'it is plain JSON')
})

t.test('finds the place of a value in the file of the operator', async (t) => {
  const stack = await loadStack(fixture, { variables: { SHOP_TOKEN: 'sesame-open' } })
  const [base] = nodeDocuments(stack, 'web1', { online: new Set() })
  const cases: readonly (readonly [readonly (string | number)[], string])[] = [
    [['deploy', 'plone_instances', 'scm', 'revision'], 'revision: main'],
    [['deploy', 'plone_instances', 'migrate'], 'migrate: true'],
    [['opsworks', 'layers', 'zeoserver', 'instances', 'zeo1', 'availability_zone'], 'zone: a'],
    [['opsworks', 'instance', 'private_ip'], 'private_ip: 10.0.0.21'],
  ]
  const lines = readFileSync(fixture, 'utf8').split('\n')
  for (const [path, text] of cases) {
    const { line = 0 } = base?.locate?.(path, 'key') ?? {}
    t.match(lines[line - 1], text, path.join('.'))
  }
})
