/** Defines the roles that run a buildout app, by the parts in which they differ from other apps. */
import { type Recipe, type Role, role } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { file } from '../../resources/files/file.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import { zope_cache } from '../../resources/zope/zope_cache.ts'
import type { AppParts, AppRelease, Purpose } from '../app/app_parts.ts'
import { sourceOf } from '../app/checkout.ts'
import { activateExisting, appEvents, deploy, isDeployed } from '../app/lifecycle.ts'
import { finishRollback } from '../app/rollback.ts'
import { switchCurrent } from '../app/switch.ts'
import { noRepository, warnOfAttribute } from '../attribute_warning.ts'
import { withRepository } from '../deployed_apps.ts'
import type { SiteNode } from '../node.ts'
import { linkMountedBlobs, requireBlobMount, requireSameBlobDirectory } from './blob_mounts.ts'
import { buildRelease } from './build.ts'
import { type BuildoutApp, buildoutApp, sectionOf } from './buildout_app.ts'
import { banAfterSwitch } from './cached_pages.ts'
import { checks } from './checks.ts'
import { deployTarget } from './deploy_target.ts'
import { developUp } from './develop.ts'
import { inspect } from './inspect.ts'
import { removeJobs, scheduleJobs } from './jobs.ts'
import { reportMissingHosts } from './missing_hosts.ts'
import { newRelicConfig } from './newrelic.ts'
import { type Program, programs } from './programs.ts'
import { givenDifferences } from './release_differences.ts'
import { clearRollbackPin, givenPin, pinConfiguration } from './rollback_pin.ts'
import { setup } from './setup.ts'
import { appName } from './site.ts'
import { restartAll, startAll, stopAll } from './start_stop.ts'
import { recordedPrograms, removeOtherPrograms, restartPrograms } from './supervised_programs.ts'
import type { BuildoutRole } from './types.ts'
import { upkeepEvents } from './upkeep.ts'
import { warnOfLoopback } from './zeo_reach.ts'

export function buildoutRole(name: BuildoutRole, doc: string, { sharesData = false } = {}): Role<SiteNode> {
  const partsOf = (r: Recipe<SiteNode>, node: SiteNode) => buildoutParts(r, node, buildoutApp(node, name))
  return role<SiteNode>(name, {
    doc,
    sharesData,
    apps: (node) => withRepository(node, appName(node, name)),
    ...appEvents((r, node, declare) => declare(partsOf(r, node))),
    events: {
      develop_up: (r, node) => developUp(r, node, buildoutApp(node, name)),
      ...(name === 'zeo-server' ? upkeepEvents() : {}),
    },
    rebuild: (r, node) => deploy(r, node, partsOf(r, node), 'rebuild'),
    inspect: (node, host) => inspect(node, name, host),
    checks: (node, host, roles) => checks(node, name, host, roles),
  })
}

/** Returns the parts of a buildout app: its release contains the configuration, and its programs restart in turn. */
function buildoutParts(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): AppParts {
  const requested = () => programs(node, app.role, { deployTo: app.deployTo })
  const programsOf = ({ existing }: Partial<AppRelease> = {}, warnIn?: Recipe<SiteNode>) =>
    existing === undefined ? requested() : recordedPrograms(node, app, existing, warnIn)
  const parts: AppParts = {
    app,
    noSource: noRepository(app.role, app.name),
    setup: () => setup(r, node, app),
    sharesDeploy: (purpose) => sharesDeploy(r, node, app, requested(), purpose),
    findSource: () => sourceOf(app),
    rolledBack: {
      given: (declare) => givenPin(r, app, (pinned) => declare(pinned !== null)),
      keepRelease: () => keepRolledBackRelease(r, node, app, parts),
    },
    prepare(options) {
      requireBlobMount(r, node, app, options)
      linkMountedBlobs(r, node, app, options)
      return []
    },
    checkBeforeBuild: () => reportMissingHosts(r, node, app),
    build: (source, purpose, guard) => buildRelease(r, node, app, { source, purpose, programs: requested(), guard }),
    deployTarget: (release) => deployTarget(node, app, programsOf(release)),
    checkBuild({ path }, options) {
      requireSameBlobDirectory(r, node, app, path, options)
      warnOfLoopback(r, node, app, path, options)
    },
    afterMigration: ({ path }, options) => void zope_cache(r, { release: path, ...options }),
    activate(release, { purpose, options, declareHook }) {
      const agent = release.existing === undefined ? newRelicConfig(r, node, app, options) : []
      const current = switchCurrent(r, app, release.path, options)
      if (purpose === 'deploy' || purpose === 'rebuild') clearRollbackPin(r, app)
      const when = [current, ...agent]
      declareHook('before_restart', { when, ...options })
      restartPrograms(r, node, app, programsOf(release, r), { when, ...options })
      declareHook('after_restart', { when, ...options })
      if (app.role === 'zeo-client') banAfterSwitch(r, node, app, { when, ...options })
      return when
    },
    scheduleJobs: ({ path }, options) => scheduleJobs(r, node, app, path, options),
    givenDifferences(release, declare) {
      const programs = () => ({ recorded: recordedPrograms(node, app, release), requested: requested() })
      givenDifferences(r, node, app, release, { programs, declare })
    },
    pinConfiguration: (target, current) => pinConfiguration(r, app, target, current),
    start: () => startAll(r, node, app),
    restart: () => restartAll(r, node, app),
    stop: () => stopAll(r, node, app),
    remove() {
      stopAll(r, node, app)
      removeOtherPrograms(r, app, [])
      removeJobs(r, node, app)
      if (app.system) file(r, { path: `/etc/logrotate.d/converge-${app.name}`, absent: true })
    },
  }
  return parts
}

/** Refuses two roles of a run that deploy to the same directory; a configure after a deploy has nothing to do. */
function sharesDeploy(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  requested: readonly Program[],
  purpose: Purpose,
): boolean {
  if (!isDeployed(r, app)) return false
  if (requested.every(({ name }) => r.has('supervisor_program', name))) return true
  const message = `two roles of this run deploy to ${app.deployTo}; ${app.role} is the second one`
  const hint =
    'name another app for one of them (plone_instances.app_name, plone_zeoserver.app_name, plone_solr.app_name)'
  if (purpose === 'deploy') throw new ConvergeError(message, { code: 'SAME_APP', hint, usage: true })
  warnOfAttribute(r, node, { attribute: [sectionOf(app.role), 'app_name'], message, hint })
  return true
}

/** Keeps the release of a rollback, and finishes an interrupted run. */
function keepRolledBackRelease(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, parts: AppParts): void {
  r.warn(
    `${app.name} was rolled back from the configuration that the attributes ask for, and keeps that of its release (deploy again to use the attributes)`,
  )
  r.given(currentReleaseOf(app), (current) => {
    if (current === undefined) finishRollback(r, app)
    else activateExisting(r, node, parts, current)
  })
}
