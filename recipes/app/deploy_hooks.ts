/** Declares the hooks and the migration of an app's deploy. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { deploy_hook } from '../../resources/commands/deploy_hook.ts'
import { migration } from '../../resources/commands/migration.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { isThisHost } from '../site/hosts.ts'
import type { App } from './app.ts'

/** An app whose release is deployed, as its hooks, its migration and its smoke test need it. */
export interface DeployTarget {
  readonly app: App
  readonly environment: Readonly<Record<string, string>>
  /** Whether its releases run Zope, whose clients lock their caches. */
  readonly zope?: boolean
  /** Layers whose hosts run the app. */
  readonly layers: readonly string[]
  /** Default ports of requests of the smoke test. */
  readonly ports: readonly number[]
  /** Address on which its programs listen; default: 127.0.0.1. */
  readonly address?: string | undefined
  /** Host name of requests to the default ports, if other apps share them. */
  readonly host?: string | undefined
  /** Host name of requests that name a port; default: none. */
  readonly domain?: string | undefined
}

/** The release to deploy: an existing one, or one that the run makes. */
export interface DeployedRelease {
  readonly path: Input<string>
  readonly commit: Input<string>
}

type Hook = 'before_migrate' | 'before_symlink' | 'before_restart' | 'after_restart'

export function declareHook(
  r: Recipe<SiteNode>,
  node: SiteNode,
  target: DeployTarget,
  name: Hook,
  release: DeployedRelease,
  options: CommonOptions = {},
): void {
  const before = name === 'before_migrate' || name === 'before_symlink' ? { current: target.app.current } : {}
  const zope = target.zope ?? false
  deploy_hook(r, {
    hook: name,
    commit: release.commit,
    zope,
    ...before,
    ...commandOf(node, target, release),
    ...options,
  })
}

/** Declares the migration of `deploy.<app>.migrate`, which runs on one host of the stack, once for each commit. */
export function declareMigration(
  r: Recipe<SiteNode>,
  node: SiteNode,
  target: DeployTarget,
  release: DeployedRelease,
  guard: CommonOptions = {},
): void {
  const { app } = target
  const { migrate, migrate_command } = app.attributes
  if (migrate !== true) return
  if (!isSet(migrate_command))
    throw new ConvergeError(`deploy.${app.name}.migrate is true, and there is no migrate_command`, {
      code: 'INVALID_ATTRIBUTE',
      attribute: `deploy.${app.name}.migrate`,
      hint: `set deploy.${app.name}.migrate_command, such as "bin/client1 run scripts/migrate.py"`,
      usage: true,
    })
  if (!migratesHere(node, target)) return
  const command = String(migrate_command)
  const { zope = false } = target
  migration(r, {
    command,
    zope,
    commit: release.commit,
    current: app.current,
    ...commandOf(node, target, release),
    ...guard,
  })
}

/** Decides whether this host migrates: the first online host by name, unless `--migrate` or `--no-migrate` is given. */
export function migratesHere(node: SiteNode, target: DeployTarget): boolean {
  const { migrate } = node.run.options
  if (typeof migrate === 'boolean') return migrate
  const { instance, layers } = node.opsworks
  const online = target.layers
    .flatMap((layer) => Object.entries(Object.hasOwn(layers, layer) ? (layers[layer]?.instances ?? {}) : {}))
    .filter(([, { status }]) => status === 'online')
    .map(([name, host]) => ({ name: host.hostname ?? name, isHere: isThisHost(name, host, instance) }))
  const [first] = online.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return first === undefined || first.isHere
}

/** Returns the properties of a command of the app in the directory of the release. */
export function commandOf(node: SiteNode, { app, environment }: DeployTarget, { path }: DeployedRelease) {
  return {
    app: app.name,
    directory: path,
    environment,
    allowRoot: app.attributes.buildout_allow_root ?? node.converge.allow_root,
    timeout: seconds(node.converge.build_timeout_seconds),
    ...app.account,
  }
}
