/** Tests deploy.cfg: rejected values, and properties of any site. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type BuildoutCfg, renderBuildoutCfg } from '../../../recipes/plone/buildout_cfg.ts'
import { deployCfg, renderDeployCfg } from '../../../recipes/plone/deploy_cfg.ts'
import type { BuildoutRole } from '../../../recipes/plone/types.ts'
import type { NodeJson } from '../../support/golden.ts'
import { type Ini, parseIni } from '../../support/ini.ts'
import { app, site, stack } from '../../support/plone_stack.ts'

const relstorage = (settings: NodeJson) => site({ enable_relstorage: true, relstorage: settings })

const evil = 'x\n[buildout]\nrecipe = evil'
const refused: [BuildoutRole, NodeJson, string][] = [
  ['zeo-client', site({ zeo: { address: evil } }), 'plone_instances.zeo.address'],
  ['zeo-client', site({ base_config: evil }), 'plone_instances.base_config'],
  ['zeo-client', site({ zodb_cache_size: evil }), 'plone_instances.zodb_cache_size'],
  ['zeo-client', site({ zserver_threads: { n: 1 } }), 'plone_instances.zserver_threads'],
  ['zeo-client', site({ syslog_facility: evil }), 'plone_instances.syslog_facility'],
  ['zeo-client', site({ syslog_facility: 'a', syslog_level: 'b\rc' }), 'plone_instances.syslog_level'],
  ['zeo-client', site({ solr_enabled: true, solr_host: evil }), 'plone_instances.solr_host'],
  ['zeo-client', site({ enable_celery: true, broker: { host: evil } }), 'plone_instances.broker.host'],
  ['zeo-client', site({ enable_celery: true, broker: { host: 'b', port: evil } }), 'plone_instances.broker.port'],
  ['zeo-client', site({ tracing_clients: -1 }), 'plone_instances.tracing_clients'],
  ['zeo-client', relstorage({ config: evil }), 'plone_instances.relstorage.config'],
  ['zeo-client', relstorage({ db: { dsn: evil } }), 'plone_instances.relstorage.db.dsn'],
  ['zeo-client', relstorage({ db: { name: 'n', password: evil } }), 'plone_instances.relstorage.db.password'],
  ['zeo-client', relstorage({ cache_servers: evil }), 'plone_instances.relstorage.cache_servers'],
  ['zeo-client', relstorage({ enable_pack: true, pack_days: evil }), 'plone_instances.relstorage.pack_days'],
  ['zeo-client', { plone_blobs: { blob_dir: evil } }, 'plone_blobs.blob_dir'],
  ['zeo-client', app({ buildout_extends: ['ok.cfg', evil] }), 'deploy.plone_instances.buildout_extends[1]'],
  ['zeo-client', app({ buildout_extends: 'one.cfg' }), 'deploy.plone_instances.buildout_extends'],
  ['zeo-client', app({ buildout_parts_to_include: [evil] }), 'deploy.plone_instances.buildout_parts_to_include[0]'],
  ['zeo-client', site({ base_config: '#evil.cfg' }), 'plone_instances.base_config'],
  ['zeo-client', app({ environment: { A: 'evil\r' } }), 'deploy.plone_instances.environment.A'],
  ['zeo-server', { plone_blobs: { blob_dir: evil } }, 'plone_blobs.blob_dir'],
  ['zeo-server', { plone_zeoserver: { syslog_facility: evil } }, 'plone_zeoserver.syslog_facility'],
  ['solr', { opsworks: { instance: { public_dns_name: evil } } }, 'opsworks.instance.public_dns_name'],
]

t.test('refuses values that would end their option', async (t) => {
  const database = relstorage({ enable_cache: false })
  refused.push(
    ...['host', 'username', 'password'].map((key): [BuildoutRole, NodeJson, string] => [
      'zeo-client',
      { ...database, ...app({ database: { database: 'plone', [key]: evil } }) },
      `deploy.plone_instances.database.${key}`,
    ]),
  )
  for (const [role, json, key] of refused) {
    const message = new RegExp(`^${key.replaceAll(/[.[\]]/g, '\\$&')}(: expected| cannot be written)`)
    const error = t.throws(() => deployCfg(stack(json), role), { code: 'INVALID_ATTRIBUTE', usage: true, message }, key)
    if (/password|dsn|environment/.test(key)) t.notMatch(JSON.stringify(error), 'evil', 'and not shown')
  }
  t.throws(
    () =>
      deployCfg(
        stack(site({ zeo: { address: evil }, base_config: evil }), app({ buildout_extends: 'one.cfg' })),
        'zeo-client',
      ),
    { code: 'INVALID_INPUT', problems: { length: 3 } },
    'all at once',
  )
})

const word = fc.stringMatching(/^[\w./:@%-]{1,12}$/)
const words = fc.stringMatching(/^[\w./:@%$=;#[\]<-][\w./:@%$=;#[\]< -]{0,16}$/).map((text) => text.trim())
const environment = fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), fc.oneof(words, fc.nat(), fc.boolean()))
const names = fc.uniqueArray(word, { maxLength: 4 })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const anySite = fc.record({
  plone_instances: fc.record({
    per_cpu: fc.double({ min: 0, max: 4, noNaN: true }),
    instance_count: maybe(fc.integer({ min: 1, max: 5 })),
    shared_blobs: fc.boolean(),
    persistent_cache: fc.boolean(),
    zodb_cache_size: maybe(fc.nat()),
    enable_relstorage: fc.boolean(),
    relstorage: fc.record({
      db: fc.record({ type: maybe(word), dsn: maybe(words), name: maybe(word), password: maybe(words) }),
      enable_cache: fc.boolean(),
      cache_servers: maybe(word),
      enable_pack: fc.boolean(),
      two_stage_pack: fc.boolean(),
      pack_gc: fc.boolean(),
    }),
    enable_celery: fc.boolean(),
    broker: fc.record({ host: maybe(word) }),
    solr_enabled: fc.boolean(),
    solr_host: maybe(word),
    newrelic_tracing: fc.boolean(),
    traceview_tracing: fc.boolean(),
    tracing_clients: fc.nat({ max: 4 }),
    syslog_facility: maybe(word),
  }),
  plone_blobs: fc.record({ blob_dir: maybe(words.map((text) => `/data/x${text.replaceAll('/', '-')}x`)) }),
  deploy: fc.record({
    plone_instances: fc.record({
      environment,
      buildout_extends: names,
      buildout_parts_to_include: names,
      buildout_inherit_parts: maybe(fc.boolean()),
    }),
  }),
})

/** Converts the model to the form that the parser returns; a section occurs twice only if the user adds text. */
function facts(cfg: BuildoutCfg): Ini {
  const ini: Ini = {}
  for (const block of cfg) {
    if ('raw' in block) throw new Error('generated sites have no text of their own')
    if (ini[block.name]) throw new Error(`[${block.name}] twice`)
    const options = block.options.map(({ name, op, values }) => [op === '=' ? name : `${name} ${op}`, [...values]])
    ini[block.name] = { ...(block.extends && { '<': [block.extends] }), ...Object.fromEntries(options) }
  }
  return ini
}

t.test('the text of any site parses back to its model', async () => {
  fc.assert(
    fc.property(anySite, (json) => {
      const cfg = deployCfg(stack(json), 'zeo-client')
      assert.deepStrictEqual(parseIni(renderBuildoutCfg(cfg)), facts(cfg))
    }),
  )
})

t.test('the order of keys in an environment has no effect', async () => {
  const shuffled = environment.chain((map) =>
    fc.record({
      map: fc.constant(map),
      other: fc
        .shuffledSubarray(Object.entries(map), { minLength: Object.keys(map).length })
        .map((entries) => Object.fromEntries(entries)),
    }),
  )
  fc.assert(
    fc.property(anySite, shuffled, (json, { map, other }) => {
      const render = (environment: NodeJson) => renderDeployCfg(stack(json, app({ environment })), 'zeo-client')
      assert.equal(render(map), render(other))
    }),
  )
})
