/** Sets up a buildout app: packages, account, directories, Python, supervisor. */
import { posix } from 'node:path'
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { logrotatePattern } from '../../core/text/logrotate.ts'
import { execute } from '../../resources/commands/execute.ts'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { type PloneNode, placed } from '../node.ts'
import { releasesOf } from '../releases/layout.ts'
import { accounts } from '../releases/setup.ts'
import { blobMount } from './blob_mounts.ts'
import { databaseDirectory, indexDirectory } from './data_places.ts'
import { databaseKind } from './database_kind.ts'
import { type Layout, layout, sharedDirectories } from './layout.ts'
import { requirePython } from './python.ts'
import { buildoutSetting } from './site.ts'
import { databaseType } from './storage.ts'
import { supervisorService } from './supervisor.ts'
import type { BuildoutRole } from './types.ts'

export function setup(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  requirePython(node, at)
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
  blobMount(r, node, at)
  appDirectories(r, node, at)
  dataDirectories(r, node, at)
  logLink(r, node, at)
  caches(r, node, at)
  buildEnvironment(r, at)
  supervisorService(r, node, at)
}

/** Declares the virtualenv; a deploy does so too, because a change of Python or of packages requires another one. */
export function buildEnvironment(r: Recipe<PloneNode>, at: Layout, guard: CommonOptions = {}): void {
  if (r.has('virtualenv', at.environment)) return
  const { python, packages } = at.build
  virtualenv(r, { path: at.environment, python, packages, newPython: 'keep', ...at.account, ...guard })
}

function packagesOf(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  const own = at.own.os_packages ?? node.deploy_python.os_packages
  const pinned = own.filter(({ version }) => version)
  packages(r, { names: [...basePackages(node, at), ...own.filter(({ version }) => !version).map(({ name }) => name)] })
  // Any Java is sufficient, such as one below /opt on the PATH.
  if (at.role === 'solr') packages(r, { names: ['default-jre-headless'], notIf: hasJava })
  if (pinned.length > 0)
    packages(r, { names: Object.fromEntries(pinned.map(({ name, version }) => [name, version ?? ''])) })
}

const hasJava = { description: 'this host has java', check: (host: HostReader) => host.which('java') !== null }

/** The compilers and headers for eggs without a wheel, such as lxml and Pillow of the versions that old sites pin. */
const compilerPackages = [
  'build-essential',
  'python3-dev',
  'libjpeg-dev',
  'libpng-dev',
  'libxml2-dev',
  'libxslt1-dev',
  'zlib1g-dev',
]

/** Returns the packages that every buildout host needs, and the headers of RelStorage's drivers. */
function basePackages(node: PloneNode, at: Layout): string[] {
  const names = ['git', 'python3-venv', 'supervisor', 'logrotate', 'cron', ...compilerPackages]
  const { enable_relstorage, relstorage } = node.plone_instances
  if (at.role !== 'zeo-client' || !enable_relstorage) return names
  const headers = databaseKind(databaseType(node, at.app))?.headers
  return [...names, ...(headers ? [headers] : []), ...(relstorage.enable_cache ? ['libmemcached-dev'] : [])]
}

/** Declares the directories of an app; a deploy does so too, because it may add links to new ones. */
export function appDirectories(r: Recipe<PloneNode>, node: PloneNode, at: Layout, guard: CommonOptions = {}): void {
  const keep = (path: string, mode: string) => {
    if (!r.has('directory', path)) directory(r, { path, parents: true, mode, ...at.owner, ...guard })
  }
  keep(at.deployTo, '0755')
  keep(at.releases, '0755')
  keep(at.shared, '0770')
  const data = `${at.shared}/var`
  if (at.role === 'solr' && !r.has('symlink', data)) indexDirectory(r, node, at, guard)
  const names = sharedDirectories(node, at)
  for (const name of names.includes('var') ? [...names, 'var/log'] : names)
    if (name !== 'var' || !r.has('symlink', data)) keep(`${at.shared}/${name}`, '0770')
}

