/** Describes a web app for the hooks, the migration and the smoke test of its deploy. */

import { firstName } from '../../core/text/domain.ts'
import type { PloneNode } from '../node.ts'
import { environmentOf } from '../releases/checkout.ts'
import type { DeployedApp } from '../releases/moments.ts'
import { domainsOf, type Site } from './site.ts'

/**
 * Describes the app. Its hosts are those of the layer with the name of the app or of its role, else those of this
 * host's layers.
 * @param role name of the role
 */
export function deployedApp(node: PloneNode, site: Site, role: string): DeployedApp {
  const { at, settings } = site
  const { instance, layers } = node.opsworks
  const layer = [at.app, role].find((name) => Object.hasOwn(layers, name))
  const host = firstName(domainsOf(site))
  return {
    at,
    environment: environmentOf(at),
    layers: layer === undefined ? (instance.layers ?? []) : [layer],
    ports: [settings.http_port],
    host,
    domain: host,
  }
}
