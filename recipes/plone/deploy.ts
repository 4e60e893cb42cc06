/** Deploys a buildout app: checks out, configures and builds a release, switches to it, and restarts the programs. */

import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { canonicalJson, digestOf } from '../../core/model/json.ts'
import { type Reference, under } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { file } from '../../resources/files/file.ts'
import { git_release } from '../../resources/git/git_release.ts'
import { buildout } from '../../resources/python/buildout.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import { release_file } from '../../resources/releases/release_file.ts'
import { zope_cache } from '../../resources/zope/zope_cache.ts'
import { noRepository, warnOfAttribute } from '../attribute_warning.ts'
import { type PloneNode, placed } from '../node.ts'
import { refuseRoot, releaseProps, sourceOf } from '../releases/checkout.ts'
import { hasCurrent } from '../releases/layout.ts'
import { linkSources } from '../releases/links.ts'
import { hook, migrate, refuseFailed } from '../releases/moments.ts'
import { rollbackIsOver } from '../releases/rollback.ts'
import { isLeftStopped, staysStopped } from '../releases/stopped.ts'
import { switchCurrent } from '../releases/switch.ts'
import { blobMount, sameBlobDirectory } from './blob_mounts.ts'
import { renderDeployCfg } from './deploy_cfg.ts'
import { jobs } from './jobs.ts'
import { type Layout, layout, purged, sharedLinks, sharedNames } from './layout.ts'
import { stayStopped } from './lifecycle.ts'
import { reportMissingHosts } from './missing_hosts.ts'
import { deployedApp, goLive } from './moments.ts'
import { checkNewRelic, newRelicConfig } from './newrelic.ts'
import { type Program, programs } from './programs.ts'
import { requirePython } from './python.ts'
import { heldFrom, hold, stay } from './rollback.ts'
import { recorded, releasesOf } from './running.ts'
import { appDirectories, buildEnvironment } from './setup.ts'
import { appEnvironment, buildoutSetting, deployDirectory } from './site.ts'
import type { BuildoutRole } from './types.ts'

export interface DeployOptions {
  /** Keep the current commit instead of asking the repository. */
  readonly pinned?: boolean
  /** Make a new release even if nothing has changed. */
  readonly always?: boolean
}

export function deploy(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole, options: DeployOptions = {}): void {
  const at = layout(node, role)
  const wanted = programs(node, role, { deployTo: at.deployTo })
  if (r.has('release_cleanup', at.releases)) return deployedAlready(r, node, at, wanted, options)
  const isConfigure = options.pinned === true && !options.always
  if (isConfigure ? staysStopped(r, node, at.app) : isLeftStopped(r, node, at.app)) return stayStopped(r, node, at)
  if (!hasSource(r, node, at, options)) return
  if (isConfigure && heldFrom(node, at) !== null) return stayBack(r, node, at)
  const guard = options.pinned ? { onlyIf: hasCurrent(at) } : {}
  blobMount(r, node, at, guard)
  reportMissingHosts(r, node, at)
  const release = builtRelease(r, node, at, { ...options, programs: wanted, guard })
  const app = deployedApp(node, at, wanted)
  refuseFailed(r, node, app, release, guard)
  sameBlobDirectory(r, node, at, release.path, guard)
  hook(r, node, app, 'before_migrate', release, guard)
  migrate(r, node, app, release, guard)
  zope_cache(r, { release: release.path, ...guard })
  release_complete(r, { release: release.path, ...at.owner, ...guard })
  hook(r, node, app, 'before_symlink', release, guard)
  const agent = newRelicConfig(r, node, at, guard)
  const current = switchCurrent(r, node, at, release.path, guard)
  if (!isConfigure) hold(r, at, null)
  goLive(r, node, at, wanted, release, { when: [current, ...agent], goesBack: true, ...guard })
  rollbackIsOver(r, at)
  jobs(r, node, at, release.path, guard)
  release_cleanup(r, { into: at.releases, current: at.current, keep: Math.max(2, at.own.keep_releases ?? 5), ...guard })
}

/**
 * Does the part of a deploy that leaves the running app unchanged. Hooks and migration are left to the deploy, which
 * finds the rest done. Without them the release is not complete: no rollback returns to it, and it does not count as
 * deployed.
 */
export function build(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  if (hasSource(r, node, at)) builtRelease(r, node, at, { programs: programs(node, role, at), guard: {} })
}

function hasSource(
  r: Recipe<PloneNode>,
  node: PloneNode,
  { app, own, role }: Layout,
  { pinned = false }: DeployOptions = {},
): boolean {
  const there = Boolean(own.scm?.repository)
  if (!there && !pinned) warnOfAttribute(r, node, noRepository(role, app))
  return there
}

interface BuildOptions extends DeployOptions {
  readonly programs: readonly Program[]
  readonly guard: CommonOptions
}

