/** Defines the attributes of the applications of a stack: their source, their directory and their build. */
import * as z from 'zod'
import { expectedRepository } from '../core/model/git_source.ts'
import { buildoutFields } from './deploy_buildout.ts'
import { djangoFields } from './deploy_django.ts'
import { field, group, keyed, list, optional, orNull, withoutNulls } from './fields.ts'
import { requestHeaderValues, statusRange, urlPath } from './http.ts'
import {
  accountName,
  commit,
  configuredPath,
  domainName,
  line,
  links,
  ownDirectory,
  path,
  platformServedDirectory,
  relativePath,
  releasePath,
  revision,
  text,
} from './texts.ts'
import { choice, environment, flag, integer, number, packages, port, variableList } from './values.ts'

/** Types that OpsWorks knew. A host may have such an app in its node JSON as long as it does not deploy it. */
const refusedTypes = ['svn', 'archive', 's3', 'other'] as const

const scm = () =>
  withoutNulls({
    scm_type: optional(
      choice(['git', 'directory'], {}, refusedTypes),
      'Kind of source; `directory` is a plain directory of this host, for development.',
    ),
    repository: optional(line(), 'Address of the source: a URL, an scp-like address, a path.'),
    revision: optional(revision(), 'Branch, tag or commit; the default branch where there is none.'),
    commit: optional(
      commit(),
      'Full commit to deploy for `revision`, without a query of the repository. `--revision` takes precedence.',
      { mirrors: '' },
    ),
    ssh_key: optional(text(), 'Private key that may read the repository, its submodules and checkouts of the build.', {
      sensitive: true,
    }),
    known_hosts: optional(text(), 'Lines of known_hosts(5) with the keys of the servers.', {
      mirrors: '',
    }),
    user: optional(line(), 'Account for sources fetched through HTTP.'),
    password: optional(line(), 'Password of that account.', { sensitive: true }),
  }).superRefine(({ scm_type = 'git', repository = '' }, context) => {
    const isDeployable = !refusedTypes.some((type) => type === scm_type)
    const message = isDeployable && repository !== '' ? expectedRepository(repository) : null
    if (message !== null) context.addIssue({ code: 'custom', path: ['repository'], message })
  })

const smokeTest = () =>
  withoutNulls({
    http: field(list(smokeRequest()), [], 'Requests that must succeed; repeated until the deadline.'),
    command: field(orNull(text()), null, 'Command that must succeed, for /bin/sh, in the directory of the release.'),
    deadline_seconds: field(number(1), 60, 'Time limit for the requests, which are repeated, and for the command.', {
      unit: 'seconds',
    }),
    rollback_on_failure: field(
      flag(),
      false,
      'Rolls back to the previous release automatically when one of them fails.',
    ),
  })

const smokeRequest = () =>
  group('One request.', {
    path: field(urlPath(), '/', 'Path of the request.'),
    port: field(orNull(port()), null, 'Port of the request; null for that of each client.'),
    host: field(line(), '127.0.0.1', 'Address that the request goes to.'),
    status: field(statusRange(), { min: 200, max: 399 }, 'Expected status: {min, max}, or one number.'),
    contains: field(orNull(line()), null, 'Text that the answer must contain.'),
    headers: field(requestHeaderValues(), {}, 'Headers of the request, such as Host.'),
  })

const database = () =>
  withoutNulls({
    adapter: optional(line(), 'Kind of database: postgresql, mysql2.'),
    type: optional(line(), 'Kind of database, where `adapter` is absent.'),
    host: optional(line(), 'Host the database runs on.'),
    port: optional(port(), 'TCP port of the database.'),
    username: optional(line(), 'Account to connect as.'),
    password: optional(line(), 'Password of that account.', { sensitive: true }),
    database: optional(line(), 'Name of the database.'),
    reconnect: optional(flag(), 'Kept for the platform that wrote it.'),
    data_source_provider: optional(line(), 'Kept for the platform that wrote it.'),
  })

const placement = () => ({
  deploy_to: optional(ownDirectory(configuredPath()), 'Directory of the application; default /srv/www/<app>.'),
  user: optional(accountName(), 'Account that owns and builds it; default deploy.'),
  group: optional(accountName(), 'Group of its files; default www-data.'),
  home: optional(path(), 'Home directory of that account; default /home/<user>.'),
  shell: optional(path(), 'Login shell of that account.'),
  keep_releases: optional(integer(1), 'Complete releases kept; default 5.', { unit: 'releases' }),
  symlink_before_migrate: optional(
    links(),
    'Links in the release: directory below `shared` to its name in the release.',
  ),
  purge_before_symlink: optional(
    list(releasePath()),
    'Directories of the repository removed to make room for such links.',
  ),
  create_dirs_before_symlink: optional(list(relativePath()), 'Directories created below `shared`.'),
})

const checkout = () => ({
  scm: optional(scm(), 'Where the source comes from.'),
  enable_submodules: optional(flag(), 'Checks out submodules too, at any depth; default true.'),
  shallow_clone: optional(
    flag(),
    'Accepted for compatibility, without effect: converge fetches the history once, and later only new commits.',
  ),
  delete_cached_copy: optional(flag(), 'Drops the local copy of the repository before each deploy; default true.', {
    unused: 'remove it: converge keeps its copy of the repository, and repairs it where it is damaged',
    usual: true,
  }),
  always_build_on_deploy: optional(flag(), 'Builds and restarts in each deploy, changed or not; default false.'),
  always_buildout_on_deploy: optional(flag(), 'Another spelling of `always_build_on_deploy`.'),
  migrate: optional(
    flag(),
    'Runs `migrate_command` before the switch to a release, on one host, once for each commit; default false.',
  ),
  migrate_command: optional(text(), 'Command that migrates data, for /bin/sh, in the directory of the release.'),
  smoke_test: optional(smokeTest(), 'Requests and a command that test a release after the switch.', { mirrors: '' }),
})

