/** Computes from the attributes what the buildout roles deploy: the app, the number of clients, the environment. */
import { ConvergeError } from '../../core/model/errors.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { appVariables, tidyVariables, type Variables, variablesAt } from '../app/environment.ts'
import { type AttributeValue, AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { isThisHost, onlineAddresses, onlineInstance } from '../site/hosts.ts'
import {
  appAttributes,
  deployDirectory,
  type Instance,
  isAppName,
  type SiteAttributes,
} from '../site/site_attributes.ts'
import type { BuildoutRole, BuildoutSetting, BuildoutSettings } from './types.ts'

/** The port below that of the first ZEO client. */
const clientBasePort = 8080
const highestPort = 65_535

/** Returns the HTTP port of a ZEO client, from 8081 for the first (n = 1). */
export function clientPort(n: number): number {
  return clientBasePort + n
}

/**
 * Returns the number of ZEO clients of a host, for the clients and for the balancer.
 * `plone_instances.instance_count` takes precedence over `plone_instances.per_cpu` (default 2).
 * @param instance the host in question; without `backends` the CPUs of this host (`cpu.total`) count
 * @throws INVALID_ATTRIBUTE for a number that requires ports beyond 65535
 */
export function clientCount(attributes: SiteAttributes, instance: Instance): number {
  const { per_cpu, instance_count } = attributes.plone_instances
  const backends = Math.trunc(instance.backends ?? 0)
  const cpus = Math.trunc(attributes.cpu?.total ?? 0)
  const computed = backends > 0 ? (backends * per_cpu) / 8 : cpus * per_cpu
  const count = Math.max(1, Math.ceil(instance_count ?? computed))
  if (clientPort(count) <= highestPort) return count
  const attribute = `plone_instances.${instance_count === null ? 'per_cpu' : 'instance_count'}`
  throw new ConvergeError(`${attribute} asks for ${count} ZEO clients on one host`, {
    code: 'INVALID_ATTRIBUTE',
    attribute,
    hint: `set it to at most ${highestPort - clientBasePort} clients: a port above ${highestPort} does not exist`,
    usage: true,
  })
}

/** Returns Celery's broker: the configured one, else the first online host of `broker_layer`; none means no Celery. */
export function celeryBroker(attributes: SiteAttributes): string | undefined {
  const { enable_celery, broker, broker_layer } = attributes.plone_instances
  if (!enable_celery) return undefined
  return isSet(broker.host) ? broker.host : onlineAddresses(attributes, broker_layer)[0]
}

/** Decides whether this host runs Celery's scheduler: of the hosts of `celerybeat_layer`, the first one that is online. */
export function runsScheduler({ plone_instances, opsworks }: SiteAttributes): boolean {
  const { celerybeat, celerybeat_layer } = plone_instances
  if (!celerybeat || !isSet(celerybeat_layer)) return celerybeat
  const first = onlineInstance(opsworks.layers, celerybeat_layer, opsworks.instance)
  return first !== undefined && isThisHost(first.name, first.instance, opsworks.instance)
}

const appNames: Record<BuildoutRole, readonly ['plone_instances' | 'plone_zeoserver' | 'plone_solr', string]> = {
  'zeo-client': ['plone_instances', 'plone_instances'],
  'zeo-server': ['plone_zeoserver', 'zeoserver'],
  solr: ['plone_solr', 'solr'],
}

/**
 * Returns the app that a role deploys: its key below `deploy`.
 * @throws INVALID_ATTRIBUTE for a name that cannot be part of a path
 */
export function appName(attributes: SiteAttributes, role: BuildoutRole): string {
  const [key, fallback] = appNames[role]
  const name = attributes[key].app_name
  if (isAppName(name)) return name
  throw new ConvergeError(`${key}.app_name must be the name of an app below deploy`, {
    code: 'INVALID_ATTRIBUTE',
    attribute: `${key}.app_name`,
    hint: `use at most 100 letters, digits, dots, dashes and underscores, without a dot in front; the default is ${fallback}`,
    usage: true,
  })
}

/** Returns a buildout setting: `deploy.<app>.buildout_X` if set (false counts as set), else `deploy_buildout.X`. */
export function buildoutSetting<K extends BuildoutSetting>(
  attributes: SiteAttributes,
  app: string,
  name: K,
): BuildoutSettings[K] {
  const settings: { readonly [key in `buildout_${string}`]?: unknown } = appAttributes(attributes, app)
  // `buildout_version` begins with the prefix already, and most sites write it without repeating the prefix.
  const value = (name === 'buildout_version' ? settings.buildout_version : undefined) ?? settings[`buildout_${name}`]
  return (value ?? attributes.deploy_buildout[name]) as BuildoutSettings[K]
}

/** Returns the attributes with the settings of roles that only enable something. */
export function withRoles(attributes: SiteAttributes, roles: readonly string[]): SiteAttributes {
  let { plone_instances } = attributes
  if (roles.includes('relstorage-pack'))
    plone_instances = { ...plone_instances, relstorage: { ...plone_instances.relstorage, enable_pack: true } }
  if (roles.includes('celerybeat')) plone_instances = { ...plone_instances, celerybeat: true }
  return { ...attributes, plone_instances }
}

function tracingVariables(attributes: SiteAttributes): Variables {
  const { traceview_tracing, traceview_sample_rate, newrelic_tracing } = attributes.plone_instances
  const traceview = {
    TRACEVIEW_IGNORE_EXTENSIONS: 'js;css;png;jpeg;jpg;gif;pjpeg;x-png;pdf',
    TRACEVIEW_IGNORE_FOUR_OH_FOUR: '1',
    TRACEVIEW_PLONE_TRACING: '1',
    TRACEVIEW_TRACING_MODE: 'always',
  }
  const variable = (key: string, value: AttributeValue) => ({ key, value })
  return {
    ...(traceview_tracing && {
      ...variablesAt('plone_instances.traceview_tracing', traceview),
      TRACEVIEW_SAMPLE_RATE: variable('plone_instances.traceview_sample_rate', traceview_sample_rate),
    }),
    ...(newrelic_tracing && {
      NEW_RELIC_ENABLED: variable('plone_instances.newrelic_tracing', 'true'),
      NEW_RELIC_CONFIG_FILE: variable(
        'newrelic.python_agent.config_file',
        attributes.newrelic.python_agent.config_file,
      ),
      NEW_RELIC_ENVIRONMENT: variable('opsworks.stack.name', attributes.opsworks.stack.name),
    }),
  }
}

/** The variables of temporary directories, which the buildout sets for the clients. */
const temporary = /^(TMP|TEMP)/

/**
 * Returns the environment of an app's buildout and programs, sorted by key: egg cache and tracing, overridden by the
 * variables of `deploy.<app>` without RUBY*, RAILS* and RACK*.
 * @param deployTo directory of the app; default: `deployDirectory`
 * @param shared collects problems, which the caller reports
 * @throws INVALID_ATTRIBUTE for names and values that a process cannot have, unless `shared` is given
 */
export function appEnvironment(
  attributes: SiteAttributes,
  role: BuildoutRole,
  deployTo?: string,
  shared?: AttributeWriter,
): Record<string, string> {
  const values = shared ?? new AttributeWriter()
  const sorted = tidyVariables(programVariables(attributes, role, deployTo), values, supervisorVariable)
  if (shared === undefined) values.check()
  return sorted
}

/** Returns the variables of all programs of an app, unsorted. */
export function programVariables(
  attributes: SiteAttributes,
  role: BuildoutRole,
  deployTo: string = deployDirectory(attributes, appName(attributes, role)),
): Variables {
  const app = appName(attributes, role)
  return {
    PYTHON_EGG_CACHE: { key: `deploy.${app}.deploy_to`, value: `${deployTo}/shared/eggs` },
    ...(role === 'zeo-client' ? tracingVariables(attributes) : {}),
    ...appVariables(app, appAttributes(attributes, app)),
  }
}

/** Returns the part of an app's environment for deploy.cfg: all variables except TMP* and TEMP*. */
export function deployCfgEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !temporary.test(name)))
}
