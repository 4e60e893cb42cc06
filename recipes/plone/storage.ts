/** Configures the storage of ZEO clients: a ZEO server, or a database through RelStorage. */
import { buildoutValueForZope } from '../../core/text/buildout.ts'
import { type AttributeValue, AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { onlineAddresses } from '../site/hosts.ts'
import type { AppAttributes, SiteAttributes } from '../site/site_attributes.ts'
import { appAttributes } from '../site/site_attributes.ts'
import { type Option, option, reference, type Section } from './buildout_cfg.ts'
import { databaseKind, dsnValue } from './database_kind.ts'
import { isPython2, pythonOf } from './python.ts'
import type { Relstorage } from './types.ts'

/** The parts of deploy.cfg that depend on the storage. */
export interface Storage {
  readonly extends: readonly string[]
  readonly parts: readonly string[]
  readonly eggs: readonly string[]
  readonly sections: readonly Section[]
}

const zeoPort = 8001
const memcachedPort = 11_211

/** Mirrors `plone_instances.enable_relstorage`: with RelStorage, deploy.cfg contains nothing about a ZEO server. */
export function storage(attributes: SiteAttributes, app: string, values: AttributeWriter): Storage {
  const { enable_relstorage, relstorage } = attributes.plone_instances
  if (enable_relstorage) return relationalStorage(attributes, app, relstorage, values)
  return { extends: [], parts: [], eggs: [], sections: zeoSections(attributes, values) }
}

function zeoSections(attributes: SiteAttributes, values: AttributeWriter): Section[] {
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

function relationalStorage(
  attributes: SiteAttributes,
  app: string,
  settings: Relstorage,
  values: AttributeWriter,
): Storage {
  const database = databaseOf(attributes, app, settings, values)
  const servers = settings.enable_cache ? cacheServers(attributes, settings) : null
  const pack = packingParts(settings)
  return {
    extends: [settings.config],
    parts: pack.parts,
    eggs: [
      ...driverEgg(database.type, isPython2(pythonOf(attributes, appAttributes(attributes, app)))),
      ...(settings.enable_cache ? ['pylibmc'] : []),
    ],
    sections: [
      { name: 'relstorage', options: [...database.options, ...history(settings)] },
      ...(servers === null ? [] : [{ name: 'memcached', options: [option('servers', servers)] }]),
      ...pack.sections,
    ],
  }
}

type GivenDatabase = NonNullable<AppAttributes['database']>

interface Database {
  readonly type: string | null | undefined
  readonly options: readonly Option[]
}

/** Returns the app's database if `relstorage.db` has no name; null if it has one, or if the app has no database. */
function givenDatabase({ plone_instances, deploy }: SiteAttributes, app: string): GivenDatabase | null {
  const database = Object.hasOwn(deploy, app) ? deploy[app]?.database : undefined
  return plone_instances.relstorage.db.name === null && isSet(database?.database) ? database : null
}

/** Returns the kind of RelStorage's database as the attributes spell it. */
export function databaseType(attributes: SiteAttributes, app: string): string | null | undefined {
  const database = givenDatabase(attributes, app)
  return database === null ? attributes.plone_instances.relstorage.db.type : (database.adapter ?? database.type)
}

/** Returns what a server of the database is made with: `relstorage.db`, or the database of the app. */
export function databaseAccount(attributes: SiteAttributes, app: string) {
  const { db } = attributes.plone_instances.relstorage
  const database = givenDatabase(attributes, app)
  const of = database === null ? db : { ...database, name: database.database, user: database.username }
  const key = database === null ? 'plone_instances.relstorage.db' : `deploy.${app}.database`
  const named = (own: 'name' | 'user' | 'password', theirs: string) => ({
    key: `${key}.${database === null ? own : theirs}`,
    value: of[own],
  })
  return {
    values: new AttributeWriter(),
    kind: databaseKind(databaseType(attributes, app)),
    port: of.port ?? null,
    name: named('name', 'database'),
    user: named('user', 'username'),
    password: named('password', 'password'),
  }
}

/** Returns the options of the database: `relstorage.db`, or that of the app; a dsn replaces all other settings. */
function databaseOf(attributes: SiteAttributes, app: string, settings: Relstorage, values: AttributeWriter): Database {
  const db = settings.db
  // The options of the site's relstorage.cfg configure RelStorage in zope.conf.
  const forZope = (key: string, value: AttributeValue) => values.written(key, value, buildoutValueForZope)
  const database = givenDatabase(attributes, app)
  const key = 'plone_instances.relstorage.db'
  const type = databaseType(attributes, app)
  if (isSet(db.dsn)) {
    const typeKey = database !== null ? `deploy.${app}.database.adapter` : `${key}.type`
    return {
      type,
      options: [
        option('db-type', values.writtenLine(typeKey, type, buildoutValueForZope)),
        option('dsn', forZope(`${key}.dsn`, db.dsn)),
      ],
    }
  }
  const at = (own: string, theirs: string) => (database !== null ? `deploy.${app}.database.${theirs}` : `${key}.${own}`)
  const of = database === null ? db : { ...database, name: database.database, user: database.username }
  const parts: DsnParts = {
    name: [at('name', 'database'), of.name],
    host: [at('host', 'host'), of.host],
    user: [at('user', 'username'), of.user],
    password: [at('password', 'password'), of.password],
  }
  return {
    type,
    options: [
      option('dbname', forZope(...parts.name)),
      option('host', values.writtenLine(...parts.host, buildoutValueForZope)),
      option('user', forZope(...parts.user)),
      option('password', forZope(...parts.password)),
      ...portOptions(type, of.port, parts, values),
    ],
  }
}

/** Values of a connection string, each with its attribute. */
type DsnParts = Readonly<Record<'name' | 'host' | 'user' | 'password', readonly [key: string, value: AttributeValue]>>

/**
 * Returns options for a port other than the default. The connection string of the site's own buildout has no port, so a
 * complete one replaces it.
 */
function portOptions(
  type: string | null | undefined,
  port: number | null | undefined,
  parts: DsnParts,
  values: AttributeWriter,
): Option[] {
  const kind = databaseKind(type)
  if (!isSet(port) || port === kind?.port) return []
  const written = option('port', String(port))
  const words = kind?.dsn
  if (!words) return [written]
  const word = (part: keyof DsnParts) => {
    const [key, value] = parts[part]
    return isSet(value) ? [`${words[part]}=${values.written(key, dsnValue(value), buildoutValueForZope)}`] : []
  }
  const dsn = [...word('name'), ...word('host'), `${words.port}=${port}`, ...word('user'), ...word('password')]
  return [written, option('dsn', dsn.join(' '))]
}

function history({ keep_history }: Relstorage): Option[] {
  return keep_history === null ? [] : [option('keep-history', String(keep_history))]
}

function driverEgg(type: string | null | undefined, isForPython2: boolean): string[] {
  const kind = databaseKind(type)
  if (kind === undefined) return []
  return [(isForPython2 ? kind.python2Driver : undefined) ?? kind.driver]
}

/** Returns the memcached servers; null if no attribute and no layer `memcached` names any; empty if none is online. */
function cacheServers(attributes: SiteAttributes, { cache_servers }: Relstorage): string | null {
  if (isSet(cache_servers)) return cache_servers.split(' ').filter(isSet).join(' ')
  if (!Object.hasOwn(attributes.opsworks.layers, 'memcached')) return null
  return onlineAddresses(attributes, 'memcached')
    .map((address) => `${address}:${memcachedPort}`)
    .join(' ')
}

function packingParts(settings: Relstorage): Pick<Storage, 'parts' | 'sections'> {
  if (!settings.enable_pack) return { parts: [], sections: [] }
  const days = option('pack-days', String(settings.pack_days))
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