/** Checks out, configures and builds the release. */
function builtRelease(r: Recipe<PloneNode>, node: PloneNode, at: Layout, options: BuildOptions) {
  const { guard } = options
  const allowRoot = at.own.buildout_allow_root ?? node.converge.allow_root
  // Fail before the first change, not only when buildout starts.
  refuseRoot(node, at, allowRoot)
  requirePython(node, at)
  const build = buildOf(node, at)
  const config = renderDeployCfg(placedNode(node), at.role, { deployTo: at.deployTo })
  checkNewRelic(node, at)
  appDirectories(r, node, at, guard)
  linkSources(r, at, sharedNames(node, at), guard)
  buildEnvironment(r, at, guard)
  const release = checkout(r, node, at, { ...options, inputs: { config, ...inputsOf(build, options.programs) } })
  baseConfig(r, node, at, options, release.path)
  file(r, { path: under(release.path, build.config), content: config, mode: '0600', ...at.owner, ...guard })
  buildout(r, {
    ...build,
    app: at.app,
    like: at.current,
    directory: release.path,
    shared: at.shared,
    eggsOf: otherApps(node, at),
    inputs: { release: release.identity },
    timeout: seconds(node.converge.build_timeout_seconds),
    allowRoot,
    ...at.account,
    ...guard,
  })
  return release
}

/** Handles an app that this run has deployed already: a configure has nothing to do, a second role is a mistake. */
function deployedAlready(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  wanted: readonly Program[],
  { pinned = false }: DeployOptions,
): void {
  if (wanted.every(({ name }) => r.has('supervisor_program', name))) return
  const message = `two roles of this run deploy to ${at.deployTo}; ${at.role} is the second one`
  const hint =
    'name another app for one of them (plone_instances.app_name, plone_zeoserver.app_name, plone_solr.app_name)'
  if (!pinned) throw new ConvergeError(message, { code: 'SAME_APP', hint, usage: true })
  warnOfAttribute(r, node, { attribute: [sectionOf(at.role), 'app_name'], message, hint })
}

/** Configures after a rollback: keeps the release that was rolled back to, and finishes an interrupted run. */
function stayBack(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  r.warn(
    `${at.app} was rolled back from the configuration that the attributes ask for, and keeps that of its release (run converge deploy to use the attributes)`,
  )
  const live = releasesOf(node, at).find((release) => release.current)
  if (live) stay(r, node, at, live)
  rollbackIsOver(r, at)
}

/**
 * Returns the directories with eggs of other apps of the same repository, such as the ZEO server beside its clients.
 * Another repository may use another index, with other content for the same version.
 */
function otherApps(node: PloneNode, { app, own, shared }: Layout): string[] {
  const others = Object.entries(node.deploy).filter(
    ([name, { scm }]) => name !== app && scm?.repository !== undefined && scm.repository === own.scm?.repository,
  )
  const directories = others.map(([name]) => `${placed(node, deployDirectory(node, name))}/shared`)
  return [...new Set(directories)].filter((directory) => directory !== shared)
}

/** Returns the node with its paths placed below the prefix, for the build. */
function placedNode(node: PloneNode): PloneNode {
  const { blob_dir } = node.plone_blobs
  if (node.converge.prefix === '/' || !blob_dir) return node
  return Object.create(node, { plone_blobs: { value: { ...node.plone_blobs, blob_dir: placed(node, blob_dir) } } })
}

/** Checks that a base configuration of the repository is in the release; buildout fetches one from elsewhere. */
function baseConfig(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  { guard, pinned }: BuildOptions,
  release: Reference<string>,
): void {
  const section = sectionOf(at.role)
  const file = node[section].base_config
  if (pinned || /^\w+:\/\/|^\/|[$\n]/.test(file)) return
  const source = { ...releaseProps(node, at), ...(sourceOf(at) ?? { repository: '' }) }
  release_file(r, { release, file, attribute: `${section}.base_config`, source, ...guard })
}

interface CheckoutOptions extends BuildOptions {
  readonly inputs: Readonly<Record<string, string>>
}

function checkout(r: Recipe<PloneNode>, node: PloneNode, at: Layout, options: CheckoutOptions) {
  const { own } = at
  const ofDeploy = own.always_build_on_deploy ?? own.always_buildout_on_deploy ?? false
  const always = options.always ?? (options.pinned ? false : ofDeploy)
  return git_release(r, {
    ...releaseProps(node, at),
    ...(sourceOf(at) ?? { repository: '' }),
    links: sharedLinks(node, at),
    purge: purged(node, at),
    inputs: options.inputs,
    record: { programs: options.programs.map(recorded), inputs: digestOf(options.inputs) },
    always,
    pin: options.pinned ? 'current' : 'remote',
    ...options.guard,
  })
}

/** Returns all inputs that may change the result of a build; the path of the environment stands for its versions. */
function buildOf(node: PloneNode, at: Layout) {
  return {
    config: buildoutSetting(node, at.app, 'config'),
    buildout: `${at.environment}/bin/buildout`,
    flags: buildoutSetting(node, at.app, 'flags') ?? '',
    bootstrapParams: buildoutSetting(node, at.app, 'bootstrap_params') ?? '',
    environment: appEnvironment(node, at.role, at.deployTo),
  }
}

/**
 * Returns the inputs of a release beside its commit and deploy.cfg. A missing input would change the current release in
 * place, and a rollback could not undo it.
 */
function inputsOf(build: object, wanted: readonly Program[]): Record<string, string> {
  return { build: canonicalJson(build), programs: canonicalJson(wanted.map(recorded)) }
}

function sectionOf(role: BuildoutRole) {
  return ({ 'zeo-client': 'plone_instances', 'zeo-server': 'plone_zeoserver', solr: 'plone_solr' } as const)[role]
}
