/** Defines the attributes of the Zope clients: their number, their storage, and the services beside them. */
import * as z from 'zod'
import { copyTarget, maxAgeHours } from './backups.ts'
import { field, group, map, optional, orNull } from './fields.ts'
import { blobMounts } from './plone_blobs.ts'
import {
  addressesWithPorts,
  addressListWithPorts,
  buildoutFile,
  buildoutName,
  cidrNetworks,
  line,
  listenAddresses,
  path,
  text,
} from './texts.ts'
import { choice, flag, integer, number, port } from './values.ts'

const relstorage = () =>
  group(
    'RelStorage: the object database in an SQL database.',
    {
      db: group('The SQL database; where `name` and `dsn` are null, the database of the application is taken.', {
        type: field(
          orNull(line()),
          'postgres',
          'Kind of database: postgres, mysql or oracle. Selects the egg of the driver: psycopg2, mysqlclient (MySQL-python for Python 2) or cx_Oracle.',
        ),
        dsn: field(orNull(line()), null, 'Complete connection string; takes precedence over the single values.', {
          sensitive: true,
        }),
        name: field(orNull(line()), null, 'Name of the database.'),
        host: field(orNull(line()), null, 'Host the database runs on.'),
        port: optional(
          orNull(port()),
          'TCP port of the database, for its connection string; absent for the usual one.',
        ),
        user: field(orNull(line()), null, 'Account to connect as.'),
        password: field(orNull(line()), null, 'Password of that account.', { sensitive: true }),
      }),
      keep_history: field(
        orNull(flag()),
        null,
        'Keeps old revisions of objects until a pack, as option `keep-history` of [relstorage]; null for what the buildout has. A new value requires a new database.',
        { mirrors: '' },
      ),
      backup: group(
        'The backups that the role relstorage-pack makes with pg_dump or mariadb-dump.',
        {
          enabled: field(flag(), false, 'Backs up the database each day at 21:00.'),
          directory: field(
            orNull(path()),
            null,
            'Directory of the backups on the host that packs; null for `shared/var/backups` of the application.',
          ),
          blobs: field(
            flag(),
            true,
            'Backs up the blobs of a shared directory (`shared-blob-dir true`) as well. Blobs in the database are part of it.',
          ),
          copy_to: copyTarget(),
          keep: field(orNull(integer(1)), 14, 'Backups that are kept; null keeps all.'),
          max_age_hours: maxAgeHours(),
        },
        { cookbook: null, needs: 'plone_instances.relstorage.enable_pack' },
      ),
      server: group(
        'The server of the role relstorage-server.',
        {
          listen_addr: field(
            orNull(listenAddresses()),
            null,
            'Addresses it listens on, with spaces between them. Null for loopback, and also the private address of the host if the stack has other hosts.',
          ),
          network: field(
            orNull(cidrNetworks()),
            null,
            'Networks whose hosts PostgreSQL admits, such as `10.0.0.0/16`; null for the private addresses of the stack.',
          ),
        },
        { cookbook: null },
      ),
      enable_cache: field(
        flag(),
        true,
        'Caches objects in memcached: adds pylibmc and sets `servers` in [memcached], which the `cache-servers` of the site refers to.',
      ),
      config: field(buildoutName(), 'cfg/relstorage.cfg', 'Buildout file, in the repository, that sets RelStorage up.'),
      cache_servers: field(
        orNull(addressListWithPorts()),
        null,
        'Memcached servers as `host:port`, with spaces between them; null takes those of the layer memcached.',
      ),
      enable_pack: field(flag(), false, 'Packs the database from this host; set it for one host of a stack.'),
      pack_days: field(number(0), 7, 'Age of the changes a pack keeps.', { unit: 'days' }),
      two_stage_pack: field(flag(), false, 'Packs in two runs, a preparing one and one that deletes.'),
      pack_gc: field(flag(), true, 'Collects garbage, objects nothing refers to, when packing.'),
      truncate_refs: field(flag(), false, 'Clears the table of references after a pack.', {
        needs: 'plone_instances.relstorage.pack_gc',
      }),
    },
    { needs: 'plone_instances.enable_relstorage' },
  )

const storage = () => ({
  enable_relstorage: field(flag(), false, 'Stores objects by RelStorage instead of ZEO.'),
  relstorage: relstorage(),
  zeo_layer: field(line(), 'zeoserver', 'Short name of the layer whose first online host runs the ZEO server.'),
  zeo: group('A ZEO server that no layer knows.', {
    address: field(
      orNull(addressesWithPorts()),
      null,
      'Fixed `host:port` of the ZEO server; null looks it up in the layer.',
    ),
  }),
  shared_blobs: field(
    flag(),
    true,
    'Reads blobs from the shared directory instead of fetching them through the server.',
  ),
  ...blobMounts(),
})

const withCelery = { needs: 'plone_instances.enable_celery' }
const withSolr = { needs: 'plone_instances.solr_enabled' }

