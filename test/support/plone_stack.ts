/**
 * Defines a small stack for the tests of the Plone recipes: this host is plone1, with two clients and an online ZEO
 * server.
 */
import { attributeSchemas } from '../../attributes/index.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
import type { SiteAttributes } from '../../recipes/site/site_attributes.ts'
import type { NodeJson } from './golden.ts'

export const online = (name: string, more: NodeJson = {}): NodeJson => ({
  hostname: name,
  status: 'online',
  private_dns_name: `${name}.internal`,
  ...more,
})

export const layer = (name: string, ...hosts: NodeJson[]): NodeJson => ({
  opsworks: {
    layers: { [name]: { instances: Object.fromEntries(hosts.map((host) => [String(host.hostname), host])) } },
  },
})

const base: NodeJson = {
  opsworks: {
    stack: { name: 'demo' },
    instance: { hostname: 'plone1', private_dns_name: 'plone1.internal', backends: 8 },
    layers: { zeoserver: { instances: { zeo1: online('zeo1') } } },
  },
  cpu: { total: 2 },
  deploy: { plone_instances: {}, zeoserver: {}, solr: {} },
}

/**
 * Returns the attributes of the stack with changes.
 * @throws the problems that the schemas find
 */
export function stack(...json: NodeJson[]): SiteAttributes {
  const layers = [base, ...json].map((values, index) => objectLayer(values, `${index}.json`, 'stack'))
  const { attributes } = buildNode({ layers, facts: neutralFacts, schemas: attributeSchemas })
  return attributes as unknown as SiteAttributes
}

/** Returns changes to `plone_instances`. */
export const site = (plone_instances: NodeJson): NodeJson => ({ plone_instances })
/** Returns changes to `deploy.plone_instances`. */
export const app = (plone_instances: NodeJson): NodeJson => ({ deploy: { plone_instances } })
