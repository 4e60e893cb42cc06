/** Where ZEO clients keep their data: a ZEO server, or a database through RelStorage. */
import { buildoutValueForZope } from '../../core/text/buildout.ts'
import { type Option, option, reference, type Section } from './buildout_cfg.ts'
import { appAttributes, onlineAddresses } from './site.ts'
import type { Relstorage, SiteAttributes } from './types.ts'
import { isSet, type Values } from './values.ts'

/** What the choice of storage puts into deploy.cfg. */
export interface Storage {
  readonly extends: readonly string[]
  readonly parts: readonly string[]
  readonly eggs: readonly string[]
  readonly sections: readonly Section[]
}

const zeoPort = 8001
const memcachedPort = 11_211
/** Seconds a client may go without asking the database for changes; worth it only with a shared cache. */
const pollInterval = 60

/** Mirrors `plone_instances.enable_relstorage`: RelStorage leaves no trace of a ZEO server. */
export function storage(attributes: SiteAttributes, app: string, values: Values): Storage {
  const { enable_relstorage, relstorage } = attributes.plone_instances
  if (enable_relstorage) return relationalStorage(attributes, app, relstorage, values)
  return { extends: [], parts: [], eggs: [], sections: zeoSections(attributes, values) }
}

function zeoSections(attributes: SiteAttributes, values: Values): Section[] {
  const { zeo, zeo_layer } = attributes.plone_instances
  const found = isSet(zeo.address) ? undefined : onlineAddresses(attributes, zeo_layer)[0]
  const address = found === undefined ? zeo.address : `${found}:${zeoPort}`
  if (!isSet(address)) return []
  return [
    {
      name: 'zeo-host',
      options: [option('address', values.writtenLine('plone_instances.zeo.address', address, buildoutValueForZope))],
    },
    { name: 'zeoserver', options: [option('address', reference('zeo-host', 'address'))] },
  ]
}

function relationalStorage(attributes: SiteAttributes, app: string, settings: Relstorage, values: Values): Storage {
  const key = 'plone_instances.relstorage'
  const database = databaseOf(attributes, app, settings, values)
  const servers = settings.enable_cache ? cacheServers(attributes, settings, values) : ''
  const pack = packing(settings, values)
  const caching = [
    option('poll-interval', String(pollInterval)),
    option('cache-servers', reference('memcached', 'servers')),
  ]
  return {
    extends: [values.buildoutLine(`${key}.config`, settings.config)],
    parts: pack.parts,
    eggs: [...driverEgg(database.type), ...(settings.enable_cache ? ['pylibmc'] : [])],
    sections: [
      { name: 'relstorage', options: [...database.options, ...(servers === '' ? [] : caching)] },
      ...(servers === '' ? [] : [{ name: 'memcached', options: [option('servers', servers)] }]),
      ...pack.sections,
    ],
  }
}

interface Database {
  readonly type: string | null | undefined
  readonly options: readonly Option[]
}

/** The database is `relstorage.db`, or, where that has no name, the one the app was given; a dsn says it all. */
function databaseOf(attributes: SiteAttributes, app: string, settings: Relstorage, values: Values): Database {
  const db = settings.db
  // RelStorage is configured in zope.conf, by the options of the site's own relstorage.cfg.
  const forZope = (key: string, value: unknown) => values.written(key, value, buildoutValueForZope)
  const given = appAttributes(attributes, app).database
  const key = 'plone_instances.relstorage.db'
  const takesGiven = db.name === null && isSet(given?.database)
  const type = takesGiven ? (given.adapter ?? given.type) : db.type
  if (isSet(db.dsn)) {
    const typeKey = takesGiven ? `deploy.${app}.database.adapter` : `${key}.type`
    return {
      type,
      options: [
        option('db-type', values.writtenLine(typeKey, type, buildoutValueForZope)),
        option('dsn', forZope(`${key}.dsn`, db.dsn)),
      ],
    }
  }
  const at = (own: string, theirs: string) => (takesGiven ? `deploy.${app}.database.${theirs}` : `${key}.${own}`)
  return {
    type,
    options: [
      option('dbname', forZope(at('name', 'database'), takesGiven ? given.database : db.name)),
      option('host', values.writtenLine(at('host', 'host'), takesGiven ? given.host : db.host, buildoutValueForZope)),
      option('user', forZope(at('user', 'username'), takesGiven ? given.username : db.user)),
      option('password', forZope(at('password', 'password'), takesGiven ? given.password : db.password)),
    ],
  }
}

const drivers: ReadonlyMap<string, string> = new Map([
  ['postgres', 'psycopg2'],
  ['postgresql', 'psycopg2'],
  ['mysql', 'MySQL-python'],
  ['oracle', 'cx_Oracle'],
])

function driverEgg(type: string | null | undefined): string[] {
  const driver = drivers.get((type ?? 'postgres').toLowerCase())
  return driver === undefined ? [] : [driver]
}

function cacheServers(attributes: SiteAttributes, settings: Relstorage, values: Values): string {
  const fixed = settings.cache_servers
  if (isSet(fixed)) return values.lines('plone_instances.relstorage.cache_servers', fixed, ' ').join(' ')
  const found = onlineAddresses(attributes, 'memcached').map((address) => `${address}:${memcachedPort}`)
  return values.line('opsworks.layers.memcached', found.join(' '))
}

function packing(settings: Relstorage, values: Values): Pick<Storage, 'parts' | 'sections'> {
  if (!settings.enable_pack) return { parts: [], sections: [] }
  const days = option('pack-days', values.line('plone_instances.relstorage.pack_days', settings.pack_days))
  const collects = settings.pack_gc
  const stages = settings.two_stage_pack ? ['zodbpack-prepack', 'zodbpack-pack'] : ['zodbpack']
  return {
    // Without garbage collection there are no references to clear.
    parts: ['pack-config', ...stages, ...(collects && settings.truncate_refs ? ['zodb-clear-refs'] : [])],
    sections: [
      { name: 'zodbpack', options: [days] },
      ...(collects ? [] : [{ name: 'pack-config', options: [option('enable-gc', 'false')] }]),
    ],
  }
}
