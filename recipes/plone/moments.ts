/** What an app has done at the moments of its deploy: its hooks, its migration, its smoke test. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { deploy_hook } from '../../resources/deploy_hook.ts'
import { migration } from '../../resources/migration.ts'
import { smoke_test } from '../../resources/smoke_test.ts'
import type { PloneNode } from '../node.ts'
import { clientLayer } from './balancing.ts'
import type { Layout } from './layout.ts'
import type { Program } from './programs.ts'
import { releasesOf, run } from './running.ts'
import { appEnvironment } from './site.ts'
import { isSet } from './values.ts'

/** The release all this is about: one that is there, or one that the run makes. */
export interface DeployedRelease {
  readonly path: Input<string>
  readonly commit: Input<string>
}

type Hook = 'before_migrate' | 'before_symlink' | 'before_restart' | 'after_restart'

export function hook(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  name: Hook,
  release: DeployedRelease,
  options: CommonOptions,
): void {
  const before = name === 'before_migrate' || name === 'before_symlink' ? { current: at.current } : {}
  deploy_hook(r, { hook: name, commit: release.commit, ...before, ...commandOf(node, at, release), ...options })
}

/** The restart of what runs, between the two hooks around it, and the smoke test of what came of it. */
export function goLive(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  wanted: readonly Program[],
  release: DeployedRelease,
  options: CommonOptions & { readonly goesBack: boolean },
): void {
  const { goesBack, ...rest } = options
  hook(r, node, at, 'before_restart', release, rest)
  run(r, node, at, wanted, rest)
  hook(r, node, at, 'after_restart', release, rest)
  smokeTest(r, node, at, wanted, release, options)
}

/** Mirrors `deploy.<app>.migrate`: on one host of the stack, for each commit once. */
export function migrate(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  release: DeployedRelease,
  guard: CommonOptions,
): void {
  const { migrate, migrate_command } = at.own
  if (migrate !== true) return
  if (!isSet(migrate_command))
    throw new ConvergeError(`deploy.${at.app}.migrate is true, and there is no migrate_command`, {
      code: 'INVALID_ATTRIBUTE',
      hint: `set deploy.${at.app}.migrate_command, e.g. "bin/client1 run scripts/migrate.py"`,
      usage: true,
    })
  if (!migratesHere(node, at)) return
  const command = String(migrate_command)
  migration(r, { command, commit: release.commit, current: at.current, ...commandOf(node, at, release), ...guard })
}

/** The first by name of the hosts that are online, as every one of them finds out alike; `--migrate` or `--no-migrate` says otherwise. */
export function migratesHere(node: PloneNode, at: Layout): boolean {
  const { migrate } = node.run.options
  if (typeof migrate === 'boolean') return migrate
  const { instance, layers } = node.opsworks
  const layer = { 'zeo-client': clientLayer(node), 'zeo-server': node.plone_instances.zeo_layer, solr: 'solr' }[at.role]
  const online = Object.entries(Object.hasOwn(layers, layer) ? (layers[layer]?.instances ?? {}) : {})
    .filter(([, { status }]) => status === 'online')
    .map(([name, { hostname }]) => hostname ?? name)
  const first = online.sort()[0]
  return first === undefined || first === instance.hostname
}

/** Mirrors nothing of the cookbook's: `deploy.<app>.smoke_test`. */
function smokeTest(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  wanted: readonly Program[],
  release: DeployedRelease,
  { goesBack, ...options }: CommonOptions & { readonly goesBack: boolean },
): void {
  const test = at.own.smoke_test
  if (test === undefined) return
  const ports = wanted.flatMap(({ port }) => port ?? [])
  const requests = test.http.flatMap(({ port, host, path, status, contains, headers }) =>
    (port ? [port] : ports).map((one) => ({
      port: one,
      host,
      path,
      statusMin: status.min,
      statusMax: status.max,
      headers,
      ...(contains ? { contains } : {}),
    })),
  )
  const live = releasesOf(node, at).find(({ current }) => current)
  const { timeout: _, ...account } = commandOf(node, at, release)
  smoke_test(r, {
    ...account,
    requests,
    commands: isSet(test.command) ? [test.command] : [],
    deadline: seconds(test.deadline_seconds),
    rollback: goesBack && test.rollback_on_failure,
    ...(live ? { live: live.path } : {}),
    ...options,
  })
}

function commandOf(node: PloneNode, at: Layout, { path }: DeployedRelease) {
  return {
    app: at.app,
    directory: path,
    environment: appEnvironment(node, at.role, at.deployTo),
    allowRoot: at.own.buildout_allow_root ?? node.converge.allow_root,
    timeout: seconds(node.converge.build_timeout_seconds),
    ...at.account,
  }
}
