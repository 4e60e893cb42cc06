/** Defines the types of the attributes that the Plone recipes read, and of the number of CPUs. */
import type { Attributes } from '../../attributes/index.ts'

/** The attributes on which deploy.cfg and the programs depend; `cpu` is a fact. */
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

/** `deploy_buildout`: the settings of all buildouts. */
export type BuildoutSettings = SiteAttributes['deploy_buildout']

/** The settings that an app can override with `deploy.<app>.buildout_<name>`. */
export type BuildoutSetting = keyof BuildoutSettings &
  { [K in keyof AppAttributes]: K extends `buildout_${infer Name}` ? Name : never }[keyof AppAttributes]

/** An entry of `deploy.<app>.buildout_init_commands`. */
export type InitCommand = BuildoutSettings['init_commands'][number]

/** RelStorage's settings. */
export type Relstorage = SiteAttributes['plone_instances']['relstorage']

/** The roles that run a buildout. */
export type BuildoutRole = 'zeo-client' | 'zeo-server' | 'solr'
