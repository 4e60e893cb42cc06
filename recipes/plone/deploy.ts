/** Deploy of a buildout app: a release is checked out, configured and built aside, then switched to, then the programs restart. */

import type { Recipe } from '../../core/compile/recipe.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { digestOf } from '../../core/model/json.ts'
import { type Input, under } from '../../core/model/reference.ts'
import type { Check, CommonOptions } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { buildout } from '../../resources/buildout.ts'
import { cron } from '../../resources/cron.ts'
import { file } from '../../resources/file.ts'
import { git_release } from '../../resources/git_release.ts'
import { release_cleanup } from '../../resources/release_cleanup.ts'
import { release_complete } from '../../resources/release_complete.ts'
import { service_restart } from '../../resources/service_restart.ts'
import { supervisor_cleanup } from '../../resources/supervisor_cleanup.ts'
import { supervisor_program } from '../../resources/supervisor_program.ts'
import { symlink } from '../../resources/symlink.ts'
import type { PloneNode } from '../node.ts'
import { renderDeployCfg } from './deploy_cfg.ts'
import { type Layout, layout, purged, sharedLinks } from './layout.ts'
import { type Program, programs } from './programs.ts'
import { pythonOf } from './setup.ts'
import { appEnvironment, buildoutSetting } from './site.ts'
import type { BuildoutRole } from './types.ts'

export interface DeployOptions {
  /** Take the commit that runs now instead of asking the repository. */
  readonly pinned?: boolean
  /** A new release even if nothing has changed. */
  readonly always?: boolean
}

export function deploy(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole, options: DeployOptions = {}): void {
  const at = layout(node, role)
  // The whole way has deployed already when it comes to configure.
  if (r.has('git_release', at.releases)) return
  const scm = at.own.scm
  if (!scm?.repository) {
    if (!options.pinned) r.warn(`deploy.${at.app}.scm.repository is not set: ${role} has nothing to deploy`)
    return
  }
  const guard = options.pinned ? { onlyIf: deployed(at) } : {}
  const config = renderDeployCfg(node, role, { deployTo: at.deployTo })
  const wanted = programs(node, role, { deployTo: at.deployTo })
  const inputs = { config, ...buildInputs(node, at) }
  if (options.pinned && !options.always && isHeld(node, at, inputs)) {
    r.warn(
      `${at.app} was rolled back from the configuration that the attributes ask for; converge deploy brings it back`,
    )
    return
  }
  const release = checkout(r, node, at, { ...options, inputs, programs: wanted, guard })
  const configName = buildoutSetting(node, at.app, 'config')
  file(r, {
    path: under(release.path, configName),
    content: config,
    mode: '0600',
    ...at.owner,
    ...guard,
  })
  build(r, node, at, { release: release.path, identity: release.identity, configName, guard })
  release_complete(r, { release: release.path, ...at.account, ...guard })
  const current = symlink(r, { path: at.current, target: release.path, ...at.owner, ...guard })
  if (!options.pinned) hold(r, at, null)
  run(r, node, at, wanted, { when: [current], ...guard })
  jobs(r, node, at, guard)
  release_cleanup(r, { into: at.releases, current: at.current, keep: Math.max(2, at.own.keep_releases ?? 5), ...guard })
}

/**
 * Remembers the configuration that a rollback went back from, so that the next configure does not bring it back by
 * itself; null forgets it.
 */
export function hold(r: Recipe<PloneNode>, at: Layout, inputs: string | null): void {
  const content = inputs === null ? { absent: true } : { content: `${inputs}\n`, mode: '0644' }
  file(r, { path: holdPath(at), ...content, ...(inputs === null ? {} : at.owner) })
}

function holdPath(at: Layout): string {
  return `${at.releases}/.held`
}

function isHeld(node: PloneNode, at: Layout, inputs: Readonly<Record<string, string>>): boolean {
  return node.run.host?.readText(holdPath(at))?.trim() === digestOf(inputs)
}

