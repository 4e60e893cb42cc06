/** Warns of settings of the front end that have no effect on the services of this host. */
import type { Recipe } from '../../core/compile/role.ts'
import { formatPath, type KeyPath } from '../../core/node/path.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'
import type { Tls } from './certificates.ts'
import { balancedServers, effectiveRetries } from './haproxy.ts'
import { tlsNames } from './nginx.ts'

/** The default of `haproxy.retries`. */
const usualRetries = 3

export function warnOfIneffectiveSettings(r: Recipe<SiteNode>, node: SiteNode, tls: Tls | null): void {
  const { haproxy, plone_instances } = node
  const names = tlsNames(node, tls?.domains ?? [])
  for (const name of Object.keys(plone_instances.subsite_config))
    if (!names.includes(name))
      report(r, node, ['plone_instances', 'subsite_config', name], `add ${name} to plone_instances.subsites`)
  const retries = effectiveRetries(haproxy.retries, balancedServers(node).length)
  if (haproxy.retries !== usualRetries && haproxy.retries !== retries)
    report(
      r,
      node,
      ['haproxy', 'retries'],
      `HAProxy gets ${retries}, so that a request passes all clients; set it to 0 for none`,
    )
}

function report(r: Recipe<SiteNode>, node: SiteNode, attribute: KeyPath, hint: string): void {
  warnOfAttribute(r, node, { attribute, message: `${formatPath(attribute)} has no effect`, hint })
}
