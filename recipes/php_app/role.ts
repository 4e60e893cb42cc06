/** Defines the role php-app: PHP in php-fpm behind nginx, updated hot by a link or cold by configuration. */
import { type Recipe, role } from '../../core/compile/role.ts'
import { isReference } from '../../core/model/reference.ts'
import { shellWords } from '../../core/text/shell.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { supervisor_cleanup } from '../../resources/supervisor/supervisor_cleanup.ts'
import { noRepository, warnOfAttribute } from '../attribute_warning.ts'
import { type PloneNode, placed } from '../node.ts'
import { supervisorService } from '../plone/supervisor.ts'
import { checkout, isDeployed, type Source, sourceOf } from '../releases/checkout.ts'
import { type AppLayout, currentRelease, hasCurrent } from '../releases/layout.ts'
import { hook, migrate, refuseFailed, smokeTest } from '../releases/moments.ts'
import { rollbackBegins, rollbackGoal, rollbackIsOver } from '../releases/rollback.ts'
import { accounts, releaseDirectories, removeReleases } from '../releases/setup.ts'
import { endStop, isLeftStopped, keepDown, recordStop, removeRecord, staysStopped } from '../releases/stopped.ts'
import { deployedApp } from '../web/deployed_app.ts'
import { maintenanceEvents, maintenancePage } from '../web/maintenance.ts'
import { nginxSetup } from '../web/nginx.ts'
import { removeSite, unserveSite } from '../web/site.ts'
import { checks } from './checks.ts'
import { inspect } from './inspect.ts'
import { type PhpLayout, packageOf, phpLayout } from './layout.ts'
import { pool, switchTo, tellFirst, tryOut } from './serve.ts'

function setup(r: Recipe<PloneNode>, node: PloneNode): void {
  const { at, nginx, fpm } = phpLayout(node)
  const own = (at.own.os_packages ?? []).map(({ name }) => name)
  if (at.system) packages(r, { names: ['git', packageOf(fpm), ...own] })
  accounts(r, at)
  releaseDirectories(r, at)
  if (!at.system) {
    for (const path of ['/etc/php', '/run', '/var/log']) directory(r, { path: placed(node, path), parents: true })
    supervisorService(r, node, at)
  }
  nginxSetup(r, at, nginx)
}

/** Does the part of a deploy that changes neither pool nor site, runs no hook and leaves the release incomplete. */
function build(r: Recipe<PloneNode>, node: PloneNode): void {
  const { at } = phpLayout(node)
  releaseDirectories(r, at)
  const source = sourceOf(at)
  if (source === null) return warnOfAttribute(r, node, noRepository('php-app', at.app))
  builtRelease(r, node, at, source)
}

function builtRelease(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout, source: Source) {
  const { build_command } = node.php_app
  const build = build_command === null ? null : shellWords(['sh', '-c', build_command])
  return checkout(r, node, at, { source, inputs: {}, record: null, build })
}

function deploy(r: Recipe<PloneNode>, node: PloneNode): void {
  const php = phpLayout(node)
  const { at } = php
  if (isLeftStopped(r, node, at.app)) return stayStopped(r, php)
  releaseDirectories(r, at)
  const source = sourceOf(at)
  if (source === null) return warnOfAttribute(r, node, noRepository('php-app', at.app))
  tellFirst(r, node, php)
  const config = pool(r, node, php)
  const release = builtRelease(r, node, at, source)
  const app = deployedApp(node, php, 'php-app')
  refuseFailed(r, node, app, release)
  hook(r, node, app, 'before_migrate', release)
  migrate(r, node, app, release)
  release_complete(r, { release: release.path, ...at.owner })
  tryOut(r, php, release.path)
  hook(r, node, app, 'before_symlink', release)
  hook(r, node, app, 'before_restart', release)
  endStop(r, node, at)
  const current = switchTo(r, node, php, release.path, { config })
  hook(r, node, app, 'after_restart', release)
  smokeTest(r, node, app, release, { when: [current], goesBack: true })
  rollbackIsOver(r, at)
  release_cleanup(r, { into: at.releases, current: at.current, keep: Math.max(2, at.own.keep_releases ?? 5) })
}

