/** Defines the events of every app that is deployed in releases. What differs between the roles is in `AppParts`. */
import type { Recipe, RecipeFunction } from '../../core/compile/role.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'
import { removeReleases } from './account.ts'
import { type App, hasCurrentRelease, readReleases } from './app.ts'
import type { Activation, AppParts, AppRelease, Purpose } from './app_parts.ts'
import type { Source } from './checkout.ts'
import { migrate, runHook } from './deploy_hooks.ts'
import { type Differences, reportRebuild, warnOfKeptValues, warnOfRestoredValues } from './release_attributes.ts'
import { chooseRollbackTarget, finishRollback, recordRollback } from './rollback.ts'
import { refuseFailedRelease, runSmokeTest } from './smoke_test.ts'
import { deployLeavesStopped, disableAutostart, mustStayStopped, recordStop, removeStopRecord } from './stopped.ts'

type AppEvent =
  | 'setup'
  | 'build'
  | 'deploy'
  | 'configure'
  | 'rollback'
  | 'start'
  | 'restart'
  | 'stop'
  | 'shutdown'
  | 'undeploy'

/** Returns the events of a role from its parts. */
export function appEvents(
  partsOf: (r: Recipe<SiteNode>, node: SiteNode) => AppParts,
): Readonly<Record<AppEvent, RecipeFunction<SiteNode>>> {
  return {
    setup: (r, node) => partsOf(r, node).setup(),
    build: (r, node) => build(r, node, partsOf(r, node)),
    deploy: (r, node) => deploy(r, node, partsOf(r, node), 'deploy'),
    configure: (r, node) => configure(r, node, partsOf(r, node)),
    rollback: (r, node) => rollback(r, node, partsOf(r, node)),
    start: (r, node) => partsOf(r, node).start(),
    restart: (r, node) => partsOf(r, node).restart(),
    stop: (r, node) => stop(r, node, partsOf(r, node)),
    shutdown: (r, node) => partsOf(r, node).stop(),
    undeploy: (r, node) => undeploy(r, node, partsOf(r, node)),
  }
}

type DeployPurpose = Exclude<Purpose, 'rollback'>

/**
 * Deploys the app, unless it must stay stopped, has no source, or stays on the release of a rollback.
 * @throws APP_AS_ROOT, UNSUPPORTED_SCM and the refusals of the role
 */
export function deploy(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts, purpose: DeployPurpose): void {
  const { name } = parts.app
  if (parts.sharesDeploy?.(purpose)) return
  const isStopped = purpose === 'configure' ? mustStayStopped(r, node, name) : deployLeavesStopped(r, node, name)
  if (isStopped) return keepStopped(r, parts)
  const source = parts.findSource()
  if (source === null) return purpose === 'deploy' ? warnOfAttribute(r, node, parts.noSource) : undefined
  if (purpose === 'configure' && parts.keepRolledBackRelease?.()) return
  if (purpose === 'configure') reportRebuild(r, parts.app, differencesFrom(node, parts))
  releaseApp(r, node, parts, source, purpose)
}

/** Builds a release, migrates, switches to it, restarts, verifies it, and removes old releases. */
function releaseApp(
  r: Recipe<SiteNode>,
  node: SiteNode,
  parts: AppParts,
  source: Source,
  purpose: DeployPurpose,
): void {
  const { app } = parts
  // Before the first deploy there is nothing to configure or rebuild.
  const options = purpose === 'deploy' ? {} : { onlyIf: hasCurrentRelease(app) }
  const prepared = parts.prepare(options)
  parts.checkBeforeBuild?.()
  const { path, commit, identity } = parts.build(source, purpose, options)
  const release = { path, commit, identity }
  const described = parts.describe()
  refuseFailedRelease(r, node, described, release, options)
  parts.checkBuild?.(release, options)
  runHook(r, node, described, 'before_migrate', release, options)
  migrate(r, node, described, release, options)
  parts.afterMigration?.(release, options)
  release_complete(r, { release: path, ...app.owner, ...options })
  parts.testBeforeSwitch?.(release)
  runHook(r, node, described, 'before_symlink', release, options)
  activateAndVerify(r, node, parts, release, { purpose, prepared, options })
  finishRollback(r, app)
  parts.scheduleJobs?.(release, options)
  cleanUpReleases(r, app, options)
}

