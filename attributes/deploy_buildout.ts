/** Defines how converge runs buildouts: for all applications here, for one of them as `deploy.<app>.buildout_<name>`. */
import * as z from 'zod'
import { field, group, list, optional, orNull, required, withoutNulls } from './fields.ts'
import { urlPath } from './http.ts'
import { accountName, buildoutName, line, links, pattern, relativePath, releasePath, sha256, text } from './texts.ts'
import { choice, environment, flag, number, port, wordList } from './values.ts'

const cacheArchive = () =>
  withoutNulls({
    url: required(line(), 'URL of the archive.'),
    path: required(
      relativePath(),
      'Directory below `deploy_to` to extract it to, e.g. `shared`. It fills what is missing or empty there, but never `var`.',
    ),
    user: optional(line(), 'Account for basic authentication.'),
    password: optional(line(), 'Password of that account.', { sensitive: true }),
    purge: optional(
      flag(),
      'Replaces the files of the archive, and no others, when `url` or `sha256` changes; default false.',
    ),
    sha256: optional(sha256(), 'SHA-256 digest of the archive, in hexadecimal.', { mirrors: '' }),
  })

/** A command line with more than slashes and blanks. */
const command = () =>
  pattern(/^(?=.*[^\s/])[^\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029]*$/, 'a command on one line, such as bin/worker')

const initCommand = () =>
  withoutNulls({
    name: optional(line(), 'Name of the program; default: the number of the command.'),
    cmd: required(command(), 'Command, below `current`, e.g. `bin/worker`.'),
    args: optional(line(), 'Arguments of the command.'),
    delay: optional(number(0), 'Pause before this program when programs restart one after the other; default 0.', {
      unit: 'seconds',
    }),
    type: optional(choice(['program', 'eventlistener']), 'Its kind for supervisor; default program.', { mirrors: '' }),
    eventlistener: optional(flag(), 'Whether it is an event listener of supervisor; the same as type eventlistener.'),
    eventlistener_events: optional(wordList(), 'Events that supervisor sends to a listener: ["TICK_60"].'),
    user: optional(
      accountName(),
      "Account that runs it where converge runs as root; default root for an event listener, since supervisor's socket belongs to root, else that of the app.",
      { mirrors: '' },
    ),
    ready: optional(
      choice(['http', 'tcp', 'zeo', 'stay_up']),
      'Readiness check: a response at `port`, or that the program stays up. Default: http with a port, else stay_up.',
      { mirrors: '' },
    ),
    port: optional(port(), 'Local TCP port of the readiness check.', { mirrors: '' }),
    path: optional(urlPath(), 'Path of the request; default: that of `converge.readiness.path`.', { mirrors: '' }),
    stay_up_seconds: optional(
      number(0),
      'How long a program with the check stay_up must stay up; default `converge.readiness.stay_up_seconds`.',
      { unit: 'seconds', mirrors: '' },
    ),
    events: optional(wordList(), 'Another spelling of `eventlistener_events`.', { mirrors: '' }),
    environment: optional(environment(), 'Environment variables of this program alone.', { mirrors: '' }),
  })

export const buildoutFields = () => ({
  cache_archives: field(list(cacheArchive()), [], 'Archives of eggs or downloads that shorten the first build.'),
  buildout_version: field(line(), '', 'Version of zc.buildout; empty for the one that converge is tested with.'),
  bootstrap_params: field(line(), '', 'Further arguments of the command that makes the build environment.'),
  config: field(releasePath(), 'deploy.cfg', 'Name of the generated configuration, in the release.'),
  config_template: field(line(), 'deploy.cfg.erb', 'Template of the configuration.', {
    unused: 'put what the template adds into buildout_additional_config, or into a file that buildout_extends names',
  }),
  extends: field(
    list(buildoutName()),
    ['buildout.cfg'],
    'Files of the repository that the generated configuration extends.',
  ),
  config_cookbook: field(orNull(line()), null, 'Cookbook that holds the template.', {
    unused: 'put what the template adds into buildout_additional_config, or into a file that buildout_extends names',
  }),
  flags: field(line(), '', 'Further arguments of the command buildout, e.g. `-N`.'),
  supervisor_part: field(
    orNull(line()),
    null,
    'Part of the buildout that contains a supervisor of its own; null for none.',
    { unused: 'list the programs of that part in buildout_init_commands: the supervisor of the host runs them' },
  ),
  inherit_parts: field(flag(), true, 'Adds to the parts of the extended files instead of replacing them.'),
  parts_to_include: field(list(buildoutName()), [], 'Further parts to build.'),
  additional_config: field(text(), '', 'Text to append to the generated configuration.'),
  debug: field(flag(), false, 'Debug mode, for templates that read it.', {
    unused: 'set debug-mode in the [client1] of the site, or in buildout_additional_config',
  }),
  init_commands: field(list(initCommand()), [], 'Further programs that supervisor runs.'),
  init_type: field(
    choice(['supervisor', 'systemd'], { upstart: 'supervisor' }),
    'supervisor',
    'The service manager of the programs.',
    {
      unused: 'remove it: supervisor runs the programs, on every host',
    },
  ),
})

/** Settings of plone_buildout's recipes, which read those of the app alone. */
function ofAppsOnly() {
  const fields = buildoutFields()
  const only = <S extends z.ZodType>(schema: S, name: string): S => {
    z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), unused: `set deploy.<app>.buildout_${name}` })
    return schema
  }
  return {
    extends: only(fields.extends, 'extends'),
    parts_to_include: only(fields.parts_to_include, 'parts_to_include'),
    additional_config: only(fields.additional_config, 'additional_config'),
    init_commands: only(fields.init_commands, 'init_commands'),
  }
}

export const deploy_buildout = () =>
  group(
    'How buildouts are run, for all applications; `deploy.<app>.buildout_<name>` takes precedence.',
    {
      ...buildoutFields(),
      ...ofAppsOnly(),
      symlink_before_migrate: field(
        links(),
        { eggs: 'eggs', downloads: 'downloads', extends: 'extends', var: 'var', parts: 'parts' },
        'Links in the release: directory below `shared` to its name in the release.',
        { unusedKeys: { parts: 'remove it: each release has parts of its own' } },
      ),
      purge_before_symlink: field(
        list(releasePath()),
        ['var', 'eggs', 'downloads', 'extends', 'parts'],
        'Directories of the repository removed to make room for such links.',
      ),
      create_dirs_before_symlink: field(
        list(relativePath()),
        ['var', 'eggs', 'downloads', 'extends', 'parts'],
        'Directories made below `shared`.',
      ),
    },
    { cookbook: 'opsworks_deploy_python' },
  )
