/** Lists the schemas of all attributes by top-level key, and makes each when it is first requested. */
import type { ZodType, z } from 'zod'
import type { AttributesOf } from '../core/node/node.ts'
import { derivedDefaults, sensitivePathsOf } from '../core/node/notes.ts'
import { formatPath } from '../core/node/path.ts'
import { agent } from './agent.ts'
import { apt } from './apt.ts'
import { bus } from './bus.ts'
import { certbot_domains } from './certbot_domains.ts'
import { certbot_email } from './certbot_email.ts'
import { console_ as console } from './console.ts'
import { converge } from './converge.ts'
import { deploy } from './deploy.ts'
import { deploy_buildout } from './deploy_buildout.ts'
import { deploy_python } from './deploy_python.ts'
import { ebs_snapshots } from './ebs_snapshots.ts'
import { haproxy } from './haproxy.ts'
import { jetty_app } from './jetty_app.ts'
import { memcached } from './memcached.ts'
import { new_relic } from './new_relic.ts'
import { newrelic } from './newrelic.ts'
import { nfs } from './nfs.ts'
import { nginx_plone } from './nginx_plone.ts'
import { opsworks } from './opsworks.ts'
import { opsworks_initial_setup, platformDefaults } from './opsworks_initial_setup.ts'
import { otherCookbooks } from './other_cookbooks.ts'
import { papertrail } from './papertrail.ts'
import { php_app } from './php_app.ts'
import { plone_blobs } from './plone_blobs.ts'
import { plone_instances } from './plone_instances.ts'
import { plone_solr } from './plone_solr.ts'
import { plone_zeoserver } from './plone_zeoserver.ts'
import { port_app } from './port_app.ts'
import { redis } from './redis.ts'
import { s3fs_fuse } from './s3fs_fuse.ts'
import { ssh_users } from './ssh_users.ts'
import { system } from './system.ts'
import { tmpdir } from './tmpdir.ts'
import { varnish } from './varnish.ts'
import { varnish_plone } from './varnish_plone.ts'
import { varnish_purge_urls } from './varnish_purge_urls.ts'

const makers = {
  plone_zeoserver,
  plone_blobs,
  plone_instances,
  tmpdir,
  plone_solr,
  ebs_snapshots,
  nginx_plone,
  varnish_plone,
  varnish,
  varnish_purge_urls,
  redis,
  memcached,
  papertrail,
  console,
  agent,
  bus,
  haproxy,
  certbot_domains,
  certbot_email,
  deploy_buildout,
  deploy_python,
  apt,
  newrelic,
  new_relic,
  nfs,
  s3fs_fuse,
  ssh_users,
  system,
  deploy,
  port_app,
  jetty_app,
  php_app,
  opsworks,
  opsworks_initial_setup,
  converge,
}

type Makers = typeof makers
export type AttributeSchemas = { readonly [K in keyof Makers]: ReturnType<Makers[K]> }

/** All attributes, with defaults filled in. */
export type Attributes = AttributesOf<AttributeSchemas>

/** All attributes as users write them. */
export type AttributeInputs = {
  readonly [K in keyof AttributeSchemas]: Written<z.input<AttributeSchemas[K]>, z.output<AttributeSchemas[K]>>
}

/** Schemas that convert a value accept anything, for the compiler: this is what they convert. */
type Written<I, O> = unknown extends I
  ? Spelled<O>
  : I extends readonly (infer E)[]
    ? readonly Written<E, O extends readonly (infer F)[] ? F : unknown>[]
    : I extends object
      ? { readonly [K in keyof I]: Written<I[K], K extends keyof O ? O[K] : unknown> }
      : I

/** Units of times in milliseconds. The compiler accepts them for every number; the schema does not. */
type TimeUnit = 'ms' | 's' | 'm' | 'h' | 'd'

type Spelled<O> = O extends boolean
  ? boolean | 'true' | 'false'
  : O extends number
    ? number | `${number}${'' | TimeUnit}`
    : O extends string
      ? string extends O
        ? string | number | readonly string[]
        : O
      : O extends null | undefined
        ? O
        : unknown

/** The schemas by top-level key. Making them all takes some milliseconds: a run needs a few, and makes only those. */
export const attributeSchemas: AttributeSchemas & Readonly<Record<string, ZodType>> = Object.assign(
  lazily({ ...makers, ...otherCookbooks }),
  {
    [derivedDefaults]: platformDefaults,
  },
) as never

function lazily(functions: Readonly<Record<string, () => ZodType>>): Readonly<Record<string, ZodType>> {
  const schemas: Record<string, ZodType> = {}
  for (const [key, make] of Object.entries(functions)) {
    let schema: ZodType | undefined
    Object.defineProperty(schemas, key, {
      enumerable: true,
      get: () => {
        schema ??= make()
        return schema
      },
    })
  }
  return schemas
}

/** Every attribute's default, as plain JSON; `<app>` stands for any application. */
export function defaultAttributes(): Record<string, unknown> {
  const defaults: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries<ZodType>(attributeSchemas))
    defaults[key] = schema.parse(key === 'deploy' ? { '<app>': {} } : undefined)
  return JSON.parse(JSON.stringify(defaults)) as Record<string, unknown>
}

/** Key paths whose values are never shown; `*` stands for any key or index. */
export function sensitivePaths(): readonly string[] {
  return sensitivePathsOf(attributeSchemas).map(formatPath)
}

/** Top-level keys that the platform and its own cookbooks write beside the attributes: kept, and no reason for a warning. */
export const foreignKeys: readonly string[] = [
  'authorization bluepill chef_environment chef_type cloud dependencies dmi domain ebs ec2 etc fqdn',
  'ganglia hostname ipaddress json_class kernel languages lsb mysql network newrelic_meetme_plugin newrelic_plugins',
  'ohai_time opsworks_agent opsworks_berkshelf opsworks_bundler opsworks_commons opsworks_custom_cookbooks',
  'opsworks_rubygems os os_version override_attributes passenger php platform platform_family',
  'platform_version postgresql rabbitmq rails recipes roles rsyslog ruby run_list scalarium sudoers',
  'sudoers_d tags traceview virtualization',
].flatMap((names) => names.split(' '))
