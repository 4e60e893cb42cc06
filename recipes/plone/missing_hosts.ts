/** Warns of settings of the clients that have no effect because no host of their layer is online. */
import type { Recipe } from '../../core/compile/role.ts'
import { describeLocation } from '../../core/model/errors.ts'
import { anyHost } from '../../core/model/query.ts'
import type { SiteNode } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import { onlineAddresses } from '../site/hosts.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { celeryBroker } from './site.ts'

interface Missing {
  readonly attribute: string
  readonly layer: string
  readonly effect: string
  /** Attribute that can name the host instead. */
  readonly instead: string
}

/** Warns of missing hosts, unless the run only renders files: there it does not matter which hosts are online. */
export function reportMissingHosts(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  if (app.role !== 'zeo-client') return
  r.given(anyHost, () => {
    for (const { attribute, layer, effect, instead } of missingHosts(node)) {
      const source = node.run.locate?.(attribute)
      const prefix = source === undefined ? '' : `${describeLocation(source)}: `
      r.warn(`${prefix}no host of the layer ${layer} is online: ${effect} (start one, or set ${instead})`)
    }
  })
}

function missingHosts(node: SiteNode): Missing[] {
  return [...withoutBroker(node), ...withoutSolr(node), ...withoutDatabase(node)]
}

function withoutBroker(node: SiteNode): Missing[] {
  const { enable_celery, broker_layer: layer } = node.plone_instances
  if (!enable_celery || celeryBroker(node) !== undefined) return []
  const attribute = 'plone_instances.enable_celery'
  return [{ attribute, layer, effect: `${attribute} has no effect`, instead: 'plone_instances.broker.host' }]
}

function withoutSolr(node: SiteNode): Missing[] {
  const { solr_enabled, solr_host, solr_layer: layer } = node.plone_instances
  if (!solr_enabled || isSet(solr_host) || onlineAddresses(node, layer).length > 0) return []
  const attribute = 'plone_instances.solr_enabled'
  return [{ attribute, layer, effect: `${attribute} has no effect`, instead: 'plone_instances.solr_host' }]
}

/** Reports a layer without ZEO server or memcached; a stack without the layer may name its servers in another way. */
function withoutDatabase(node: SiteNode): Missing[] {
  const { enable_relstorage, relstorage, zeo, zeo_layer } = node.plone_instances
  const isDown = (layer: string) =>
    Object.hasOwn(node.opsworks.layers, layer) && onlineAddresses(node, layer).length === 0
  if (enable_relstorage) {
    if (!relstorage.enable_cache || isSet(relstorage.cache_servers) || !isDown('memcached')) return []
    const attribute = 'plone_instances.relstorage.enable_cache'
    const instead = 'plone_instances.relstorage.cache_servers'
    return [{ attribute, layer: 'memcached', effect: 'the cache of RelStorage has no servers', instead }]
  }
  if (isSet(zeo.address) || (node.run.roles ?? []).includes('zeo-server') || !isDown(zeo_layer)) return []
  return [
    {
      attribute: 'plone_instances.zeo_layer',
      layer: zeo_layer,
      effect: 'clients take the address of the ZEO server from the buildout of the site',
      instead: 'plone_instances.zeo.address',
    },
  ]
}
