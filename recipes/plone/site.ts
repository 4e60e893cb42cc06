/** What the attributes say about the site: its hosts, its apps, how many clients run, their environment. */
import { ConvergeError } from '../../core/model/errors.ts'
import { supervisorVariable } from '../../core/text/supervisor.ts'
import { isThisHost } from '../releases/this_host.ts'
import { appVariables, tidyVariables, type Variables, variablesAt } from '../releases/variables.ts'
import type {
  AppAttributes,
  BuildoutRole,
  BuildoutSetting,
  BuildoutSettings,
  Instance,
  Layers,
  SiteAttributes,
} from './types.ts'
import { isSet, Values } from './values.ts'

/** A host of a layer, with the name it has in the JSON. */
export interface NamedInstance {
  readonly name: string
  readonly instance: Instance
}

/** An entry the JSON has; no word that every object knows, such as `constructor`, is one. */
function own<T>(entries: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(entries, key) ? entries[key] : undefined
}

/** The port of the first ZEO client is one above this. */
const clientBasePort = 8080
const highestPort = 65_535

/** The HTTP port of a ZEO client, from 8081 for the first (n = 1). */
export function clientPort(n: number): number {
  return clientBasePort + n
}

/**
 * How many ZEO clients a host runs; the clients and the balancer both ask here.
 * Mirrors `plone_instances.per_cpu` (default 2) and `plone_instances.instance_count`, which wins where set.
 * @param instance the host in question; without `backends` the CPUs of this host (`cpu.total`) count
 * @throws INVALID_ATTRIBUTE for what is no number, or would need ports beyond 65535
 */
export function clientCount(attributes: SiteAttributes, instance: Instance): number {
  const { per_cpu, instance_count } = attributes.plone_instances
  const values = new Values()
  const perCpu = values.number('plone_instances.per_cpu', per_cpu, 2)
  const fixed = values.number('plone_instances.instance_count', instance_count, 0)
  const backends = Math.trunc(values.number('backends', instance.backends, 0))
  const cpus = Math.trunc(values.number('cpu.total', attributes.cpu?.total, 0))
  const wanted = isSet(instance_count) ? fixed : backends > 0 ? (backends * perCpu) / 8 : cpus * perCpu
  const count = Math.max(1, Math.ceil(wanted))
  if (clientPort(count) > highestPort) {
    const key = isSet(instance_count) ? 'plone_instances.instance_count' : 'plone_instances.per_cpu'
    values.refuse(
      key,
      `asks for ${count} ZEO clients on one host`,
      `at most ${highestPort - clientBasePort} have a port`,
    )
  }
  values.check()
  return count
}

/**
 * Where a host is reached: its public DNS name, else its private one, else a bare address.
 * @throws NO_ADDRESS where it has none of these
 */
export function hostAddress(instance: Instance, name: string = instance.hostname ?? 'this host'): string {
  const { public_dns_name, private_dns_name, private_ip, ip } = instance
  const address = [public_dns_name, private_dns_name, private_ip, ip].find(isSet)
  if (isSet(address)) return address
  throw new ConvergeError(`${name} has no address`, {
    code: 'NO_ADDRESS',
    hint: 'give it a private_dns_name or a private_ip where the JSON describes it',
    usage: true,
  })
}

/**
 * The hosts of a layer that others can use, in the order of the JSON: those that are online, and this host, which is
 * about to be.
 */
export function onlineInstances(layers: Layers, layer: string, self: Instance): NamedInstance[] {
  return Object.entries(own(layers, layer)?.instances ?? {})
    .filter(([name, instance]) => instance.status === 'online' || isThisHost(name, instance, self))
    .map(([name, instance]) => ({ name, instance }))
}

/** The first of `onlineInstances`. */
export function onlineInstance(layers: Layers, layer: string, self: Instance): NamedInstance | undefined {
  return onlineInstances(layers, layer, self)[0]
}

/** Addresses of the layer's online hosts, see `onlineInstances`. */
export function onlineAddresses(attributes: SiteAttributes, layer: string): string[] {
  const { layers, instance } = attributes.opsworks
  return onlineInstances(layers, layer, instance).map((host) => hostAddress(host.instance, host.name))
}

