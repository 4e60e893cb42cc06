/** Django apps of the cookbook, which has a recipe for them; converge deploys them with port-app. */
import * as z from 'zod'
import { group, kept, optional } from './fields.ts'
import type { Notes } from './schema_notes.ts'

const noRole: Notes = {
  unused:
    'deploy the app with the role port-app: gunicorn in port_app.command, pip and collectstatic in port_app.build_command, the migration in migrate_command',
}

const gunicorn = () =>
  group(
    'Whether gunicorn serves the app, and its options.',
    {
      enabled: kept(false, 'Runs gunicorn.'),
      host: kept('0.0.0.0', 'Address that it listens at.'),
      port: kept(8080, 'Port that it listens at.'),
      backlog: kept(2048, 'Connections that may wait.'),
      workers: kept(null, 'Worker processes; null for four for each CPU, eight at most.'),
      worker_class: kept('sync', 'Kind of worker.'),
      max_requests: kept(0, 'Requests after which a worker is replaced; 0 for no limit.'),
      timeout: kept(30, 'How long a worker may be silent.', { unit: 'seconds' }),
      keepalive: kept(2, 'How long a connection stays open for the next request.', { unit: 'seconds' }),
      preload_app: kept(false, 'Loads the app before workers start.'),
      environment: kept({}, 'Environment variables of gunicorn.'),
    },
    { open: true, ...noRole },
  )

const broker = () =>
  group(
    'The broker of Celery.',
    {
      transport: kept('amqplib', 'Kind of broker.'),
      host: kept(null, 'Host of the broker.'),
      port: kept(null, 'Port of the broker.'),
      user: kept(null, 'Account to connect as.'),
      password: kept(null, 'Password of that account.', { sensitive: true }),
      vhost: kept(null, 'Virtual host of the broker.'),
      pool_limit: kept(null, 'Connections at a time.'),
      connection_timeout: kept(null, 'How long a connection may take.', { unit: 'seconds' }),
      connection_retry: kept(null, 'Whether it connects again.'),
      connection_max_retries: kept(null, 'How often it connects again.'),
      use_ssl: kept(null, 'Connects with TLS.'),
    },
    { open: true },
  )

const celery = () =>
  group(
    'Whether Celery runs, and its options.',
    {
      enabled: kept(false, 'Runs a worker.'),
      app_name: kept(null, 'Module of the Celery app.'),
      djcelery: kept(false, 'Runs it by manage.py.'),
      version: kept(null, 'Version of Celery.'),
      results: kept(null, 'Where results are stored.'),
      broker: broker(),
      config_file: kept('celeryconfig.py', 'Name of the generated configuration.'),
      enable_events: kept(false, 'Sends events of tasks.'),
      celerycam: kept(false, 'Takes snapshots of events.'),
      celerybeat: kept(false, 'Runs the scheduler.'),
      queues: kept(null, 'Queues that the worker reads.'),
    },
    { open: true, ...noRole },
  )

const fields = () => ({
  settings_template: kept('settings.py.erb', 'Template of the generated settings.', noRole),
  settings_file: kept('local_settings.py', 'Path of the generated settings, below `current`.', noRole),
  settings_cookbook: kept(null, 'Cookbook that holds the template.', noRole),
  requirements: kept('requirements.txt', 'File with the packages that pip installs.', noRole),
  collect_static: kept(false, 'Collects static files: true, or a command of manage.py.', noRole),
  legacy_db: kept(false, 'Writes the DATABASE_* settings of old versions as well.', noRole),
  database: group(
    'The database of the app.',
    {
      adapter: kept(null, 'Kind of database.'),
      name: kept(null, 'Name of the database.'),
      host: kept(null, 'Host the database runs on.'),
      port: kept(null, 'TCP port of the database.'),
      username: kept(null, 'Account to connect as.'),
      password: kept(null, 'Password of that account.', { sensitive: true }),
    },
    { open: true, ...noRole },
  ),
  debug: kept(false, 'The setting DEBUG.', noRole),
  migration_command: kept(null, 'Arguments of Python that migrate the database.', noRole),
  gunicorn: gunicorn(),
  celery: celery(),
})

export const deploy_django = () =>
  group('Settings of all Django apps; `deploy.<app>.django_<name>` goes before.', fields(), {
    cookbook: 'opsworks_deploy_python',
    open: true,
    ...noRole,
  })

/** `django_<name>` of one app, without defaults: those stand above. */
export function djangoFields(): Record<string, z.ZodType> {
  const all: Readonly<Record<string, z.ZodDefault | z.ZodPrefault>> = fields()
  const ofApp = (schema: z.ZodDefault | z.ZodPrefault) =>
    optional(schema.unwrap() as z.ZodType, String(z.globalRegistry.get(schema)?.description), {
      ...noRole,
      usual: schema.parse(undefined),
    })
  const prefixed: Record<string, z.ZodType> = Object.fromEntries(
    Object.entries(all).map(([name, schema]) => [`django_${name}`, ofApp(schema)]),
  )
  // Its recipes read these without the prefix.
  const plain = ['migration_command', 'debug'].map((name) => [name, prefixed[`django_${name}`]])
  return { ...prefixed, ...Object.fromEntries(plain) }
}
