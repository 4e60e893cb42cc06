/** Renders deploy.cfg, which adds the stack's settings to the site's own buildout, for each buildout role. */
import { buildoutValue, buildoutValueForZope } from '../../core/text/buildout.ts'
import { pythonString } from '../../core/text/python.ts'
import { zopeEnvironment } from '../../core/text/zope_conf.ts'
import { type AttributeValue, AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { hostAddress, onlineAddresses } from '../site/hosts.ts'
import type { AppAttributes, SiteAttributes } from '../site/site_attributes.ts'
import { appAttributes, deployDirectory } from '../site/site_attributes.ts'
import {
  additions,
  type BuildoutCfg,
  type Option,
  option,
  type RawText,
  reference,
  renderBuildoutCfg,
  type Section,
} from './buildout_cfg.ts'
import {
  appEnvironment,
  appName,
  buildoutSetting,
  celeryBroker,
  clientCount,
  clientPort,
  deployCfgEnvironment,
} from './site.ts'
import { type Storage, storage } from './storage.ts'
import type { BuildoutRole } from './types.ts'

interface Context {
  readonly attributes: SiteAttributes
  readonly app: string
  readonly appSettings: AppAttributes
  readonly deployTo: string
  readonly values: AttributeWriter
}

/**
 * Makes the configuration of a role's buildout.
 * @param options.deployTo directory of the app; default `deploy.<app>.deploy_to`, else `/srv/www/<app>`
 * @throws INVALID_ATTRIBUTE (several at once as INVALID_INPUT) for values that would extend beyond their option
 */
export function deployCfg(
  attributes: SiteAttributes,
  role: BuildoutRole,
  options: { readonly deployTo?: string | undefined } = {},
): BuildoutCfg {
  const app = appName(attributes, role)
  const deployTo = options.deployTo ?? deployDirectory(attributes, app)
  const values = new AttributeWriter()
  const cfg = builders[role]({ attributes, app, appSettings: appAttributes(attributes, app), deployTo, values })
  values.check()
  return cfg
}

/** Renders the text of `deployCfg`. */
export function renderDeployCfg(...args: Parameters<typeof deployCfg>): string {
  return renderBuildoutCfg(deployCfg(...args))
}

const builders: Readonly<Record<BuildoutRole, (context: Context) => BuildoutCfg>> = {
  'zeo-client': zeoClientCfg,
  'zeo-server': zeoServerCfg,
  solr: solrCfg,
}

function buildout(
  { attributes, app, appSettings }: Context,
  base: readonly string[],
  extraParts: readonly string[],
  more: readonly Option[] = [],
): Section {
  const inherit = buildoutSetting(attributes, app, 'inherit_parts')
  const parts = (appSettings.buildout_parts_to_include ?? []).filter(isSet)
  const files = (appSettings.buildout_extends ?? []).filter(isSet)
  return {
    name: 'buildout',
    options: [
      option('extends-cache', 'extends'),
      option('unzip', 'true'),
      option('extends', [...base, ...files]),
      option('parts', [...extraParts, ...parts], inherit ? '+=' : '='),
      ...more,
    ],
  }
}

/** Returns the user's own text unchanged: it is configuration, not a value. */
function additionalConfig({ appSettings: { buildout_additional_config } }: Context): RawText[] {
  return isSet(buildout_additional_config) ? [{ raw: buildout_additional_config }] : []
}

function zeoClientCfg(context: Context): BuildoutCfg {
  const { attributes, values } = context
  const site = attributes.plone_instances
  const stored: Storage = storage(attributes, context.app, values)
  const celery = celerySections(context)
  const count = clientCount(attributes, attributes.opsworks.instance)
  const clients = Array.from({ length: count }, (_, index) => `client${index + 1}`)
  const parts = [...stored.parts, ...clients, ...(celery.length > 0 ? ['celery'] : [])]
  return [
    buildout(context, [site.base_config, ...stored.extends], parts, [
      ...additions('eggs', stored.eggs),
      ...additions('find-links', site.traceview_tracing ? ['http://pypi.tracelytics.com/oboe'] : []),
    ]),
    ...additionalConfig(context),
    ...stored.sections,
    ...solrHost(context),
    ...celery,
    ...clients.map((_, index) => (index === 0 ? firstClient(context, count) : nextClient(context, index + 1))),
  ]
}

function solrHost({ attributes, values }: Context): Section[] {
  const { solr_enabled, solr_host, solr_layer } = attributes.plone_instances
  if (!solr_enabled) return []
  const host = isSet(solr_host) ? solr_host : onlineAddresses(attributes, solr_layer)[0]
  if (host === undefined) return []
  return [
    {
      name: 'solr-host',
      options: [option('host', values.writtenLine('plone_instances.solr_host', host, buildoutValue))],
    },
  ]
}

function tracingEggs({ plone_instances }: SiteAttributes): string[] {
  return [
    ...(plone_instances.traceview_tracing ? ['collective.traceview', 'oboe'] : []),
    ...(plone_instances.newrelic_tracing ? ['collective.newrelic'] : []),
  ]
}

/** Returns how many clients New Relic traces; 0 means all. */
function tracingClients({ attributes }: Context): number {
  return attributes.plone_instances.tracing_clients
}

function firstClient(context: Context, count: number): Section {
  const { attributes, values, appSettings, deployTo } = context
  const site = attributes.plone_instances
  const plain = (name: string, key: string, value: AttributeValue) =>
    isSet(value) ? [option(name, values.writtenLine(key, value, buildoutValueForZope))] : []
  const environment = deployCfgEnvironment(appEnvironment(attributes, 'zeo-client', deployTo, values))
  const tracesAll = tracingClients(context) === 0 || count === 1
  // Zope for Python 2.4 has no fast listening; other versions would accept connections before they can serve.
  const slowStart = String(appSettings.python_major_version) === '2.4' ? [] : [option('http-fast-listen', 'off')]
  return {
    name: 'client1',
    options: [
      ...(site.shared_blobs ? [] : [option('shared-blob', 'off')]),
      ...plain('blob-storage', 'plone_blobs.blob_dir', attributes.plone_blobs.blob_dir),
      ...ownAddress(context, 1),
      ...cacheName(context, 1),
      ...plain('zodb-cache-size', 'plone_instances.zodb_cache_size', site.zodb_cache_size),
      ...plain('zserver-threads', 'plone_instances.zserver_threads', site.zserver_threads),
      ...slowStart,
      ...additions('eggs', tracesAll ? tracingEggs(attributes) : []),
      option('environment-vars', zopeEnvironment(environment).lines, '+='),
      ...loggingOptions('event-log-custom', site),
    ],
  }
}

function nextClient(context: Context, n: number): Section {
  const eggs = tracingEggs(context.attributes)
  const traces = eggs.length > 0 && tracingClients(context) >= n - 1
  return {
    name: `client${n}`,
    extends: 'client1',
    options: [
      option('http-address', httpAddress(context, n)),
      ...cacheName(context, n),
      // Set the list instead of adding to it: otherwise each client would inherit the first one's tracing, or its lack.
      ...(traces ? [option('eggs', [reference('client1', 'eggs'), ...eggs])] : []),
    ],
  }
}

/** Returns the address options; without the attribute, the first client listens as in the site's own buildout. */
function ownAddress(context: Context, n: number): Option[] {
  return isSet(context.attributes.plone_instances.listen_address)
    ? [option('http-address', httpAddress(context, n))]
    : []
}

function httpAddress({ attributes }: Context, n: number): string {
  const { listen_address } = attributes.plone_instances
  return isSet(listen_address) ? `${listen_address}:${clientPort(n)}` : String(clientPort(n))
}

/** Names the client, so that it keeps its ZEO cache on disk across restarts. */
function cacheName({ attributes }: Context, n: number): Option[] {
  return attributes.plone_instances.persistent_cache ? [option('zeo-client-client', `zeoclient-${n}`)] : []
}

function loggingOptions(
  name: string,
  from: { readonly syslog_facility: string | null; readonly syslog_level: string },
): Option[] {
  if (!isSet(from.syslog_facility)) return []
  const facility = from.syslog_facility.trim()
  const level = from.syslog_level.trim()
  const client = reference('', '_buildout_section_name_')
  const file = [`path ${reference('buildout', 'directory')}/var/log/${client}.log`, 'level INFO']
  const format = `format ${client}: %(message)s`
  const syslog = ['address /dev/log', `facility ${facility}`, format, `level ${level}`.trim()]
  return [option(name, ['<logfile>', ...file, '</logfile>', '<syslog>', ...syslog, '</syslog>'])]
}

function celerySections({ attributes, values }: Context): Section[] {
  const host = celeryBroker(attributes)
  if (host === undefined) return []
  const { broker, newrelic_tracing } = attributes.plone_instances
  const [passwordKey, password] = isSet(broker.password)
    ? ['plone_instances.broker.password', broker.password]
    : ['redis.config.requirepass', attributes.redis.config.requirepass]
  const agent = newrelic_tracing
    ? [
        ...additions('eggs', ['newrelic']),
        ...additions('additional-config', agentStart(attributes.newrelic.license?.trim() ?? '')),
      ]
    : []
  return [
    {
      name: 'celery-broker',
      options: [
        option('host', values.writtenLine('plone_instances.broker.host', host, buildoutValue)),
        option('port', values.writtenLine('plone_instances.broker.port', broker.port, buildoutValue)),
        ...(isSet(password) ? [option('password', values.written(passwordKey, password, buildoutValue))] : []),
      ],
    },
    {
      name: 'celery',
      options: [
        option('broker-host', reference('celery-broker', 'host')),
        option('broker-port', reference('celery-broker', 'port')),
        ...agent,
      ],
    },
  ]
}

/**
 * Returns Python code that starts New Relic's agent in Celery's configuration, because workers have no Zope to do it.
 * Its lines equal those of existing sites, so that a migration to converge changes nothing.
 */
function agentStart(license: string): string[] {
  return [
    'import newrelic.agent',
    'import os',
    "config_file = os.environ.get('NEW_RELIC_CONFIG_FILE', None)",
    "environment = os.environ.get('NEW_RELIC_ENVIRONMENT', None)",
    // buildout would read `${` as a reference to an option.
    `os.environ['NEW_RELIC_LICENSE_KEY'] = ${pythonString(license).replaceAll('${', '\\x24{')}`,
    'newrelic.agent.initialize(config_file, environment)',
  ]
}

function zeoServerCfg(context: Context): BuildoutCfg {
  const { attributes, values } = context
  const server = attributes.plone_zeoserver
  const blobs = attributes.plone_blobs.blob_dir
  const options = [
    ...(isSet(blobs)
      ? [option('blob-storage', values.writtenLine('plone_blobs.blob_dir', blobs, buildoutValueForZope))]
      : []),
    ...loggingOptions('zeo-log-custom', server),
  ]
  const jobs = [...(server.enable_backup ? ['backupcronjob'] : []), ...(server.enable_pack ? ['packcronjob'] : [])]
  return [
    buildout(context, [server.base_config], ['zeoserver', 'backup', ...jobs]),
    ...(options.length > 0 ? [{ name: 'zeoserver', options }] : []),
    ...additionalConfig(context),
  ]
}

function solrCfg(context: Context): BuildoutCfg {
  const host = hostAddress(context.attributes.opsworks.instance)
  return [
    buildout(context, [context.attributes.plone_solr.base_config], ['solr-download', 'solr-instance']),
    ...additionalConfig(context),
    {
      name: 'solr-host',
      options: [option('host', context.values.writtenLine('opsworks.instance.public_dns_name', host, buildoutValue))],
    },
  ]
}