/** Activates a release, and runs its smoke test, whose failure rolls a deploy back. */
function activateAndVerify(
  r: Recipe<SiteNode>,
  node: SiteNode,
  parts: AppParts,
  release: AppRelease,
  activation: Omit<Activation, 'runHook'>,
): void {
  const described = parts.describe(release)
  const { purpose, options } = activation
  const when = parts.activate(release, {
    ...activation,
    runHook: (name, more = options) => runHook(r, node, described, name, release, more),
  })
  runSmokeTest(r, node, described, release, { ...options, when, rollBackOnFailure: purpose !== 'rollback' })
}

/**
 * Activates another complete release: the previous one, or the one that the operator names, older or newer. Finishes an
 * interrupted rollback, instead of rolling back once more.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
function rollback(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  const target = chooseRollbackTarget(r, node, parts.app)
  if (target === null) return
  if (parts.differencesOf) warnOfRestoredValues(r, parts.app, target, parts.differencesOf(target))
  parts.pinConfiguration?.(target)
  const prepared = parts.prepare({})
  recordRollback(r, node, parts.app, target)
  activateExisting(r, node, parts, target, prepared)
}

/** Activates a release that is on the host, with its recorded programs. */
export function activateExisting(
  r: Recipe<SiteNode>,
  node: SiteNode,
  parts: AppParts,
  existing: Release,
  prepared = parts.prepare({}),
): void {
  const { path, commit, identity, id } = existing
  const release = { path, commit: commit ?? '', identity: identity ?? id, existing }
  parts.testBeforeSwitch?.(release)
  activateAndVerify(r, node, parts, release, { purpose: 'rollback', prepared, options: {} })
  parts.scheduleJobs?.(release, {})
  finishRollback(r, parts.app)
}

/** Does the part of a deploy that leaves the running app unchanged. It runs no hook, and leaves the release incomplete. */
function build(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  const source = parts.findSource()
  if (source === null) return warnOfAttribute(r, node, parts.noSource)
  parts.build(source, 'deploy', {})
}

/** Adapts the app to the stack and its attributes, and keeps the current commit. */
function configure(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  if (parts.adapt === undefined) return deploy(r, node, parts, 'configure')
  if (isDeployed(r, parts.app)) return
  if (mustStayStopped(r, node, parts.app.name)) return keepStopped(r, parts)
  warnOfKeptValues(r, parts.app, differencesFrom(node, parts))
  parts.adapt()
}

/** Returns what differs between the current release and the attributes. */
function differencesFrom(node: SiteNode, { app, differencesOf }: AppParts): Differences {
  const current = readReleases(node, app).find((release) => release.current)
  return (current && differencesOf?.(current)) ?? { variables: [], settings: [] }
}

/** Stops the app until `start` or a deploy. */
function stop(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  recordStop(r, node, parts.app, { onlyIf: hasCurrentRelease(parts.app) })
  parts.stop()
}

/** Finishes an interrupted stop, and stops programs that were started by hand. */
function keepStopped(r: Recipe<SiteNode>, parts: AppParts): void {
  disableAutostart(r, parts.app)
  parts.stop()
}

/** Stops and removes the app, but not `shared` unless --purge is given. */
function undeploy(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  parts.remove()
  removeReleases(r, node, parts.app, parts.links)
  removeStopRecord(r, node, parts.app.name)
}

function cleanUpReleases(r: Recipe<SiteNode>, app: App, options: CommonOptions): void {
  const keep = Math.max(2, app.attributes.keep_releases ?? 5)
  release_cleanup(r, { into: app.releases, current: app.current, keep, ...options })
}

/** Decides whether this run has deployed the app before, so that a configure has nothing to do. */
export function isDeployed(r: Recipe<SiteNode>, app: App): boolean {
  return r.has('release_cleanup', app.releases)
}
