/** What an app has done at the moments of its deploy: its hooks, its migration, its smoke test. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { deploy_hook } from '../../resources/deploy_hook.ts'
import { migration } from '../../resources/migration.ts'
import { release_trial } from '../../resources/release_trial.ts'
import { smoke_test } from '../../resources/smoke_test.ts'
import type { PloneNode } from '../node.ts'
import { isSet } from '../plone/values.ts'
import { hostOf } from './health.ts'
import { type AppLayout, releasesOf } from './layout.ts'
import { isThisHost } from './this_host.ts'

/** An app whose release is deployed. */
export interface DeployedApp {
  readonly at: AppLayout
  readonly environment: Readonly<Record<string, string>>
  /** Whether its releases are Zope's, with clients that lock their caches. */
  readonly zope?: boolean
  /** Layers whose hosts run the app. */
  readonly layers: readonly string[]
  /** Ports that a request of the smoke test asks where it names none. */
  readonly ports: readonly number[]
  /** Address that its programs listen at; default: 127.0.0.1. */
  readonly address?: string | undefined
  /** Host name that such a request asks for, where others answer at these ports as well. */
  readonly host?: string | undefined
  /** Host name that a request asks for at a port that it names; default: none. */
  readonly domain?: string | undefined
}

/** The release all this is about: one that is there, or one that the run makes. */
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

/** Mirrors `deploy.<app>.migrate`: on one host of the stack, for each commit once. */
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

/** The first by name of the hosts that are online, as every one of them finds out alike; `--migrate` or `--no-migrate` says otherwise. */
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

/** `deploy.<app>.smoke_test`, for what has just gone live. */
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

/** A release that has failed this test gets no visitors a second time, unless the operator says so. */
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

/** What `deploy.<app>.smoke_test` asks for; null without one. */
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

/** A host that is asked by its name is asked for that name. */
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
