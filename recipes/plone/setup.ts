/** Sets up a buildout app: packages, account, directories, Python, supervisor. */
import { posix } from 'node:path'
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { logrotatePattern } from '../../core/text/logrotate.ts'
import { execute } from '../../resources/commands/execute.ts'
import { archive } from '../../resources/files/archive.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { linkStateOf } from '../../resources/files/queries.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { releasesOf } from '../../resources/releases/queries.ts'
import { declareAccount } from '../app/account.ts'
import { installSupervisor } from '../app/supervisor.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { systemTimezone } from '../site/timezone.ts'
import { temporaryFileSystem } from '../site/tmpfs.ts'
import { mountOf, requireBlobMount } from './blob_mounts.ts'
import { type BuildoutApp, sharedDirectories } from './buildout_app.ts'
import { givenDatabaseDirectory, indexDirectory } from './data_directories.ts'
import { databaseKind } from './database_kind.ts'
import { packsRelstorage } from './relational_upkeep.ts'
import { requirePython } from './require_python.ts'
import { buildoutSetting } from './site.ts'
import { databaseType } from './storage.ts'

export function setup(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  requirePython(r, node, app)
  systemTimezone(r, node)
  if (app.role === 'zeo-client') temporaryFileSystem(r, node)
  if (app.system) packagesOf(r, node, app)
  declareAccount(r, app)
  if (app.system)
    file(r, {
      path: `/etc/logrotate.d/converge-${app.name}`,
      content: logrotate(node, app),
      mode: '0644',
      owner: 'root',
      group: 'root',
    })
  requireBlobMount(r, node, app)
  appDirectories(r, node, app)
  dataDirectories(r, node, app)
  logLink(r, app)
  caches(r, node, app)
  buildEnvironment(r, app)
  installSupervisor(r, node, app)
}

/** Declares the virtualenv; a deploy does so too, because a change of Python or of packages requires another one. */
export function buildEnvironment(r: Recipe<SiteNode>, app: BuildoutApp, guard: CommonOptions = {}): void {
  const { python, packages } = app.build
  r.unlessDeclared('virtualenv', app.environment, () => {
    virtualenv(r, { path: app.environment, python, packages, newPython: 'keep', ...app.account, ...guard })
  })
}

