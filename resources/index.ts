/** Exports every resource type: the functions that recipes call, and their definitions. */
import type { AnyDefinition } from '../core/model/resource.ts'
import { archive } from './archive.ts'
import { blob_directories } from './blob_directories.ts'
import { buildout } from './buildout.ts'
import { cron } from './cron.ts'
import { data_location } from './data_location.ts'
import { deploy_hook } from './deploy_hook.ts'
import { directory } from './directory.ts'
import { execute } from './execute.ts'
import { file } from './file.ts'
import { git_release } from './git_release.ts'
import { group } from './group.ts'
import { link_sources } from './link_sources.ts'
import { migration } from './migration.ts'
import { network_mount } from './network_mount.ts'
import { nginx_default_sites } from './nginx_default_sites.ts'
import { package_ } from './package.ts'
import { port_swap } from './port_swap.ts'
import { random_secret } from './random_secret.ts'
import { release_cleanup } from './release_cleanup.ts'
import { release_complete } from './release_complete.ts'
import { release_crontab } from './release_crontab.ts'
import { release_file } from './release_file.ts'
import { release_files } from './release_files.ts'
import { release_history } from './release_history.ts'
import { release_trial } from './release_trial.ts'
import { remote_file } from './remote_file.ts'
import { service } from './service.ts'
import { service_reload } from './service_reload.ts'
import { service_restart } from './service_restart.ts'
import { smoke_test } from './smoke_test.ts'
import { stop_record } from './stop_record.ts'
import { supervisor_autostart } from './supervisor_autostart.ts'
import { supervisor_cleanup } from './supervisor_cleanup.ts'
import { supervisor_program } from './supervisor_program.ts'
import { supervisord } from './supervisord.ts'
import { symlink } from './symlink.ts'
import { template } from './template.ts'
import { unit_command } from './unit_command.ts'
import { user } from './user.ts'
import { varnish_ban } from './varnish_ban.ts'
import { versioned_program } from './versioned_program.ts'
import { virtualenv } from './virtualenv.ts'
import { zope_cache } from './zope_cache.ts'

export {
  archive,
  blob_directories,
  buildout,
  cron,
  data_location,
  deploy_hook,
  directory,
  execute,
  file,
  git_release,
  group,
  link_sources,
  migration,
  network_mount,
  nginx_default_sites,
  package_ as package,
  port_swap,
  random_secret,
  release_cleanup,
  release_complete,
  release_crontab,
  release_file,
  release_files,
  release_history,
  release_trial,
  remote_file,
  service,
  service_reload,
  service_restart,
  smoke_test,
  stop_record,
  supervisor_autostart,
  supervisor_cleanup,
  supervisor_program,
  supervisord,
  symlink,
  template,
  unit_command,
  user,
  varnish_ban,
  versioned_program,
  virtualenv,
  zope_cache,
}

const all = [
  archive,
  blob_directories,
  buildout,
  cron,
  data_location,
  deploy_hook,
  directory,
  execute,
  file,
  git_release,
  group,
  link_sources,
  migration,
  network_mount,
  nginx_default_sites,
  package_,
  port_swap,
  random_secret,
  release_cleanup,
  release_complete,
  release_crontab,
  release_file,
  release_files,
  release_history,
  release_trial,
  remote_file,
  service,
  service_reload,
  service_restart,
  smoke_test,
  stop_record,
  supervisor_autostart,
  supervisor_cleanup,
  supervisor_program,
  supervisord,
  symlink,
  template,
  unit_command,
  user,
  versioned_program,
  varnish_ban,
  virtualenv,
  zope_cache,
]

/** All definitions, by type. */
export const definitions: Readonly<Record<string, AnyDefinition>> = Object.fromEntries(
  all.map(({ definition }) => [definition.type, definition]),
)
