/** Describes the infrastructure agent of New Relic: whether a host runs it, and its configuration files. */
import { stringify } from 'yaml'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { SiteNode } from '../node.ts'
import { AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { hostRoles } from '../site/host_roles.ts'

export const header = '# Written by converge, changes are overwritten.\n'

/** The cookbook documents one of the keys, and reads the other. */
export function hasAgent({ newrelic, new_relic }: SiteNode): boolean {
  return newrelic.infrastructure === true || new_relic.infrastructure
}

/** The front end serves the counters of nginx to this host. */
export function hasFrontend(node: SiteNode): boolean {
  return hostRoles(node).includes('frontend')
}

/**
 * Renders /etc/newrelic-infra.yml.
 * @throws INVALID_ATTRIBUTE without a license
 */
export function agentConfig({ newrelic, opsworks }: SiteNode): string {
  const { display_name, log_file, verbose, proxy } = newrelic.infrastructure_agent
  const license = [newrelic.server_monitoring.license, newrelic.license].find(isSet)
  const values = new AttributeWriter()
  if (license === undefined)
    values.refuse('newrelic.license', 'is not set', 'set it to the license key of the account, in a layer for secrets')
  values.check()
  return `${header}${stringify(
    omitUndefined({
      license_key: license,
      display_name: isSet(display_name) ? display_name : opsworks.instance.hostname,
      log:
        log_file === null && !verbose
          ? undefined
          : omitUndefined({ file: log_file ?? undefined, level: verbose ? 'debug' : undefined }),
      proxy: isSet(proxy) ? proxy : undefined,
    }),
  )}`
}

/** Renders the configuration of the integration for nginx: its counters, and its configuration as inventory. */
export function nginxIntegration({ opsworks, converge }: SiteNode): string {
  const { hostname } = opsworks.instance
  const labels = { env: opsworks.stack.name ?? 'none', role: 'frontend', host: hostname }
  const common = { name: 'nri-nginx', labels, inventory_source: 'config/nginx' }
  const status = `http://127.0.0.1:${converge.frontend.http_port}/_main_status_`
  return `${header}${stringify({
    integrations: [
      {
        ...common,
        env: {
          METRICS: 'true',
          STATUS_URL: status,
          STATUS_MODULE: 'ngx_http_stub_status_module',
          REMOTE_MONITORING: 'true',
        },
        interval: '30s',
      },
      { ...common, env: { INVENTORY: 'true', CONFIG_PATH: '/etc/nginx/nginx.conf' }, interval: '60s' },
    ],
  })}`
}