function packagesOf(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  const appPackages = app.attributes.os_packages ?? node.deploy_python.os_packages
  const pinned = appPackages.filter(({ version }) => version)
  packages(r, {
    names: [...basePackages(node, app), ...appPackages.filter(({ version }) => !version).map(({ name }) => name)],
  })
  // Any Java is sufficient, such as one below /opt on the PATH.
  if (app.role === 'solr') packages(r, { names: ['default-jre-headless'], notIf: hasJava })
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
function basePackages(node: SiteNode, app: BuildoutApp): string[] {
  const names = ['git', 'python3-venv', 'supervisor', 'logrotate', 'cron', ...compilerPackages]
  const { enable_relstorage, relstorage } = node.plone_instances
  if (app.role === 'zeo-server' && node.plone_zeoserver.backup.copy_to !== null) return [...names, 'rsync']
  if (app.role !== 'zeo-client' || !enable_relstorage) return names
  const kind = databaseKind(databaseType(node, app.name))
  const backsUp = packsRelstorage(node, app) && relstorage.backup.enabled
  return [
    ...names,
    ...(kind?.headers ? [kind.headers] : []),
    ...(relstorage.enable_cache ? ['libmemcached-dev'] : []),
    ...(backsUp && kind?.client ? [kind.client] : []),
    ...(backsUp && relstorage.backup.copy_to !== null ? ['rsync'] : []),
  ]
}

/** Declares the directories of an app; a deploy does so too, because it may add links to new ones. */
export function appDirectories(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, guard: CommonOptions = {}): void {
  const keep = (path: string, mode: string) =>
    r.unlessDeclared('directory', path, () => {
      directory(r, { path, parents: true, mode, ...app.owner, ...guard })
    })
  keep(app.deployTo, '0755')
  keep(app.releases, '0755')
  keep(app.shared, '0770')
  const data = `${app.shared}/var`
  if (app.role === 'solr') r.unlessDeclared('symlink', data, () => indexDirectory(r, node, app, guard))
  const names = sharedDirectories(node, app)
  const links = dataLinks(node, app)
  for (const name of names.includes('var') ? [...names, 'var/log'] : names)
    if (links.includes(name)) continue
    else if (name === 'var') r.unlessDeclared('symlink', data, () => keep(data, '0770'))
    else keep(`${app.shared}/${name}`, '0770')
}

/** Returns the names below `shared` that are links to data in another directory. */
export function dataLinks(node: SiteNode, app: BuildoutApp): string[] {
  const { database, blobs, tmp } = dataTargets(node, app)
  return [...(database ? ['var/filestorage'] : []), ...(blobs ? ['var/blobstorage'] : []), ...(tmp ? ['var/tmp'] : [])]
}

function runsZeo(app: BuildoutApp): boolean {
  return app.role === 'zeo-server' || (app.attributes.buildout_parts_to_include ?? []).includes('zeoserver')
}

/** Returns the directories of the attributes for data outside `shared`; null: the data is below `shared`. */
function dataTargets(node: SiteNode, app: BuildoutApp) {
  const outside = (name: string, target: string | null | undefined) => {
    if (!target) return null
    const path = underPrefix(node, target)
    return path === `${app.shared}/${name}` ? null : path
  }
  const found = mountOf(node, app)
  const mounted = found !== null && found.managed !== null ? found : null
  const usesBlobs = app.role === 'zeo-server' || (app.role === 'zeo-client' && node.plone_instances.shared_blobs)
  return {
    database: runsZeo(app) ? outside('var/filestorage', node.plone_zeoserver.filestorage_dir) : null,
    blobs: mounted ? mounted.path : usesBlobs ? outside('var/blobstorage', node.plone_blobs.blob_dir) : null,
    /** Nothing is created there: the server of the mount has done so, or the mount itself. */
    areBlobsMounted: mounted !== null,
    tmp: app.role === 'zeo-client' && node.tmpdir.global_tmp ? '/tmp' : null,
  }
}

/** Declares directories of database, blobs and temporary files, which may be on another disk or a shared mount. */
function dataDirectories(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  const { database, blobs, tmp, areBlobsMounted } = dataTargets(node, app)
  const linkTo = (name: string, target: string, mode: string) => {
    if (!(areBlobsMounted && target === blobs)) directory(r, { path: target, parents: true, mode, ...app.owner })
    symlink(r, { path: `${app.shared}/${name}`, target, ...app.owner })
  }
  const linkBlobs = () => {
    if (blobs) linkTo('var/blobstorage', blobs, '0700')
  }
  if (runsZeo(app))
    givenDatabaseDirectory(r, node, app, (found) => {
      if (database) linkTo('var/filestorage', found ?? database, '0700')
      linkBlobs()
      if (node.plone_blobs.blob_dir || areBlobsMounted) emptyDatabase(r, app, found)
    })
  else linkBlobs()
  if (tmp) symlink(r, { path: `${app.shared}/var/tmp`, target: tmp, ...app.owner })
}

/**
 * Creates an empty Data.fs, which ZODB reads as a database. Without the file, ZODB removes and recreates the directory
 * of the blobs, which fails for a mount, or below a directory of root.
 */
function emptyDatabase(r: Recipe<SiteNode>, app: BuildoutApp, database: string | null): void {
  const path = database ?? `${app.shared}/var/filestorage`
  r.unlessDeclared('directory', path, () => {
    directory(r, { path, parents: true, mode: '0700', ...app.owner })
  })
  const { user, group } = app.account
  const account = user === undefined ? {} : { user, ...omitUndefined({ group }) }
  execute(r, { command: ['touch', `${path}/Data.fs`], creates: `${path}/Data.fs`, ...account })
}

/** Declares OpsWorks' path for the logs of an app as a link; a host that was set up without it stays unchanged. */
function logLink(r: Recipe<SiteNode>, app: BuildoutApp): void {
  const path = `${app.shared}/log`
  const target = `${app.shared}/var/${app.role === 'solr' ? 'solr/log' : 'log'}`
  r.given(linkStateOf(path, target), (state) =>
    r.given(releasesOf(app), (releases) => {
      const isNew = state === 'missing' && releases.length === 0 && !r.has('directory', path)
      if (state === 'as asked' || isNew) symlink(r, { path, target, ...app.owner })
    }),
  )
}

/** @throws PROTECTED_PATH */
function cacheDirectory(app: BuildoutApp, path: string): string {
  const normalized = posix.normalize(`${path}/.`).replace(/\/$/, '')
  if (!/^(\.|\.\.|\/|(releases|current|shared\/var|shared\/repo\.git)(\/|$)|shared\/(env|\.))/.test(normalized))
    return normalized
  throw new ConvergeError(
    `no archive is unpacked into ${path} of ${app.name}: it holds the releases or the data of the site`,
    {
      code: 'PROTECTED_PATH',
      hint: `set path in deploy.${app.name}.buildout_cache_archives to the directory of the cache, such as shared or shared/eggs`,
      usage: true,
    },
  )
}

/** Unpacks archives of eggs and downloads, which shorten the first build. */
function caches(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  for (const cache of buildoutSetting(node, app.name, 'cache_archives')) {
    const { url, user: account, password, path, purge, sha256 } = cache
    const into = cacheDirectory(app, path ?? 'shared')
    archive(r, {
      url,
      into: `${app.deployTo}/${into}`,
      // Releases use the existing files, and `shared` also contains the data of the site.
      merge: true,
      except: into === 'shared' ? ['var', 'repo.git', 'env*', '.*'] : [],
      ...(account ? { user: account } : {}),
      ...(password ? { password } : {}),
      ...(sha256 ? { sha256 } : {}),
      purge: purge ?? false,
      ...app.owner,
    })
  }
}

/** Returns the patterns of log files; Solr logs below its own directory in `var`. */
function logPatterns({ role, shared }: BuildoutApp): string[] {
  const appLogs = logrotatePattern(`${shared}/var/log`, '*.log')
  if (role !== 'solr') return [appLogs]
  return [
    appLogs,
    ...['solr/*.log', 'solr/log/*.log', 'solr/logs/*.log'].map((name) => logrotatePattern(`${shared}/var`, name)),
  ]
}

/** With copytruncate, logrotate loses the lines that a program writes between the copy and the truncation. */
export function logrotate({ converge }: SiteNode, app: BuildoutApp): string {
  const { owner, group } = app.owner
  const method = converge.log_rotation === 'rename' ? `create 0640 ${owner} ${group}` : 'copytruncate'
  return `# Logs of ${app.name}; written by converge, changes are overwritten.
${logPatterns(app).join('\n')} {
    su ${owner} ${group}
    weekly
    maxsize 100M
    rotate 8
    missingok
    notifempty
    compress
    delaycompress
    ${method}
}
`
}
