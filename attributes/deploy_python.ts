/** Defines the attributes of the Python environment of an application. */
import { field, group, list } from './fields.ts'
import { line, links, relativePath, releasePath } from './texts.ts'
import { packages } from './values.ts'

export const deploy_python = () =>
  group(
    'The Python environment, for all applications. `deploy.<app>` takes precedence; links and directories of both are combined.',
    {
      custom_type: field(line(), 'python', 'Kind of application.', {
        unused: 'give the host the role for the app: zeo-client, zeo-server, solr or port-app',
      }),
      symlink_before_migrate: field(
        links(),
        {},
        'Links in the release: directory below `shared` to its name in the release.',
      ),
      purge_before_symlink: field(
        list(releasePath()),
        [],
        'Directories of the repository removed to make room for such links.',
      ),
      create_dirs_before_symlink: field(list(relativePath()), ['public', 'tmp'], 'Directories created below `shared`.'),
      packages: field(packages(), [], 'Python packages installed into the virtualenv.'),
      os_packages: field(packages(), [], 'Packages of the distribution to install.'),
      ruby_gems: field(packages(), [], 'Ruby gems to install.', {
        unused: 'install what the gems are for with os_packages',
      }),
      venv_options: field(line(), '--no-site-packages', 'Arguments for creating the virtualenv.', {
        unused: 'remove it: converge makes each virtualenv with venv, without packages of the system',
      }),
    },
    { cookbook: 'opsworks_deploy_python' },
  )
