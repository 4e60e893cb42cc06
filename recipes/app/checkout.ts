/** Checks out a release of an app from its repository, and builds it. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { under } from '../../core/model/reference.ts'
import type { Json } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import type { Writer } from '../../core/text/writer.ts'
import { execute } from '../../resources/commands/execute.ts'
import { git_release } from '../../resources/git/git_release.ts'
import { builtMark, release_files } from '../../resources/releases/release_files.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter } from '../site/attribute_writer.ts'
import type { App } from './app.ts'
import { appVariables, tidyVariables } from './environment.ts'
import { linkSources, ownNames, tidyLinks } from './shared_links.ts'

/**
 * Returns the variables of the app, for its build and its programs.
 * @param writes notation in which the programs get them
 * @throws INVALID_ATTRIBUTE
 */
export function environmentOf(app: App, writes?: Writer): Record<string, string> {
  const values = new AttributeWriter()
  const sorted = tidyVariables(appVariables(app.name, app.attributes), values, writes)
  values.check()
  return sorted
}

export interface Source {
  readonly repository: string
  readonly scmType: 'git' | 'directory'
}

/**
 * Returns the source of the code from `deploy.<app>.scm`; null if there is none.
 * @throws UNSUPPORTED_SCM
 */
export function sourceOf(app: App): Source | null {
  const { scm_type = 'git', repository } = app.attributes.scm ?? {}
  if (!repository) return null
  if (scm_type === 'git' || scm_type === 'directory') return { repository, scmType: scm_type }
  throw new ConvergeError(`deploy.${app.name}.scm.scm_type ${scm_type} cannot be deployed`, {
    code: 'UNSUPPORTED_SCM',
    attribute: `deploy.${app.name}.scm.scm_type`,
    hint: `set deploy.${app.name}.scm.scm_type to git or directory, and import code from elsewhere into a git repository`,
    usage: true,
  })
}

/** Returns the properties of git_release that are the same for every app. */
export function releaseProps(node: SiteNode, app: App) {
  const { scm = {}, enable_submodules } = app.attributes
  const { revision } = node.run.options
  return {
    app: app.name,
    into: app.releases,
    shared: app.shared,
    current: app.current,
    revision: String(revision ?? scm.revision ?? 'HEAD') || 'HEAD',
    // The commit belongs to the revision of the attributes, so --revision overrides it.
    ...(scm.commit && revision === undefined ? { commit: scm.commit } : {}),
    ...(scm.ssh_key ? { sshKey: scm.ssh_key } : {}),
    ...(scm.known_hosts ? { knownHosts: scm.known_hosts } : {}),
    ...(scm.user ? { username: scm.user } : {}),
    ...(scm.password ? { password: scm.password } : {}),
    submodules: enable_submodules ?? true,
    ...(node.converge.reuse_releases ? { reuse: 'any' as const } : {}),
    by: node.run.by,
    ...app.account,
  }
}

export interface CheckoutOptions {
  readonly source: Source
  /** Inputs of the release beside its code: another text makes another release. */
  readonly inputs: Readonly<Record<string, string>>
  /** Data recorded with the release, for a rollback. */
  readonly record: Json
  /** Configuration to write into the release before its build: content by path. */
  readonly files?: Readonly<Record<string, string>>
  /** Script for /bin/sh that builds the release, run once in its directory; null for none. */
  readonly build: string | null
}

/** Refuses to run code of the repository as root: everybody who can push to it would be root on the host. */
export function refuseRoot(node: SiteNode, { name: app, account }: App, allowed = node.converge.allow_root): void {
  if (account.user !== 'root' || allowed) return
  throw new ConvergeError(`${app} would be built and run as root, and with it whatever is pushed to its repository`, {
    code: 'APP_AS_ROOT',
    hint: `give it an account of its own (deploy.${app}.user, default deploy), or set converge.allow_root to true`,
    usage: true,
  })
}

/**
 * Checks the release out and builds it, without marking it complete.
 * @throws APP_AS_ROOT
 */
export function checkout(r: Recipe<SiteNode>, node: SiteNode, app: App, options: CheckoutOptions) {
  const { source, inputs, record, build, files = {} } = options
  // Without files add no input: otherwise releases of earlier versions would differ from the requested one.
  const hasFiles = Object.keys(files).length > 0
  refuseRoot(node, app)
  const { attributes } = app
  const environment = environmentOf(app)
  linkSources(r, app, ownNames(app))
  const release = git_release(r, {
    ...releaseProps(node, app),
    ...source,
    links: tidyLinks(attributes.symlink_before_migrate ?? {}),
    purge: attributes.purge_before_symlink ?? [],
    inputs: {
      ...inputs,
      build: build ?? '',
      environment: JSON.stringify(environment),
      ...(hasFiles ? { files: digestOf(files) } : {}),
    },
    record,
    always: attributes.always_build_on_deploy ?? false,
  })
  if (hasFiles) release_files(r, { release: release.path, files, current: app.current, ...app.owner, sensitive: true })
  if (build !== null)
    execute(r, {
      name: `build of ${app.name}`,
      // The mark comes last, so that an interrupted build is repeated.
      command: `set -e\n${build}\n: > ${builtMark}`,
      creates: under(release.path, builtMark),
      cwd: release.path,
      environment,
      timeout: seconds(node.converge.build_timeout_seconds),
      ...app.account,
    })
  return release
}
