/** Describes a web app for the hooks, the migration and the smoke test of its deploy. */
import { firstName } from '../../core/text/domain.ts'
import { environmentOf } from '../app/checkout.ts'
import type { DeployTarget } from '../app/deploy_hooks.ts'
import type { SiteNode } from '../node.ts'
import { domainsOf, type Site } from './site.ts'

/**
 * Describes the app. Its hosts are those of the layer with the name of the app or of its role, else those of this
 * host's layers.
 * @param role name of the role
 */
export function deployTarget(node: SiteNode, site: Site, role: string): DeployTarget {
  const { app, settings } = site
  const { instance, layers } = node.opsworks
  const layer = [app.name, role].find((name) => Object.hasOwn(layers, name))
  const host = firstName(domainsOf(site))
  return {
    app,
    environment: environmentOf(app),
    layers: layer === undefined ? (instance.layers ?? []) : [layer],
    ports: [settings.http_port],
    host,
    domain: host,
  }
}
