/** Builds a release of a buildout app: checks it out, configures it, and runs its buildout. */

import type { Recipe } from '../../core/compile/role.ts'
import { canonicalJson, digestOf } from '../../core/model/json.ts'
import { type Reference, under } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { file } from '../../resources/files/file.ts'
import { git_release } from '../../resources/git/git_release.ts'
import { buildout } from '../../resources/python/buildout.ts'
import { release_file } from '../../resources/releases/release_file.ts'
import type { Purpose } from '../app/app_parts.ts'
import { refuseRoot, releaseProps, type Source } from '../app/checkout.ts'
import { requireReleasePrograms } from '../app/host_programs.ts'
import { linkSources } from '../app/shared_links.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { deployDirectory } from '../site/site_attributes.ts'
import { type BuildoutApp, purgedDirectories, sectionOf, sharedLinks, sharedNames } from './buildout_app.ts'
import { renderDeployCfg } from './deploy_cfg.ts'
import { checkNewRelic } from './newrelic.ts'
import type { Program } from './programs.ts'
import { requirePython } from './require_python.ts'
import { appDirectories, buildEnvironment, dataLinks } from './setup.ts'
import { appEnvironment, buildoutSetting } from './site.ts'
import { programRecord } from './supervised_programs.ts'

interface BuildOptions {
  readonly source: Source
  readonly purpose: Exclude<Purpose, 'rollback'>
  readonly programs: readonly Program[]
  readonly guard: CommonOptions
}

/** Checks out, configures and builds a release, without marking it complete. */
export function buildRelease(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, options: BuildOptions) {
  const { guard } = options
  const allowRoot = app.attributes.buildout_allow_root ?? node.converge.allow_root
  // Fail before the first change, not only when buildout starts.
  refuseRoot(node, app, allowRoot)
  requirePython(r, node, app)
  const build = buildOf(node, app)
  const config = configOf(node, app)
  checkNewRelic(node, app)
  appDirectories(r, node, app, guard)
  linkSources(r, app, { ...sharedNames(node, app), elsewhere: dataLinks(node, app) }, guard)
  buildEnvironment(r, app, guard)
  const release = checkoutRelease(r, node, app, {
    ...options,
    inputs: { config, ...inputsOf(build, options.programs) },
  })
  baseConfig(r, node, app, options, release.path)
  const source = { ...releaseProps(node, app), ...options.source }
  requireReleasePrograms(r, app, release.path, { mayBeBuilt: true, source, guard })
  file(r, {
    path: under(release.path, build.config),
    content: config,
    mode: '0600',
    previous: `${app.current}/${build.config}`,
    ...app.owner,
    ...guard,
  })
  buildout(r, {
    ...build,
    app: app.name,
    like: app.current,
    directory: release.path,
    shared: app.shared,
    eggsOf: otherApps(node, app),
    inputs: { release: release.identity },
    timeout: seconds(node.converge.build_timeout_seconds),
    allowRoot,
    ...app.account,
    ...guard,
  })
  return release
}

/** Returns the text of deploy.cfg for the attributes. */
export function configOf(node: SiteNode, { role, deployTo }: BuildoutApp): string {
  return renderDeployCfg(placedNode(node), role, { deployTo })
}

/**
 * Returns the directories with eggs of other apps of the same repository, such as the ZEO server beside its clients.
 * Another repository may use another index, with other content for the same version.
 */
function otherApps(node: SiteNode, { name: app, attributes: own, shared }: BuildoutApp): string[] {
  const others = Object.entries(node.deploy).filter(
    ([name, { scm }]) => name !== app && scm?.repository !== undefined && scm.repository === own.scm?.repository,
  )
  const directories = others.map(([name]) => `${underPrefix(node, deployDirectory(node, name))}/shared`)
  return [...new Set(directories)].filter((directory) => directory !== shared)
}

/** Returns the node with its paths placed below the prefix, for the build. */
function placedNode(node: SiteNode): SiteNode {
  const { blob_dir } = node.plone_blobs
  if (node.converge.prefix === '/' || !blob_dir) return node
  return Object.create(node, { plone_blobs: { value: { ...node.plone_blobs, blob_dir: underPrefix(node, blob_dir) } } })
}

/** Checks that a base configuration of the repository is in the release; buildout fetches one from elsewhere. */
function baseConfig(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  { source, purpose, guard }: BuildOptions,
  release: Reference<string>,
): void {
  const section = sectionOf(app.role)
  const file = node[section].base_config
  if (purpose !== 'deploy' || /^\w+:\/\/|^\/|[$\n]/.test(file)) return
  const repository = { ...releaseProps(node, app), ...source }
  release_file(r, { release, file, attribute: `${section}.base_config`, source: repository, ...guard })
}

interface CheckoutOptions extends BuildOptions {
  readonly inputs: Readonly<Record<string, string>>
}

function checkoutRelease(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp, options: CheckoutOptions) {
  const { purpose, source } = options
  const { always_build_on_deploy, always_buildout_on_deploy } = app.attributes
  const buildsAlways = always_build_on_deploy ?? always_buildout_on_deploy ?? false
  return git_release(r, {
    ...releaseProps(node, app),
    ...source,
    links: sharedLinks(node, app),
    purge: purgedDirectories(node, app),
    inputs: options.inputs,
    record: { programs: options.programs.map(programRecord), inputs: digestOf(options.inputs) },
    always: purpose === 'rebuild' || (purpose === 'deploy' && buildsAlways),
    pin: purpose === 'deploy' ? 'remote' : 'current',
    ...options.guard,
  })
}

/** Returns all inputs that may change the result of a build; the path of the environment stands for its versions. */
function buildOf(node: SiteNode, app: BuildoutApp) {
  return {
    config: buildoutSetting(node, app.name, 'config'),
    buildout: `${app.environment}/bin/buildout`,
    flags: buildoutSetting(node, app.name, 'flags') ?? '',
    bootstrapParams: buildoutSetting(node, app.name, 'bootstrap_params') ?? '',
    environment: appEnvironment(node, app.role, app.deployTo),
  }
}

/**
 * Returns the inputs of a release beside its commit and deploy.cfg. A missing input would change the current release in
 * place, and a rollback could not undo it.
 */
function inputsOf(build: object, declared: readonly Program[]): Record<string, string> {
  return { build: canonicalJson(build), programs: canonicalJson(declared.map(programRecord)) }
}
