/** Lists the checks of `doctor` for the front end. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { dropInOverride } from '../../resources/services/overrides.ts'
import { missing, ok } from '../checks/findings.ts'
import { overrideCheck } from '../checks/overrides.ts'
import { programCheck } from '../checks/programs.ts'
import { rightsCheck } from '../checks/rights.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { clientLayer, clientPrograms, withClients } from '../plone/balancing.ts'
import { balancedServers } from './haproxy.ts'
import { frontendLayout } from './layout.ts'
import { nameOf, programs } from './programs.ts'
import { varnishDropIn } from './varnish_service.ts'

const packageOf = { haproxy: 'haproxy', varnishd: 'varnish', nginx: 'nginx' } as const

export function checks(node: SiteNode, host: HostReader): HostCheck[] {
  const app = frontendLayout(node)
  return [
    rightsCheck(node, host, app.nginx.config),
    ...(['haproxy', 'varnishd', 'nginx'] as const).map((name) => programCheck(host, programs[name], packageOf[name])),
    ...(node.certbot_domains.length > 0 ? [programCheck(host, 'certbot', 'certbot')] : []),
    ...(app.system
      ? [overrideCheck('unit of varnish', () => dropInOverride(host, varnishDropIn.unit, varnishDropIn.name))]
      : [
          supervisorCheck(host, app),
          shadowCheck(
            host,
            app,
            (['haproxy', 'varnish'] as const).map((part) => nameOf(app, part)),
          ),
        ]),
    backendCheck(withClients(node, clientPrograms(node).read(host))),
  ]
}

/** Checks that the balancer has servers: without any, it answers every request with 503. */
function backendCheck(node: SiteNode): HostCheck {
  return {
    what: 'servers of the balancer',
    run() {
      const servers = balancedServers(node)
      if (servers.length > 0) return ok(servers.map(({ address }) => address).join(', '))
      const layer = clientLayer(node)
      return missing(
        `none: no host of the layer ${layer} is online, so visitors get HTTP 503`,
        `add the hosts of the clients to opsworks.layers.${layer}.instances, each with "status": "online"`,
      )
    },
  }
}