/** True once a first deploy has succeeded: configure on a new host has nothing to adapt yet. */
function deployed(at: Layout): Check {
  return { description: `${at.app} was deployed before`, check: (host) => host.stat(at.current) !== null }
}

interface CheckoutOptions extends DeployOptions {
  readonly inputs: Readonly<Record<string, string>>
  readonly programs: readonly Program[]
  readonly guard: CommonOptions
}

function checkout(r: Recipe<PloneNode>, node: PloneNode, at: Layout, options: CheckoutOptions) {
  const { own } = at
  const scm = own.scm ?? {}
  if (scm.scm_type !== undefined && scm.scm_type !== 'git' && scm.scm_type !== 'directory')
    throw new ConvergeError(`deploy.${at.app}.scm.scm_type ${scm.scm_type} cannot be deployed`, {
      code: 'UNSUPPORTED_SCM',
      hint: 'git and directory can be; bring the others into a git repository',
      usage: true,
    })
  const ofDeploy = own.always_build_on_deploy ?? own.always_buildout_on_deploy ?? false
  const always = options.always ?? (options.pinned ? false : ofDeploy)
  return git_release(r, {
    into: at.releases,
    shared: at.shared,
    current: at.current,
    repository: scm.repository ?? '',
    revision: String(node.run.options.revision ?? scm.revision ?? 'HEAD') || 'HEAD',
    scmType: scm.scm_type ?? 'git',
    ...(scm.ssh_key ? { sshKey: scm.ssh_key } : {}),
    ...(scm.known_hosts ? { knownHosts: scm.known_hosts } : {}),
    ...(scm.user ? { username: scm.user } : {}),
    ...(scm.password ? { password: scm.password } : {}),
    submodules: own.enable_submodules ?? true,
    links: sharedLinks(node, at),
    purge: purged(node, at),
    inputs: options.inputs,
    record: { programs: options.programs.map(recorded), inputs: digestOf(options.inputs) },
    always,
    pin: options.pinned ? 'current' : 'remote',
    by: node.run.by,
    ...at.account,
    ...options.guard,
  })
}

/** What the result of a build depends on beside the commit and deploy.cfg. */
function buildInputs(node: PloneNode, at: Layout): Record<string, string> {
  return {
    python: pythonOf(node, at),
    buildout: buildoutSetting(node, at.app, 'buildout_version') ?? '',
    flags: buildoutSetting(node, at.app, 'flags') ?? '',
    environment: JSON.stringify(appEnvironment(node, at.role, at.deployTo)),
  }
}

interface BuildOptions {
  readonly release: Input<string>
  readonly identity: Input<string>
  readonly configName: string
  readonly guard: CommonOptions
}

function build(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  { release, identity, configName, guard }: BuildOptions,
): void {
  const { own } = at
  buildout(r, {
    directory: release,
    config: configName,
    buildout: `${at.environment}/bin/buildout`,
    shared: at.shared,
    flags: buildoutSetting(node, at.app, 'flags') ?? '',
    bootstrapParams: buildoutSetting(node, at.app, 'bootstrap_params') ?? '',
    environment: appEnvironment(node, at.role, at.deployTo),
    inputs: { release: identity },
    timeout: seconds(node.converge.build_timeout_seconds),
    allowRoot: own.buildout_allow_root ?? node.converge.allow_root,
    ...at.account,
    ...guard,
  })
}

