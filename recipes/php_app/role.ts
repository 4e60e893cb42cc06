/** Defines the role php-app: PHP in php-fpm behind nginx, updated hot by a link or cold by configuration. */
import { type Recipe, role } from '../../core/compile/role.ts'
import { isReference } from '../../core/model/reference.ts'
import { shellWords } from '../../core/text/shell.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { supervisor_cleanup } from '../../resources/supervisor/supervisor_cleanup.ts'
import { declareAccount, releaseDirectories } from '../app/account.ts'
import { givenCurrentRelease } from '../app/app.ts'
import type { AppParts } from '../app/app_parts.ts'
import { checkout, sourceOf } from '../app/checkout.ts'
import { appEvents, unlessDeployed } from '../app/lifecycle.ts'
import { endStop } from '../app/stopped.ts'
import { installSupervisor } from '../app/supervisor.ts'
import { noRepository } from '../attribute_warning.ts'
import { withRepository } from '../deployed_apps.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { deployTarget } from '../web/deploy_target.ts'
import { maintenanceEvents } from '../web/maintenance.ts'
import { nginxSetup } from '../web/nginx.ts'
import { removeSite, unserveSite } from '../web/site.ts'
import { checks } from './checks.ts'
import { inspect } from './inspect.ts'
import { givenPhpApp, type PhpApp, packageOf, phpApp } from './php_app.ts'
import { declarePool, noteFirstHotUpdate, serveRelease, testBeforeSwitch } from './serve.ts'

/** Returns the parts of a PHP app: php-fpm keeps running, and nginx passes requests to the files of another release. */
function phpParts(r: Recipe<SiteNode>, node: SiteNode, php: PhpApp): AppParts {
  const { app, fpm } = php
  return {
    app,
    noSource: noRepository('php-app', app.name),
    links: [app.current, php.next],
    setup: () => setup(r, node, php),
    findSource() {
      releaseDirectories(r, app)
      return sourceOf(app)
    },
    prepare() {
      noteFirstHotUpdate(r, php)
      return [declarePool(r, node, php)]
    },
    build(source) {
      const { build_command } = node.php_app
      const build = build_command === null ? null : shellWords(['sh', '-c', build_command])
      return checkout(r, node, app, { source, inputs: {}, record: null, build })
    },
    deployTarget: () => deployTarget(node, php, 'php-app'),
    testBeforeSwitch: ({ path }) => testBeforeSwitch(r, php, path),
    activate({ path }, { prepared, declareHook }) {
      declareHook('before_restart')
      endStop(r, app)
      const current = serveRelease(r, node, php, path, { reloadAfter: prepared })
      declareHook('after_restart')
      return [current]
    },
    adapt: () => serveCurrent(r, node, php),
    start: () => unlessDeployed(r, app, () => serveCurrent(r, node, php)),
    restart: () => serveCurrent(r, node, php, node.run.id),
    stop() {
      unserveSite(r, php)
      // The system's php-fpm serves other apps too, and keeps running.
      if (!app.system) service(r, { name: fpm.reload.name, provider: fpm.reload.provider, action: 'stopped' })
    },
    remove() {
      removeSite(r, php)
      removePool(r, php)
    },
  }
}

function setup(r: Recipe<SiteNode>, node: SiteNode, { app, nginx, fpm }: PhpApp): void {
  const appPackages = (app.attributes.os_packages ?? []).map(({ name }) => name)
  if (app.system) packages(r, { names: ['git', packageOf(fpm), ...appPackages] })
  declareAccount(r, app)
  releaseDirectories(r, app)
  if (!app.system) {
    for (const path of ['/etc/php', '/run', '/var/log']) directory(r, { path: underPrefix(node, path), parents: true })
    installSupervisor(r, node, app)
  }
  nginxSetup(r, app, nginx)
}

/**
 * Serves the current release with the configuration from the attributes.
 * @param force name of a command that reloads php-fpm and nginx regardless of changes
 */
function serveCurrent(r: Recipe<SiteNode>, node: SiteNode, php: PhpApp, force?: string): void {
  const { app } = php
  givenCurrentRelease(r, app, ({ path }) => {
    endStop(r, app)
    noteFirstHotUpdate(r, php)
    const pool = declarePool(r, node, php)
    serveRelease(r, node, php, path, { reloadAfter: [pool], force })
  })
}

function removePool(r: Recipe<SiteNode>, { app, fpm }: PhpApp): void {
  const { confDir, socket } = app.supervisor
  if (!app.system) supervisor_cleanup(r, { app: app.name, keep: [], confDir, socket })
  // Without php-fpm there is no pool.
  if (isReference(fpm.config)) return
  const removed = file(r, { path: fpm.config, absent: true })
  const { name, provider, check } = fpm.reload
  if (app.system) service_reload(r, { name, purpose: app.name, provider, check: [...check], when: [removed] })
}

export default role<SiteNode>('php-app', {
  doc: 'A PHP application in php-fpm behind nginx, updated hot by a link or cold by its configuration',
  apps: (node) => withRepository(node, node.php_app.app_name),
  ...appEvents((r, node, declare) => givenPhpApp(r, node, (php) => declare(phpParts(r, node, php)))),
  events: maintenanceEvents((node) => phpApp(node, null).app.name),
  inspect,
  checks,
})
