/** Defines the attributes of Django apps, for which the cookbook has a recipe; converge deploys them with port-app. */
import * as z from 'zod'
import { group, optional, unimplemented } from './fields.ts'
import type { Notes } from './schema_notes.ts'

const noRole: Notes = {
  unused:
    'deploy the app with the role port-app: gunicorn in port_app.command, pip and collectstatic in port_app.build_command, the migration in migrate_command',
}

const gunicorn = () =>
  group(
    'Whether gunicorn serves the app, and its options.',
    {
      enabled: unimplemented(false, 'Runs gunicorn.'),
      host: unimplemented('0.0.0.0', 'Address that it listens on.'),
      port: unimplemented(8080, 'Port that it listens on.'),
      backlog: unimplemented(2048, 'Connections that may wait.'),
      workers: unimplemented(null, 'Worker processes; null for four for each CPU, eight at most.'),
      worker_class: unimplemented('sync', 'Kind of worker.'),
      max_requests: unimplemented(0, 'Requests after which a worker is replaced; 0 for no limit.'),
      timeout: unimplemented(30, 'How long a worker may be silent.', { unit: 'seconds' }),
      keepalive: unimplemented(2, 'How long a connection stays open for the next request.', { unit: 'seconds' }),
      preload_app: unimplemented(false, 'Loads the app before workers start.'),
      environment: unimplemented({}, 'Environment variables of gunicorn.'),
    },
    { open: true, ...noRole },
  )

const broker = () =>
  group(
    'The broker of Celery.',
    {
      transport: unimplemented('amqplib', 'Kind of broker.'),
      host: unimplemented(null, 'Host of the broker.'),
      port: unimplemented(null, 'Port of the broker.'),
      user: unimplemented(null, 'Account to connect as.'),
      password: unimplemented(null, 'Password of that account.', { sensitive: true }),
      vhost: unimplemented(null, 'Virtual host of the broker.'),
      pool_limit: unimplemented(null, 'Connections at a time.'),
      connection_timeout: unimplemented(null, 'How long a connection may take.', { unit: 'seconds' }),
      connection_retry: unimplemented(null, 'Whether it connects again.'),
      connection_max_retries: unimplemented(null, 'How often it connects again.'),
      use_ssl: unimplemented(null, 'Connects with TLS.'),
    },
    { open: true },
  )

const celery = () =>
  group(
    'Whether Celery runs, and its options.',
    {
      enabled: unimplemented(false, 'Runs a worker.'),
      app_name: unimplemented(null, 'Module of the Celery app.'),
      djcelery: unimplemented(false, 'Runs it by manage.py.'),
      version: unimplemented(null, 'Version of Celery.'),
      results: unimplemented(null, 'Where results are stored.'),
      broker: broker(),
      config_file: unimplemented('celeryconfig.py', 'Name of the generated configuration.'),
      enable_events: unimplemented(false, 'Sends events of tasks.'),
      celerycam: unimplemented(false, 'Takes snapshots of events.'),
      celerybeat: unimplemented(false, 'Runs the scheduler.'),
      queues: unimplemented(null, 'Queues that the worker reads.'),
    },
    { open: true, ...noRole },
  )

const fields = () => ({
  settings_template: unimplemented('settings.py.erb', 'Template of the generated settings.', noRole),
  settings_file: unimplemented('local_settings.py', 'Path of the generated settings, below `current`.', noRole),
  settings_cookbook: unimplemented(null, 'Cookbook that holds the template.', noRole),
  requirements: unimplemented('requirements.txt', 'File with the packages that pip installs.', noRole),
  collect_static: unimplemented(false, 'Collects static files: true, or a command of manage.py.', noRole),
  legacy_db: unimplemented(false, 'Writes the DATABASE_* settings of old versions as well.', noRole),
  database: group(
    'The database of the app.',
    {
      adapter: unimplemented(null, 'Kind of database.'),
      name: unimplemented(null, 'Name of the database.'),
      host: unimplemented(null, 'Host the database runs on.'),
      port: unimplemented(null, 'TCP port of the database.'),
      username: unimplemented(null, 'Account to connect as.'),
      password: unimplemented(null, 'Password of that account.', { sensitive: true }),
    },
    { open: true, ...noRole },
  ),
  debug: unimplemented(false, 'The setting DEBUG.', noRole),
  migration_command: unimplemented(null, 'Arguments of Python that migrate the database.', noRole),
  gunicorn: gunicorn(),
  celery: celery(),
})

export const deploy_django = () =>
  group('Settings of all Django apps; `deploy.<app>.django_<name>` takes precedence.', fields(), {
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
