/** Describes a buildout app for the hooks, the migration and the smoke test of its deploy. */
import { firstName } from '../../core/text/domain.ts'
import type { DeployTarget } from '../app/deploy_hooks.ts'
import type { SiteNode } from '../node.ts'
import { clientAddress, clientLayer } from './balancing.ts'
import type { BuildoutApp } from './buildout_app.ts'
import type { Program } from './programs.ts'
import { appEnvironment } from './site.ts'

export function deployTarget(node: SiteNode, app: BuildoutApp, programs: readonly Program[]): DeployTarget {
  const layer = { 'zeo-client': clientLayer(node), 'zeo-server': node.plone_instances.zeo_layer, solr: 'solr' }[
    app.role
  ]
  return {
    app,
    environment: appEnvironment(node, app.role, app.deployTo),
    zope: app.role === 'zeo-client',
    layers: [layer],
    ports: programs.flatMap(({ port }) => port ?? []),
    address: clientAddress(node.plone_instances),
    domain: firstName(app.attributes.domains ?? []),
  }
}
