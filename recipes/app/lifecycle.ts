/** Defines the events of every app that is deployed in releases. `AppParts` has the differences between the roles. */
import type { Recipe, RecipeFunction } from '../../core/compile/role.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import type { Release } from '../../resources/releases/releases.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { deploysOnlyOthers } from '../deployed_apps.ts'
import type { SiteNode } from '../node.ts'
import { removeReleases } from './account.ts'
import { type App, hasCurrentRelease } from './app.ts'
import type { Activation, AppParts, AppRelease, BuildStage, BuiltRelease, Purpose } from './app_parts.ts'
import { releaseProps, type Source } from './checkout.ts'
import { declareHook, declareMigration, migratesHere } from './deploy_hooks.ts'
import { requireReleasePrograms, requireShellPrograms } from './host_programs.ts'
import { type Differences, reportRebuild, warnOfKeptValues, warnOfRestoredValues } from './release_attributes.ts'
import { finishRollback, givenRollbackTarget, recordRollback } from './rollback.ts'
import { declareSmokeTest, refuseFailedRelease } from './smoke_test.ts'
import { disableAutostart, recordStop, removeStopRecord, unlessStopped } from './stopped.ts'

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

/** Calls `declare` with the parts of a role for one app. */
export type GivenParts = (r: Recipe<SiteNode>, node: SiteNode, declare: (parts: AppParts) => void) => void