/** The broker Celery talks to: the fixed one, else the first online host of `broker_layer`; without one no Celery. */
export function celeryBroker(attributes: SiteAttributes): string | undefined {
  const { enable_celery, broker, broker_layer } = attributes.plone_instances
  if (!enable_celery) return undefined
  return isSet(broker.host) ? broker.host : onlineAddresses(attributes, broker_layer)[0]
}

const appNames: Record<BuildoutRole, readonly ['plone_instances' | 'plone_zeoserver' | 'plone_solr', string]> = {
  'zeo-client': ['plone_instances', 'plone_instances'],
  'zeo-server': ['plone_zeoserver', 'zeoserver'],
  solr: ['plone_solr', 'solr'],
}

/**
 * The app a role deploys: the key of it below `deploy`.
 * @throws INVALID_ATTRIBUTE for a name that cannot be part of a path
 */
export function appName(attributes: SiteAttributes, role: BuildoutRole): string {
  const [key, fallback] = appNames[role]
  const name = attributes[key].app_name
  if (/^[\w-][\w.-]*$/.test(name)) return name
  throw new ConvergeError(`${key}.app_name has to be the name of an app below deploy`, {
    code: 'INVALID_ATTRIBUTE',
    attribute: `${key}.app_name`,
    hint: `use letters, digits, dots, dashes and underscores, without a dot in front; the default is ${fallback}`,
    usage: true,
  })
}

/** `deploy.<app>`; an app the JSON doesn't mention has no settings of its own. */
export function appAttributes(attributes: SiteAttributes, app: string): AppAttributes {
  return own(attributes.deploy, app) ?? {}
}

/** Where the app lives: `deploy.<app>.deploy_to`, default `/srv/www/<app>`. */
export function deployDirectory(attributes: SiteAttributes, app: string): string {
  const directory = appAttributes(attributes, app).deploy_to
  return isSet(directory) ? directory : `/srv/www/${app}`
}

/** A buildout setting: `deploy.<app>.buildout_X` where it is set, and false counts as set, else `deploy_buildout.X`. */
export function buildoutSetting<K extends BuildoutSetting>(
  attributes: SiteAttributes,
  app: string,
  name: K,
): BuildoutSettings[K] {
  const settings: { readonly [key in `buildout_${string}`]?: unknown } = appAttributes(attributes, app)
  // The version's own name begins with the prefix already; without saying it twice is how it is mostly written.
  const value = (name === 'buildout_version' ? settings.buildout_version : undefined) ?? settings[`buildout_${name}`]
  return (value ?? attributes.deploy_buildout[name]) as BuildoutSettings[K]
}

/** The attributes as the roles that only switch something on leave them. */
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
  const of = (key: string, value: unknown) => ({ key, value })
  return {
    ...(traceview_tracing && {
      ...variablesAt('plone_instances.traceview_tracing', traceview),
      TRACEVIEW_SAMPLE_RATE: of('plone_instances.traceview_sample_rate', traceview_sample_rate),
    }),
    ...(newrelic_tracing && {
      NEW_RELIC_ENABLED: of('plone_instances.newrelic_tracing', 'true'),
      NEW_RELIC_CONFIG_FILE: of('newrelic.python_agent.config_file', attributes.newrelic.python_agent.config_file),
      NEW_RELIC_ENVIRONMENT: of('opsworks.stack.name', attributes.opsworks.stack.name),
    }),
  }
}

/** The buildout sets the clients' temporary directories itself. */
const temporary = /^(TMP|TEMP)/

/**
 * The environment of an app's buildout and programs, sorted by key: the egg cache, tracing, and over these the variables
 * of `deploy.<app>`, without RUBY*, RAILS* and RACK*.
 * @param deployTo where the app lives; default as `deployDirectory` says
 * @param shared gathers what is wrong, for the caller to tell with the rest
 * @throws INVALID_ATTRIBUTE for names and values that no program can be given, unless `shared` is given
 */
export function appEnvironment(
  attributes: SiteAttributes,
  role: BuildoutRole,
  deployTo?: string,
  shared?: Values,
): Record<string, string> {
  const values = shared ?? new Values()
  const sorted = tidyVariables(programVariables(attributes, role, deployTo), values, supervisorVariable)
  if (shared === undefined) values.check()
  return sorted
}

/** The variables of all programs of an app, before they are sorted. */
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

/** What of an app's environment goes into deploy.cfg: all but TMP* and TEMP*. */
export function deployCfgEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !temporary.test(name)))
}
