/** Defines the types of the attributes that only buildout apps have, and the roles that deploy such apps. */
import type { AppAttributes, SiteAttributes } from '../site/site_attributes.ts'

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
