/** Setup of a buildout app: packages, account, directories, Python, supervisor. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { archive } from '../../resources/archive.ts'
import { directory } from '../../resources/directory.ts'
import { file } from '../../resources/file.ts'
import { group } from '../../resources/group.ts'
import { package_ as packages } from '../../resources/package.ts'
import { symlink } from '../../resources/symlink.ts'
import { user } from '../../resources/user.ts'
import { virtualenv } from '../../resources/virtualenv.ts'
import { type PloneNode, placed } from '../node.ts'
import { type Layout, layout, sharedDirectories } from './layout.ts'
import { buildoutSetting } from './site.ts'
import { supervisorService } from './supervisor.ts'
import type { BuildoutRole } from './types.ts'

/** zc.buildout of the virtualenv where no `buildout_version` is set: the one the example and the tests build with. */
const defaultBuildout = '6.0.1'

export function setup(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  if (at.system) packagesOf(r, node, at)
  accounts(r, at)
  if (at.system)
    file(r, {
      path: `/etc/logrotate.d/converge-${at.app}`,
      content: logrotate(at),
      mode: '0644',
      owner: 'root',
      group: 'root',
    })
  appDirectories(r, node, at)
  dataDirectories(r, node, at)
  caches(r, node, at)
  const version = buildoutSetting(node, at.app, 'buildout_version')
  virtualenv(r, {
    path: at.environment,
    python: pythonOf(node, at),
    packages: { 'zc.buildout': version || defaultBuildout, ...pythonPackages(node, at) },
    ...at.account,
  })
  supervisorService(r, node, at)
}

export function pythonOf(node: PloneNode, { own }: Layout): string {
  return own.python_major_version ? `python${own.python_major_version}` : node.converge.python
}

function pythonPackages(node: PloneNode, { own }: Layout): Record<string, string> {
  return Object.fromEntries(
    (own.packages ?? node.deploy_python.packages).map(({ name, version }) => [name, version ?? '']),
  )
}

function packagesOf(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  const own = at.own.os_packages ?? node.deploy_python.os_packages
  const pinned = own.filter(({ version }) => version)
  packages(r, { names: [...basePackages(node, at), ...own.filter(({ version }) => !version).map(({ name }) => name)] })
  if (pinned.length > 0)
    packages(r, { names: Object.fromEntries(pinned.map(({ name, version }) => [name, version ?? ''])) })
}

/** None for an ordinary user, to whom everything belongs anyway. */
function accounts(r: Recipe<PloneNode>, at: Layout): void {
  const { owner, group: groupName } = at.owner
  if (groupName !== undefined) group(r, { name: groupName })
  if (owner === undefined || owner === 'root') return
  user(r, {
    name: owner,
    group: groupName,
    home: at.own.home ?? `/home/${owner}`,
    shell: at.own.shell ?? '/bin/bash',
    manageHome: true,
  })
}

/** What every buildout host needs, and what RelStorage's drivers are compiled with. */
function basePackages(node: PloneNode, at: Layout): string[] {
  const names = ['git', 'python3-venv', 'supervisor', 'logrotate', 'cron']
  const { enable_relstorage, relstorage } = node.plone_instances
  if (at.role !== 'zeo-client' || !enable_relstorage) return names
  const type = relstorage.db.type?.toLowerCase() ?? 'postgres'
  const driver = type === 'mysql' ? ['default-libmysqlclient-dev'] : type.startsWith('postgres') ? ['libpq-dev'] : []
  return [
    ...names,
    'build-essential',
    'python3-dev',
    ...driver,
    ...(relstorage.enable_cache ? ['libmemcached-dev', 'zlib1g-dev'] : []),
  ]
}

/** The directories of an app; a deploy makes sure of them too, since links to new ones may come with it. */
export function appDirectories(r: Recipe<PloneNode>, node: PloneNode, at: Layout, guard: CommonOptions = {}): void {
  const keep = (path: string, mode: string) => {
    if (!r.has('directory', path)) directory(r, { path, parents: true, mode, ...at.owner, ...guard })
  }
  keep(at.deployTo, '0755')
  keep(at.releases, '0755')
  keep(at.shared, '0770')
  const names = sharedDirectories(node, at)
  for (const name of names.includes('var') ? [...names, 'var/log'] : names) keep(`${at.shared}/${name}`, '0770')
}

/** Database, blobs and temporary files may be elsewhere: a disk of their own, a mount shared by all hosts. */
function dataDirectories(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  const runsZeo = at.role === 'zeo-server' || (at.own.buildout_parts_to_include ?? []).includes('zeoserver')
  const linkTo = (name: string, target: string | null | undefined, mode: string) => {
    if (!target) return
    const path = placed(node, target)
    if (path === `${at.shared}/${name}`) return
    directory(r, { path, parents: true, mode, ...at.owner })
    symlink(r, { path: `${at.shared}/${name}`, target: path, ...at.owner })
  }
  if (runsZeo) linkTo('var/filestorage', node.plone_zeoserver.filestorage_dir, '0700')
  if (at.role === 'zeo-server' || (at.role === 'zeo-client' && node.plone_instances.shared_blobs))
    linkTo('var/blobstorage', node.plone_blobs.blob_dir, '0700')
  if (at.role === 'zeo-client' && node.tmpdir.global_tmp)
    symlink(r, { path: `${at.shared}/var/tmp`, target: '/tmp', ...at.owner })
}

/** Archives of eggs and downloads, which save the first build its time. */
function caches(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  for (const cache of buildoutSetting(node, at.app, 'cache_archives')) {
    const { url, user: account, password, path, purge, sha256 } = cache
    archive(r, {
      url,
      into: `${at.deployTo}/${path ?? 'shared'}`,
      ...(account ? { user: account } : {}),
      ...(password ? { password } : {}),
      ...(sha256 ? { sha256 } : {}),
      purge: purge ?? false,
      ...at.owner,
    })
  }
}

function logrotate(at: Layout): string {
  return `# Logs of ${at.app}; written by converge, changes are overwritten.
${at.shared}/var/log/*.log {
    su ${at.owner.owner} ${at.owner.group}
    weekly
    maxsize 100M
    rotate 8
    missingok
    notifempty
    compress
    delaycompress
    copytruncate
}
`
}
