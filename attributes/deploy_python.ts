/** The Python environment of an application. */
import { field, group, line, links, list, packages, relativePath } from './fields.ts'

export const deploy_python = () =>
  group(
    'The Python environment, for all applications; `deploy.<app>` goes before, links and directories are added up.',
    {
      custom_type: field(line(), 'python', 'Kind of application these defaults are for.'),
      symlink_before_migrate: field(
        links(),
        {},
        'Links in the release: directory below `shared` to its name in the release.',
      ),
      purge_before_symlink: field(
        list(relativePath()),
        [],
        'Directories of the repository removed to make room for such links.',
      ),
      create_dirs_before_symlink: field(list(relativePath()), ['public', 'tmp'], 'Directories made below `shared`.'),
      packages: field(packages(), [], 'Python packages installed into the virtualenv.'),
      os_packages: field(packages(), [], 'Packages of the distribution to install.'),
      ruby_gems: field(packages(), [], 'Ruby gems; kept, without effect.'),
      venv_options: field(
        line(),
        '--no-site-packages',
        'Arguments for making the virtualenv, where it still knows them.',
      ),
    },
    { cookbook: 'opsworks_deploy_python' },
  )