/** @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE */
function rollback(r: Recipe<PloneNode>, node: PloneNode): void {
  const php = phpLayout(node)
  const target = rollbackGoal(r, node, php.at)
  if (target === null) return
  tellFirst(r, node, php)
  const config = pool(r, node, php)
  rollbackBegins(r, node, php.at, target)
  tryOut(r, php, target.path)
  const app = deployedApp(node, php, 'php-app')
  const release = { path: target.path, commit: target.commit ?? '' }
  hook(r, node, app, 'before_restart', release)
  endStop(r, node, php.at)
  const current = switchTo(r, node, php, target.path, { config })
  hook(r, node, app, 'after_restart', release)
  smokeTest(r, node, app, release, { when: [current], goesBack: false })
  rollbackIsOver(r, php.at)
}

/** Adapts an app that is served, unless a deploy of the same run has done so. */
function configure(r: Recipe<PloneNode>, node: PloneNode): void {
  const php = phpLayout(node)
  if (isDeployed(r, php.at)) return
  if (staysStopped(r, node, php.at.app)) return stayStopped(r, php)
  activate(r, node)
}

function start(r: Recipe<PloneNode>, node: PloneNode): void {
  if (!isDeployed(r, phpLayout(node).at)) activate(r, node)
}

/**
 * Serves the current release with the configuration from the attributes.
 * @param force name of a command that reloads php-fpm and nginx regardless of changes
 */
function activate(r: Recipe<PloneNode>, node: PloneNode, force?: string): void {
  const php = phpLayout(node)
  const live = currentRelease(node, php.at)
  if (live === undefined) return
  endStop(r, node, php.at)
  tellFirst(r, node, php)
  const config = pool(r, node, php)
  switchTo(r, node, php, live.path, { config, force })
}

/** Stops the app until `start` or a deploy. */
function stop(r: Recipe<PloneNode>, node: PloneNode): void {
  const php = phpLayout(node)
  recordStop(r, node, php.at, { onlyIf: hasCurrent(php.at) })
  takeDown(r, php)
}

/** Finishes an interrupted stop, and stops services that were started by hand. */
function stayStopped(r: Recipe<PloneNode>, php: PhpLayout): void {
  keepDown(r, php.at)
  takeDown(r, php)
}

/** Stops serving the app; the system's php-fpm serves other apps too, and keeps running. */
function takeDown(r: Recipe<PloneNode>, php: PhpLayout): void {
  const { at, fpm } = php
  unserveSite(r, php)
  if (!at.system) service(r, { name: fpm.reload.name, provider: fpm.reload.provider, action: 'stopped' })
}

function undeploy(r: Recipe<PloneNode>, node: PloneNode): void {
  const php = phpLayout(node)
  const { at } = php
  removeSite(r, php)
  removePool(r, php)
  removeReleases(r, node, at, [at.current, php.next])
  removeRecord(r, node, at.app)
}

function removePool(r: Recipe<PloneNode>, { at, fpm }: PhpLayout): void {
  const { confDir, socket } = at.supervisor
  if (!at.system) supervisor_cleanup(r, { app: at.app, keep: [], confDir, socket })
  // Without php-fpm there is no pool.
  if (isReference(fpm.config)) return
  const gone = file(r, { path: fpm.config, absent: true })
  const { name, provider, check } = fpm.reload
  if (at.system) service_reload(r, { name, purpose: at.app, provider, check: [...check], when: [gone] })
}

export default role<PloneNode>('php-app', {
  doc: 'A PHP application in php-fpm behind nginx, updated hot by a link or cold by its configuration',
  setup,
  build,
  deploy,
  configure,
  start,
  restart: (r, node) => activate(r, node, node.run.id),
  rollback,
  stop,
  shutdown: (r, node) => takeDown(r, phpLayout(node)),
  undeploy,
  events: maintenanceEvents((node) => maintenancePage(node, phpLayout(node).at.app)),
  inspect,
  checks,
})