/** Returns the events of a role from its parts. */
export function appEvents(givenParts: GivenParts): Readonly<Record<AppEvent, RecipeFunction<SiteNode>>> {
  const event =
    (declare: (r: Recipe<SiteNode>, node: SiteNode, parts: AppParts) => void): RecipeFunction<SiteNode> =>
    (r, node) =>
      givenParts(r, node, (parts) => declare(r, node, parts))
  return {
    setup: event((_r, _node, parts) => parts.setup()),
    build: event(build),
    deploy: event((r, node, parts) => deploy(r, node, parts, 'deploy')),
    configure: event(configure),
    rollback: event(rollback),
    start: event((_r, _node, parts) => parts.start()),
    restart: event((_r, _node, parts) => parts.restart()),
    stop: event(stop),
    shutdown: event((_r, _node, parts) => parts.stop()),
    undeploy: event(undeploy),
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
  const declare = () => deploySource(r, node, parts, purpose)
  if (!keepsState(node, name, purpose)) declare()
  else unlessStopped(r, name, { stopped: () => keepStopped(r, parts), otherwise: declare })
}

/** Decides whether an app stays stopped, and on the release of a rollback. */
function keepsState(node: SiteNode, app: string, purpose: DeployPurpose): boolean {
  return purpose === 'configure' || deploysOnlyOthers(node, app)
}

function deploySource(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts, purpose: DeployPurpose): void {
  const source = parts.findSource()
  if (source === null) return purpose === 'deploy' ? warnOfAttribute(r, node, parts.noSource) : undefined
  const declare = () => {
    if (purpose === 'configure') givenDifferences(r, parts, (found) => reportRebuild(r, parts.app, found))
    releaseApp(r, node, parts, source, purpose)
  }
  const { rolledBack } = parts
  if (rolledBack === undefined || !keepsState(node, parts.app.name, purpose)) return declare()
  rolledBack.given((isKept) => (isKept ? rolledBack.keepRelease() : declare()))
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
  const { path, commit, identity } = buildChecked(r, node, parts, source, purpose, options)
  const release = { path, commit, identity }
  const target = parts.deployTarget()
  refuseFailedRelease(r, node, target, release, options)
  parts.checkBuild?.(release, options)
  declareHook(r, node, target, 'before_migrate', release, options)
  declareMigration(r, node, target, release, options)
  parts.afterMigration?.(release, options)
  release_complete(r, { release: path, ...app.owner, ...options })
  parts.testBeforeSwitch?.(release)
  declareHook(r, node, target, 'before_symlink', release, options)
  activateAndVerify(r, node, parts, release, { purpose, prepared, options })
  finishRollback(r, app)
  parts.scheduleJobs?.(release, options)
  cleanUpReleases(r, app, options)
}

/** Builds a release, and requires the programs of the commands that run later. */
function buildChecked(
  r: Recipe<SiteNode>,
  node: SiteNode,
  parts: AppParts,
  source: Source,
  purpose: DeployPurpose,
  options: CommonOptions,
): BuiltRelease {
  const { app } = parts
  const migrates = migratesHere(node, parts.deployTarget())
  const requirePrograms = (stage: BuildStage) => {
    parts.requirePrograms?.(stage)
    requireShellPrograms(r, app, { stage, migrates })
  }
  requirePrograms('before build')
  const release = parts.build(source, purpose, options)
  requirePrograms('after build')
  const repository = { ...releaseProps(node, app), ...source }
  requireReleasePrograms(r, app, release.path, { mayBeBuilt: false, source: repository, guard: options })
  return release
}

/** Activates a release, and runs its smoke test, whose failure rolls a deploy back. */
function activateAndVerify(
  r: Recipe<SiteNode>,
  node: SiteNode,
  parts: AppParts,
  release: AppRelease,
  activation: Omit<Activation, 'declareHook'>,
): void {
  const target = parts.deployTarget(release)
  const { purpose, options } = activation
  const when = parts.activate(release, {
    ...activation,
    declareHook: (name, more = options) => declareHook(r, node, target, name, release, more),
  })
  declareSmokeTest(r, node, target, release, { ...options, when, rollBackOnFailure: purpose !== 'rollback' })
}

/**
 * Activates another complete release: the previous one, or the one that the operator names, older or newer. Finishes an
 * interrupted rollback, instead of rolling back once more.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
function rollback(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  givenRollbackTarget(r, node, parts.app, (target, current) => {
    parts.givenDifferences?.(target, (found) => warnOfRestoredValues(r, parts.app, target, found))
    parts.pinConfiguration?.(target, current)
    const prepared = parts.prepare({})
    recordRollback(r, parts.app, target, current)
    activateExisting(r, node, parts, target, prepared)
  })
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
  const declare = () => void buildChecked(r, node, parts, source, 'deploy', {})
  if (parts.rolledBack === undefined || !deploysOnlyOthers(node, parts.app.name)) return declare()
  parts.rolledBack.given((isKept) => (isKept ? undefined : declare()))
}

/** Adapts the app to the stack and its attributes, and keeps the current commit. */
function configure(r: Recipe<SiteNode>, node: SiteNode, parts: AppParts): void {
  if (parts.adapt === undefined) return deploy(r, node, parts, 'configure')
  unlessDeployed(r, parts.app, () =>
    unlessStopped(r, parts.app.name, {
      stopped: () => keepStopped(r, parts),
      otherwise() {
        givenDifferences(r, parts, (found) => warnOfKeptValues(r, parts.app, found))
        parts.adapt?.()
      },
    }),
  )
}

/** Declares what depends on the differences between the current release and the attributes. */
function givenDifferences(r: Recipe<SiteNode>, parts: AppParts, declare: (differences: Differences) => void): void {
  r.given(currentReleaseOf(parts.app), (current) => {
    if (current !== undefined) parts.givenDifferences?.(current, declare)
  })
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
  removeStopRecord(r, parts.app.name)
}

function cleanUpReleases(r: Recipe<SiteNode>, app: App, options: CommonOptions): void {
  const keep = Math.max(2, app.attributes.keep_releases ?? 5)
  release_cleanup(r, { into: app.releases, current: app.current, keep, ...options })
}

/** Decides whether this run has deployed the app before, so that a configure has nothing to do. */
export function isDeployed(r: Recipe<SiteNode>, app: App): boolean {
  return r.has('release_cleanup', app.releases)
}

/** Declares the part of an event that a deploy in the same run, on this host, has not done. */
export function unlessDeployed(r: Recipe<SiteNode>, app: App, declare: () => void): void {
  r.unlessDeclared('release_cleanup', app.releases, declare)
}
