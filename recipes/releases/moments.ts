/** Declares the hooks, the migration and the smoke test of an app's deploy. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { deploy_hook } from '../../resources/commands/deploy_hook.ts'
import { migration } from '../../resources/commands/migration.ts'
import { release_trial } from '../../resources/releases/release_trial.ts'
import { smoke_test } from '../../resources/releases/smoke_test.ts'
import type { PloneNode } from '../node.ts'
import { isSet } from '../plone/values.ts'
import { hostOf } from './health.ts'
import { type AppLayout, releasesOf } from './layout.ts'
import { isThisHost } from './this_host.ts'

/** An app whose release is deployed. */
export interface DeployedApp {
  readonly at: AppLayout
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

export function hook(
  r: Recipe<PloneNode>,
  node: PloneNode,
  app: DeployedApp,
  name: Hook,
  release: DeployedRelease,
  options: CommonOptions = {},
): void {
  const before = name === 'before_migrate' || name === 'before_symlink' ? { current: app.at.current } : {}
  const zope = app.zope ?? false
  deploy_hook(r, { hook: name, commit: release.commit, zope, ...before, ...commandOf(node, app, release), ...options })
}

/** Declares the migration of `deploy.<app>.migrate`, which runs on one host of the stack, once for each commit. */
export function migrate(
  r: Recipe<PloneNode>,
  node: PloneNode,
  app: DeployedApp,
  release: DeployedRelease,
  guard: CommonOptions = {},
): void {
  const { at } = app
  const { migrate, migrate_command } = at.own
  if (migrate !== true) return
  if (!isSet(migrate_command))
    throw new ConvergeError(`deploy.${at.app}.migrate is true, and there is no migrate_command`, {
      code: 'INVALID_ATTRIBUTE',
      attribute: `deploy.${at.app}.migrate`,
      hint: `set deploy.${at.app}.migrate_command, such as "bin/client1 run scripts/migrate.py"`,
      usage: true,
    })
  if (!migratesHere(node, app)) return
  const command = String(migrate_command)
  const { zope = false } = app
  migration(r, {
    ...{ command, zope, commit: release.commit, current: at.current },
    ...commandOf(node, app, release),
    ...guard,
  })
}

/** Decides whether this host migrates: the first online host by name, unless `--migrate` or `--no-migrate` is given. */
function migratesHere(node: PloneNode, app: DeployedApp): boolean {
  const { migrate } = node.run.options
  if (typeof migrate === 'boolean') return migrate
  const { instance, layers } = node.opsworks
  const online = app.layers
    .flatMap((layer) => Object.entries(Object.hasOwn(layers, layer) ? (layers[layer]?.instances ?? {}) : {}))
    .filter(([, { status }]) => status === 'online')
    .map(([name, host]) => ({ name: host.hostname ?? name, isHere: isThisHost(name, host, instance) }))
  const [first] = online.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return first === undefined || first.isHere
}

/** Declares the test `deploy.<app>.smoke_test` of the release that became current. */
export function smokeTest(
  r: Recipe<PloneNode>,
  node: PloneNode,
  app: DeployedApp,
  release: DeployedRelease,
  { goesBack, ...options }: CommonOptions & { readonly goesBack: boolean; readonly when: readonly Handle[] },
): void {
  const trial = trialOf(app)
  if (trial === null) return
  const live = releasesOf(node, app.at).find(({ current }) => current)
  const { timeout: _, ...account } = commandOf(node, app, release)
  smoke_test(r, {
    ...account,
    ...trial,
    commit: release.commit,
    rollback: goesBack && app.at.own.smoke_test?.rollback_on_failure === true,
    ...(live ? { live: live.path } : {}),
    ...options,
  })
}

/** Refuses a release that has failed this test before, unless the operator allows a retry. */
export function refuseFailed(
  r: Recipe<PloneNode>,
  node: PloneNode,
  app: DeployedApp,
  release: DeployedRelease,
  guard: CommonOptions = {},
): void {
  const trial = trialOf(app)
  if (trial === null || node.run.options.retryFailed === true) return
  const { app: name, current } = app.at
  release_trial(r, { app: name, release: release.path, current, ...trial, ...guard })
}

/** Returns the requests and commands of `deploy.<app>.smoke_test`; null without one. */
function trialOf(app: DeployedApp) {
  const test = app.at.own.smoke_test
  if (test === undefined) return null
  const requests = test.http.flatMap(({ port, host, path, status, contains, headers }) =>
    (port ? [port] : app.ports).map((one) => ({
      port: one,
      host: port === null && host === loopback ? (app.address ?? loopback) : host,
      path,
      statusMin: status.min,
      statusMax: status.max,
      headers: withHost(headers, port === null ? app.host : isAddress(host) ? app.domain : undefined),
      ...(contains ? { contains } : {}),
    })),
  )
  return {
    requests,
    commands: isSet(test.command) ? [test.command] : [],
    deadline: seconds(test.deadline_seconds),
  }
}

const loopback = '127.0.0.1'

function withHost(headers: Readonly<Record<string, string>>, host: string | undefined): Record<string, string> {
  return host === undefined || hostOf(headers) !== undefined ? { ...headers } : { Host: host, ...headers }
}

/** Decides whether a host is given by its address, and not by a name that the Host header can use. */
function isAddress(host: string): boolean {
  return host === 'localhost' || /^[\d.]+$/.test(host) || host.includes(':')
}

function commandOf(node: PloneNode, { at, environment }: DeployedApp, { path }: DeployedRelease) {
  return {
    app: at.app,
    directory: path,
    environment,
    allowRoot: at.own.buildout_allow_root ?? node.converge.allow_root,
    timeout: seconds(node.converge.build_timeout_seconds),
    ...at.account,
  }
}