/** The programs' configuration, and their restart when it, or the release, has changed. */
export function run(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  wanted: readonly Program[],
  options: CommonOptions & { readonly force?: string },
): void {
  const { when, force, ...guard } = options
  const { supervisor } = at
  const declared = wanted.map((one) => {
    const { name, command, directory, environment, type, events } = one
    const program = supervisor_program(r, {
      name,
      command,
      directory,
      environment: { ...homeOf(at), ...environment },
      type,
      events,
      confDir: supervisor.confDir,
      logDir: supervisor.logDir,
      socket: supervisor.socket,
      // Zope ends the requests it is in for INT, and cuts them off for TERM.
      stopSignal: one.port === undefined ? 'TERM' : 'INT',
      stopWait: seconds(60),
      ...(at.account.user === undefined ? {} : { user: at.account.user }),
      ...guard,
    })
    return { one, program }
  })
  const keep = wanted.map(({ name }) => name)
  supervisor_cleanup(r, { ...cleanup(node, at, keep), ...guard })
  const { readiness } = node.converge
  service_restart(r, {
    provider: { kind: 'supervisor', socket: supervisor.socket },
    services: declared.map(({ one, program }) => ({
      name: one.name,
      configuration: program.digest,
      log: `${supervisor.logDir}/${one.name}.log`,
      ...(one.port === undefined
        ? {}
        : {
            ready: {
              port: one.port,
              path: readiness.path,
              statusMin: readiness.status.min,
              statusMax: readiness.status.max,
              warmPaths: readiness.warm_paths,
            },
          }),
    })),
    delay: wanted.find(({ delay }) => delay.ms > 0)?.delay ?? seconds(0),
    deadline: seconds(readiness.deadline_seconds),
    ...(when ? { when } : {}),
    ...(force ? { force } : {}),
    ...guard,
  })
}

/** Which programs of the app may be taken out of supervisord. */
export function cleanup(node: PloneNode, at: Layout, keep: readonly string[]) {
  const others = Object.keys(node.deploy).filter((name) => name !== at.app)
  return { app: at.app, keep, others, confDir: at.supervisor.confDir, socket: at.supervisor.socket }
}

/** A supervisord of root gives its programs root's HOME. */
function homeOf({ account, own }: Layout): Record<string, string> {
  if (account.user === undefined) return {}
  return { HOME: own.home ?? `/home/${account.user}`, USER: account.user }
}

/** Packing and backup of the ZEO server, as the account that owns the database. */
function jobs(r: Recipe<PloneNode>, node: PloneNode, at: Layout, guard: CommonOptions): void {
  if (at.role !== 'zeo-server') return
  const { enable_pack, enable_backup } = node.plone_zeoserver
  job(r, at, { name: 'pack', on: enable_pack, schedule: '0 1 * * 7', program: 'zeopack' }, guard)
  job(r, at, { name: 'backup', on: enable_backup, schedule: '0 21 * * *', program: 'backup' }, guard)
}

interface Job {
  readonly name: string
  readonly on: boolean
  readonly schedule: string
  readonly program: string
}

function job(r: Recipe<PloneNode>, at: Layout, { name, on, schedule, program }: Job, guard: CommonOptions): void {
  const command = `${at.current}/bin/${program} >> ${at.shared}/var/log/${name}.log 2>&1`
  // An ordinary user may be on a host without cron: that is no reason to fail a deploy.
  const options = at.system ? guard : { ...guard, onlyIf: both(guard.onlyIf, hasCrontab) }
  const account = at.account.user === undefined ? {} : { user: at.account.user }
  cron(r, { name: jobName(at, name), ...account, ...(on ? { schedule, command } : { absent: true }), ...options })
}

export function jobName(at: Layout, name: string): string {
  return `converge-${at.app}-${name}`
}

export const hasCrontab: Check = {
  description: 'this host has crontab',
  check: (host) => host.which('crontab') !== null,
}

function both(first: CommonOptions['onlyIf'], second: Check): Check {
  if (typeof first !== 'object') return second
  return {
    description: `${first.description} and ${second.description}`,
    check: async (host) => (await first.check(host)) && second.check(host),
  }
}

/** A program as it is kept with its release, so that going back brings it back too. */
export type RecordedProgram = {
  readonly name: string
  readonly type: Program['type']
  readonly command: string
  readonly directory: string
  readonly environment: { readonly [name: string]: string }
  readonly events: string[]
  /** Milliseconds. */
  readonly delay: number
  readonly port: number | null
}

function recorded({ name, type, command, directory, environment, events, delay, port }: Program): RecordedProgram {
  return {
    name,
    type,
    command,
    directory,
    environment: { ...environment },
    events: [...events],
    delay: delay.ms,
    port: port ?? null,
  }
}
