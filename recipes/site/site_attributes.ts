/** Defines the attributes of a site, and looks up those of one app. */
import type { Attributes } from '../../attributes/index.ts'
import { isSet } from './attribute_writer.ts'

/** The attributes that describe a site: its hosts, apps and their settings; `cpu` is a fact. */
export type SiteAttributes = Pick<
  Attributes,
  | 'deploy'
  | 'deploy_buildout'
  | 'newrelic'
  | 'opsworks'
  | 'plone_blobs'
  | 'plone_instances'
  | 'plone_solr'
  | 'plone_zeoserver'
  | 'redis'
> & {
  readonly cpu?: { readonly total?: number | null | undefined } | null | undefined
  readonly converge?: Attributes['converge']
}

/** A host, as `opsworks.instance` and `opsworks.layers.<layer>.instances.<host>` describe it. */
export type Instance = Partial<SiteAttributes['opsworks']['layers'][string]['instances'][string]>

/** `opsworks.layers`. */
export type Layers = Readonly<Record<string, { readonly instances: Readonly<Record<string, Instance>> }>>

/** `deploy.<app>`, with all attributes optional. */
export type AppAttributes = Partial<SiteAttributes['deploy'][string]>

/** Returns an entry of the JSON, without properties that every object inherits, such as `constructor`. */
export function ownProperty<T>(entries: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(entries, key) ? entries[key] : undefined
}

/** Returns `deploy.<app>`; an app that the JSON does not mention has no settings of its own. */
export function appAttributes(attributes: SiteAttributes, app: string): AppAttributes {
  return ownProperty(attributes.deploy, app) ?? {}
}

/** Returns the directory of the app: `deploy.<app>.deploy_to`, default `/srv/www/<app>`. */
export function deployDirectory(attributes: SiteAttributes, app: string): string {
  const directory = appAttributes(attributes, app).deploy_to
  return isSet(directory) ? directory : `/srv/www/${app}`
}

/** Decides whether a name can be a part of a path, and a key below `deploy`. */
export function isAppName(name: string): boolean {
  return /^[\w-][\w.-]{0,99}$/.test(name) && name !== '__proto__'
}
