/** A release of an app from its repository, and its build. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { under } from '../../core/model/reference.ts'
import type { Json } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import type { Writer } from '../../core/text/writer.ts'
import { execute } from '../../resources/execute.ts'
import { git_release } from '../../resources/git_release.ts'
import { builtMark, release_files } from '../../resources/release_files.ts'
import type { PloneNode } from '../node.ts'
import { Values } from '../plone/values.ts'
import type { AppLayout } from './layout.ts'
import { linkSources, ownNames, tidyLinks } from './links.ts'
import { appVariables, tidyVariables } from './variables.ts'

/**
 * Variables of the app, for its build and for what runs of it.
 * @param writes the language in which they reach what runs
 * @throws INVALID_ATTRIBUTE
 */
export function environmentOf(at: AppLayout, writes?: Writer): Record<string, string> {
  const values = new Values()
  const sorted = tidyVariables(appVariables(at.app, at.own), values, writes)
  values.check()
  return sorted
}

export interface Source {
  readonly repository: string
  readonly scmType: 'git' | 'directory'
}

/**
 * Where the code is, as `deploy.<app>.scm` says; null where it says nothing.
 * @throws UNSUPPORTED_SCM
 */
export function sourceOf(at: AppLayout): Source | null {
  const { scm_type = 'git', repository } = at.own.scm ?? {}
  if (!repository) return null
  if (scm_type === 'git' || scm_type === 'directory') return { repository, scmType: scm_type }
  throw new ConvergeError(`deploy.${at.app}.scm.scm_type ${scm_type} cannot be deployed`, {
    code: 'UNSUPPORTED_SCM',
    attribute: `deploy.${at.app}.scm.scm_type`,
    hint: `set deploy.${at.app}.scm.scm_type to git or directory, and import code from elsewhere into a git repository`,
    usage: true,
  })
}

/** The props of git_release that are the same for every app. */
export function releaseProps(node: PloneNode, at: AppLayout) {
  const { scm = {}, enable_submodules } = at.own
  const { revision } = node.run.options
  return {
    app: at.app,
    into: at.releases,
    shared: at.shared,
    current: at.current,
    revision: String(revision ?? scm.revision ?? 'HEAD') || 'HEAD',
    // It is what the attributes' revision stands for, and not another one.
    ...(scm.commit && revision === undefined ? { commit: scm.commit } : {}),
    ...(scm.ssh_key ? { sshKey: scm.ssh_key } : {}),
    ...(scm.known_hosts ? { knownHosts: scm.known_hosts } : {}),
    ...(scm.user ? { username: scm.user } : {}),
    ...(scm.password ? { password: scm.password } : {}),
    submodules: enable_submodules ?? true,
    by: node.run.by,
    ...at.account,
  }
}

export interface CheckoutOptions {
  readonly source: Source
  /** What belongs to the release beside its code: another text, another release. */
  readonly inputs: Readonly<Record<string, string>>
  /** Kept with the release, for a rollback. */
  readonly record: Json
  /** Configuration that is written into the release before its build: content by path. */
  readonly files?: Readonly<Record<string, string>>
  /** Script for /bin/sh that makes the release what it is to be, run once in its directory; null for none. */
  readonly build: string | null
}

/** What the repository brings is not to own the host: whoever may push to it would be root. */
export function refuseRoot(node: PloneNode, { app, account }: AppLayout, allowed = node.converge.allow_root): void {
  if (account.user !== 'root' || allowed) return
  throw new ConvergeError(`${app} would be built and run as root, and with it whatever is pushed to its repository`, {
    code: 'APP_AS_ROOT',
    hint: `give it an account of its own (deploy.${app}.user, default deploy), or set converge.allow_root to true`,
    usage: true,
  })
}

/**
 * Checks the release out, and builds it. It is not complete yet.
 * @throws APP_AS_ROOT
 */
export function checkout(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout, options: CheckoutOptions) {
  const { source, inputs, record, build, files = {} } = options
  // Without files nothing is added: the releases of earlier versions stay what is asked for.
  const hasFiles = Object.keys(files).length > 0
  refuseRoot(node, at)
  const { own } = at
  const environment = environmentOf(at)
  linkSources(r, at, ownNames(at))
  const release = git_release(r, {
    ...releaseProps(node, at),
    ...source,
    links: tidyLinks(own.symlink_before_migrate ?? {}),
    purge: own.purge_before_symlink ?? [],
    inputs: {
      ...inputs,
      build: build ?? '',
      environment: JSON.stringify(environment),
      ...(hasFiles ? { files: digestOf(files) } : {}),
    },
    record,
    always: own.always_build_on_deploy ?? false,
  })
  if (hasFiles) release_files(r, { release: release.path, files, ...at.owner, sensitive: true })
  if (build !== null)
    execute(r, {
      name: `build of ${at.app}`,
      // The mark comes last: a build that was cut short is done again.
      command: `set -e\n${build}\n: > ${builtMark}`,
      creates: under(release.path, builtMark),
      cwd: release.path,
      environment,
      timeout: seconds(node.converge.build_timeout_seconds),
      ...at.account,
    })
  return release
}

/** Whether a deploy stands before this in the same run: it has decided what is live, and a configure has nothing to add. */
export function isDeployed(r: Recipe<PloneNode>, at: AppLayout): boolean {
  return r.has('release_cleanup', at.releases)
}
