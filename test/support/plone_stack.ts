/**
 * Defines a small stack for the tests of the Plone recipes: this host is plone1, with two clients and an online ZEO
 * server.
 */
import type { SiteAttributes } from '../../recipes/site/site_attributes.ts'
import { type NodeJson, nodeOf } from './golden.ts'

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

/** Returns the stack with changes. */
export const stack = (...json: NodeJson[]): SiteAttributes => nodeOf(base, ...json)

/** Returns changes to `plone_instances`, or to `deploy.plone_instances`. */
export const site = (plone_instances: NodeJson): NodeJson => ({ plone_instances })
export const app = (plone_instances: NodeJson): NodeJson => ({ deploy: { plone_instances } })