/** Declares directories of database, blobs and temporary files, which may be on another disk or a shared mount. */
function dataDirectories(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  const runsZeo = at.role === 'zeo-server' || (at.own.buildout_parts_to_include ?? []).includes('zeoserver')
  const linkTo = (name: string, target: string | null | undefined, mode: string) => {
    if (!target) return
    const path = placed(node, target)
    if (path === `${at.shared}/${name}`) return
    directory(r, { path, parents: true, mode, ...at.owner })
    symlink(r, { path: `${at.shared}/${name}`, target: path, ...at.owner })
  }
  const database = runsZeo ? databaseDirectory(r, node, at) : null
  linkTo('var/filestorage', database, '0700')
  if (at.role === 'zeo-server' || (at.role === 'zeo-client' && node.plone_instances.shared_blobs))
    linkTo('var/blobstorage', node.plone_blobs.blob_dir, '0700')
  if (runsZeo && node.plone_blobs.blob_dir) emptyDatabase(r, at, database)
  if (at.role === 'zeo-client' && node.tmpdir.global_tmp)
    symlink(r, { path: `${at.shared}/var/tmp`, target: '/tmp', ...at.owner })
}

/**
 * Creates an empty Data.fs, which ZODB reads as a database. Without the file, ZODB removes and recreates the directory
 * of the blobs, which fails for a mount, or below a directory of root.
 */
function emptyDatabase(r: Recipe<PloneNode>, at: Layout, database: string | null): void {
  const path = database ?? `${at.shared}/var/filestorage`
  if (!r.has('directory', path)) directory(r, { path, parents: true, mode: '0700', ...at.owner })
  const { user, group } = at.account
  const account = user === undefined ? {} : { user, ...(group === undefined ? {} : { group }) }
  execute(r, { command: ['touch', `${path}/Data.fs`], creates: `${path}/Data.fs`, ...account })
}

/** Declares OpsWorks' path for the logs of an app as a link; a host that was set up without it stays unchanged. */
function logLink(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  const path = `${at.shared}/log`
  const target = `${at.shared}/var/${at.role === 'solr' ? 'solr/log' : 'log'}`
  const { host } = node.run
  const found = host?.lstat(path) ?? null
  const isOurs = found?.kind === 'link' && host?.readLink(path) === target
  if (isOurs || (found === null && releasesOf(node, at).length === 0 && !r.has('directory', path)))
    symlink(r, { path, target, ...at.owner })
}

/** @throws PROTECTED_PATH */
function cachePlace(at: Layout, path: string): string {
  const place = posix.normalize(`${path}/.`).replace(/\/$/, '')
  if (!/^(\.|\.\.|\/|(releases|current|shared\/var|shared\/repo\.git)(\/|$)|shared\/(env|\.))/.test(place)) return place
  throw new ConvergeError(
    `no archive is unpacked into ${path} of ${at.app}: it holds the releases or the data of the site`,
    {
      code: 'PROTECTED_PATH',
      hint: `set path in deploy.${at.app}.buildout_cache_archives to the directory of the cache, such as shared or shared/eggs`,
      usage: true,
    },
  )
}

/** Unpacks archives of eggs and downloads, which shorten the first build. */
function caches(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  for (const cache of buildoutSetting(node, at.app, 'cache_archives')) {
    const { url, user: account, password, path, purge, sha256 } = cache
    const place = cachePlace(at, path ?? 'shared')
    archive(r, {
      url,
      into: `${at.deployTo}/${place}`,
      // Releases use the existing files, and `shared` also contains the data of the site.
      merge: true,
      except: place === 'shared' ? ['var', 'repo.git', 'env*', '.*'] : [],
      ...(account ? { user: account } : {}),
      ...(password ? { password } : {}),
      ...(sha256 ? { sha256 } : {}),
      purge: purge ?? false,
      ...at.owner,
    })
  }
}

/** Returns the patterns of log files; Solr logs below its own directory in `var`. */
function logPatterns({ role, shared }: Layout): string[] {
  const own = logrotatePattern(`${shared}/var/log`, '*.log')
  if (role !== 'solr') return [own]
  return [
    own,
    ...['solr/*.log', 'solr/log/*.log', 'solr/logs/*.log'].map((name) => logrotatePattern(`${shared}/var`, name)),
  ]
}

function logrotate(at: Layout): string {
  return `# Logs of ${at.app}; written by converge, changes are overwritten.
${logPatterns(at).join('\n')} {
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