const environmentAndServices = () => ({
  environment: optional(
    environment(),
    'Environment variables of the build and of the programs. Numbers, true and false become text; null removes a variable.',
  ),
  environment_variables: optional(
    variableList(),
    'Variables of the console, as a map or as a list of {Key, Value, Secure}. `environment` takes precedence.',
  ),
  custom_type: optional(line(), 'Kind of application: buildout, django or python.', {
    unused:
      'remove it, and name the app in app_name of its role: zeo-client, zeo-server or solr for a buildout, port-app for Django and other servers',
  }),
  document_root: optional(
    platformServedDirectory(),
    'Directory in the release that the web server serves, for php-app. `php_app.document_root` takes precedence.',
  ),
  database: optional(database(), 'Database of the application.'),
  domains: optional(list(domainName()), 'Host names the application answers for.'),
  ssl_support: optional(flag(), 'Answers with TLS as well; default false.'),
  ssl_certificate: optional(text(), 'Certificate, as PEM text.'),
  ssl_certificate_key: optional(text(), 'Private key of the certificate, as PEM text.', { sensitive: true }),
  ssl_certificate_ca: optional(text(), 'Intermediate certificates, as PEM text.'),
  os_packages: optional(packages(), 'Packages of the distribution to install; names, [name, version] pairs or a map.'),
  packages: optional(packages(), 'Python packages for the virtualenv; names, [name, version] pairs or a map.'),
  ruby_gems: optional(packages(), 'Ruby gems to install.', {
    unused: 'install what the gems are for with os_packages',
  }),
  venv_options: optional(line(), 'Arguments for creating the virtualenv.', {
    unused: 'remove it: converge makes each virtualenv with venv, without packages of the system',
  }),
  python_major_version: optional(line(), 'Python to build with, as major.minor in quotes: "3.11".'),
})

/** Keys that the platform writes for every application, and that have no effect here. */
const platformFields = [
  'application absolute_document_root action application_type auto_bundle_on_deploy auto_npm_install_on_deploy',
  'chef_provider current_path initially_deployed memcached mounted_at',
  'mysql nodejs php purge rails_env rake release release_path restart_command sleep_before_restart stack stop_command',
  'symlinks venv',
].flatMap((names) => names.split(' '))

type BuildoutFields = ReturnType<typeof buildoutFields>
type Prefixed<T> = {
  [K in keyof T as `buildout_${K & string}`]: T[K] extends z.ZodDefault<infer S> ? z.ZodOptional<S> : never
}

/** `buildout_<name>` for each setting of `deploy_buildout`, without a default: `deploy_buildout` has it. */
function prefixedFields(): Prefixed<BuildoutFields> {
  const fields: Record<string, z.ZodType> = {}
  for (const [name, schema] of Object.entries<z.ZodDefault>(buildoutFields())) {
    const notes = z.globalRegistry.get(schema)
    fields[`buildout_${name}`] = optional(
      schema.unwrap() as z.ZodType,
      `${notes?.description} Default: \`deploy_buildout.${name}\`.`,
      typeof notes?.unused === 'string' ? { unused: notes.unused, usual: schema.parse(undefined) } : {},
    )
  }
  return fields as unknown as Prefixed<BuildoutFields>
}

const application = () => {
  const platform = optional(z.unknown(), 'Written by the platform; kept, and not read.')
  return withoutNulls({
    ...placement(),
    ...checkout(),
    ...environmentAndServices(),
    ...prefixedFields(),
    buildout_version: optional(line(), 'Version of zc.buildout; takes precedence over `buildout_buildout_version`.'),
    buildout_allow_root: optional(flag(), 'Builds as root where the account is root; default `converge.allow_root`.', {
      mirrors: '',
    }),
    ...(djangoFields() as Record<never, never>),
    ...(Object.fromEntries(platformFields.map((name) => [name, platform])) as Record<never, never>),
  })
}

type GivenApplication = z.output<ReturnType<typeof application>>

/** Adds the defaults: those that follow from the application's name and account, and those that are the same for all. */
function withDefaults(app: GivenApplication, name: string) {
  const user = app.user ?? 'deploy'
  return {
    ...app,
    deploy_to: app.deploy_to ?? `/srv/www/${name}`,
    user,
    group: app.group ?? 'www-data',
    home: app.home ?? (user === 'root' ? '/root' : `/home/${user}`),
    keep_releases: app.keep_releases ?? 5,
    enable_submodules: app.enable_submodules ?? true,
    shallow_clone: app.shallow_clone ?? false,
    delete_cached_copy: app.delete_cached_copy ?? true,
    environment: app.environment ?? {},
    migrate: app.migrate ?? false,
    always_build_on_deploy: app.always_build_on_deploy === true || app.always_buildout_on_deploy === true,
  }
}

const applicationName = () =>
  z.string().regex(/^(?!\.{1,2}$)[^/\s\0-\x1f\x7f-\x9f]([^/\0-\x1f\x7f-\x9f]*[^/\s\0-\x1f\x7f-\x9f])?$/, {
    error: "an application's name: text without slashes",
  })

export const deploy = () => {
  const schema = keyed(applicationName(), application(), withDefaults).prefault({})
  z.globalRegistry.add(schema, {
    description: 'The applications, by name.',
    cookbook: 'deploy',
  })
  return schema
}