const companions = () => ({
  enable_celery: field(flag(), false, 'Runs a Celery worker beside the clients, where a broker is known.'),
  celerybeat: field(flag(), false, "Runs Celery's scheduler as well; set it for one host of a stack.", withCelery),
  celerybeat_layer: field(
    orNull(line()),
    null,
    'Short name of a layer with the role celerybeat, of which only the first online host runs the scheduler; null: each host with `celerybeat` runs it.',
    { ...withCelery, mirrors: '' },
  ),
  celery_args: field(line(), '', 'Arguments of the Celery worker after `worker`.', withCelery),
  celery_readiness: field(
    choice(['ping', 'running']),
    'ping',
    'How a worker shows that it is ready: ping, it answers `celery inspect ping`; running, its process stays up.',
    { mirrors: '' },
  ),
  beat_args: field(line(), '', "Arguments of Celery's scheduler.", withCelery),
  broker_layer: field(
    line(),
    'celery_broker',
    'Short name of the layer whose first online host runs the broker.',
    withCelery,
  ),
  broker: group(
    'A Celery broker that no layer knows.',
    {
      host: field(orNull(line()), null, 'Fixed host of the broker; null looks it up in the layer.'),
      port: field(port(), 6379, 'TCP port of the broker.'),
      password: field(
        orNull(line()),
        null,
        'Password of the broker, as option `password` of the section [celery-broker]; null takes `redis.config.requirepass`.',
        { sensitive: true, mirrors: '' },
      ),
    },
    withCelery,
  ),
  solr_enabled: field(flag(), false, 'Adds the address of Solr to the configuration of the clients.'),
  solr_layer: field(line(), 'solr', 'Short name of the layer whose first online host runs Solr.', withSolr),
  solr_host: field(orNull(line()), null, 'Fixed host of Solr; null looks it up in the layer.', withSolr),
  newrelic_tracing: field(
    flag(),
    false,
    'Traces clients with New Relic: adds collective.newrelic, the variables of the agent and its configuration file.',
  ),
  traceview_tracing: field(
    flag(),
    false,
    'Traces clients with TraceView: adds its eggs and variables. The service has ended.',
  ),
  traceview_sample_rate: field(number(0, 1), 0.1, 'Share of the requests TraceView samples, from 0 to 1.', {
    needs: 'plone_instances.traceview_tracing',
  }),
  tracing_clients: field(integer(0), 1, 'How many of the clients are traced; 0 for all.', {
    needs: ['plone_instances.newrelic_tracing', 'plone_instances.traceview_tracing'],
  }),
  syslog_facility: field(
    orNull(line()),
    null,
    'Syslog facility the clients log to beside their own files; null for none.',
  ),
  syslog_level: field(line(), 'INFO', 'Least severe level that goes to syslog.', { needs: '.syslog_facility' }),
})

export const plone_instances = () =>
  group(
    'The Zope clients of the role zeo-client.',
    {
      base_config: field(
        buildoutFile(),
        'cfg/base.cfg',
        'Buildout file, in the repository, that the generated deploy.cfg extends.',
      ),
      app_name: field(
        line(),
        'plone_instances',
        'Name of the application, as below `deploy`, whose buildout holds the clients.',
      ),
      site_id: field(
        line(),
        'Plone',
        'Path of the site inside Zope, for the virtual host on the front end; empty for the root of the database.',
      ),
      subsites: field(map(line()), {}, 'Further virtual hosts: host name to the path below the site that it shows.'),
      subsite_config: field(map(text()), {}, "Further nginx directives of a subsite's server blocks, by host name."),
      per_cpu: field(number(0), 2, 'Clients for each CPU; fractions are fine, and one client is the least.', {
        unit: 'clients',
      }),
      listen_address: field(
        orNull(z.ipv4({ error: 'an IPv4 address of the host, or null' })),
        null,
        'Address that the clients of a host listen on, such as 127.0.0.1 if the front end is on the same host. Null leaves it to the buildout of the site.',
      ),
      instance_count: field(
        orNull(integer(1)),
        null,
        'Fixed number of clients on this host; null computes it from `per_cpu`.',
      ),
      zodb_cache_size: field(
        orNull(integer(0)),
        null,
        "Size of each connection's object cache; null leaves it to the buildout.",
        {
          unit: 'objects',
        },
      ),
      persistent_cache: field(flag(), true, 'Keeps the ZEO client cache on disk across restarts.'),
      zserver_threads: field(
        orNull(integer(1)),
        null,
        'Threads of each client that serve requests; null leaves it to the buildout.',
      ),
      sticky_sessions: field(flag(), false, 'Makes the balancer send a visitor to the same client each time.'),
      restart_delay: field(number(0), 0, 'Pause before each further client when clients restart one after the other.', {
        unit: 'seconds',
      }),
      ...storage(),
      ...companions(),
    },
    { cookbook: 'plone_buildout' },
  )
