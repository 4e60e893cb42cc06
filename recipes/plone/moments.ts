/** Restarts a buildout app in a deploy, with its hooks and its smoke test. */
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { firstName } from '../../core/text/domain.ts'
import type { PloneNode } from '../node.ts'
import { type DeployedApp, type DeployedRelease, hook, smokeTest } from '../releases/moments.ts'
import { clientAddress, clientLayer } from './balancing.ts'
import { banAfterSwitch } from './cached_pages.ts'
import type { Layout } from './layout.ts'
import type { Program } from './programs.ts'
import { run } from './running.ts'
import { appEnvironment } from './site.ts'

export function deployedApp(node: PloneNode, at: Layout, wanted: readonly Program[]): DeployedApp {
  const layer = { 'zeo-client': clientLayer(node), 'zeo-server': node.plone_instances.zeo_layer, solr: 'solr' }[at.role]
  return {
    at,
    environment: appEnvironment(node, at.role, at.deployTo),
    zope: at.role === 'zeo-client',
    layers: [layer],
    ports: wanted.flatMap(({ port }) => port ?? []),
    address: clientAddress(node.plone_instances),
    domain: firstName(at.own.domains ?? []),
  }
}

/** Restarts the programs between their two hooks, then runs the smoke test. */
export function goLive(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: Layout,
  wanted: readonly Program[],
  release: DeployedRelease,
  options: CommonOptions & { readonly goesBack: boolean; readonly when: readonly Handle[] },
): void {
  const { goesBack: _, ...rest } = options
  const app = deployedApp(node, at, wanted)
  hook(r, node, app, 'before_restart', release, rest)
  run(r, node, at, wanted, rest)
  hook(r, node, app, 'after_restart', release, rest)
  if (at.role === 'zeo-client') banAfterSwitch(r, node, at, rest)
  smokeTest(r, node, app, release, options)
}
