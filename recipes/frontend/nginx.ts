/** Renders the site for nginx: virtual hosts that rewrite requests for Zope and pass them to the cache. */
import type { SiteNode } from '../node.ts'
import { AttributeWriter, isSet } from '../site/attribute_writer.ts'
import { appAttributes } from '../site/site_attributes.ts'
import { type Certificate, tlsDirectives } from '../web/tls.ts'
import { balancerAt, cacheAt, requestAddress } from './addresses.ts'
import type { FrontendLayout } from './layout.ts'
import { server, type VirtualHost, variable } from './virtual_host.ts'

/** Renders the whole site for the http section of nginx.conf. */
export function renderSite(node: SiteNode, app: FrontendLayout): string {
  const { nginx_plone, plone_instances, converge } = node
  const values = new AttributeWriter()
  const { subsite_config } = plone_instances
  const site = pathOf(values, 'plone_instances.site_id', plone_instances.site_id)
  const hosts: VirtualHost[] = [
    { name: '_', path: site, own: [nginx_plone.default_config, nginx_plone.additional_config], main: true },
    ...subsites(node, values).map(([name, path]) => ({
      name,
      path,
      own: [nginx_plone.additional_config, subsite_config[name]],
      main: false,
    })),
  ]
  const listen = (host: VirtualHost) => `listen ${converge.frontend.http_port}${host.main ? ' default_server' : ''};`
  const text = [
    '# Written by converge, changes are overwritten.',
    sharedDirectives(node, app),
    ...(isSet(nginx_plone.additional_servers) ? [nginx_plone.additional_servers] : []),
    ...hosts.map((host) => server(node, app, host, [listen(host)])),
  ].join('\n')
  values.check()
  return `${text}\n`
}

/** Returns the names with TLS: the domains of the certificate, the default first, and every subsite. */
export function tlsNames({ plone_instances }: SiteNode, domains: readonly string[]): readonly string[] {
  return [...new Set([...domains, ...Object.keys(plone_instances.subsites)])]
}

/** Renders the virtual hosts with TLS, which share one certificate, see `tlsNames`. */
export function renderTlsSite(
  node: SiteNode,
  app: FrontendLayout,
  domains: readonly string[],
  files: Certificate,
): string {
  const { nginx_plone, plone_instances, converge } = node
  const values = new AttributeWriter()
  const site = pathOf(values, 'plone_instances.site_id', plone_instances.site_id)
  const paths = new Map(subsites(node, values))
  const hosts = tlsNames(node, domains).map((name, index): VirtualHost => {
    const main = index === 0
    return {
      name: paths.has(name) ? name : hostName(values, domainKey(node, app, name), name),
      path: paths.get(name) ?? site,
      own: [
        main ? nginx_plone.default_ssl_config : null,
        nginx_plone.additional_ssl_config,
        plone_instances.subsite_config[name],
      ],
      main,
    }
  })
  values.check()
  const { https_port } = converge.frontend
  const tls = (main: boolean) => [
    `listen ${https_port} ssl http2${main ? ' default_server' : ''};`,
    ...tlsDirectives(files),
  ]
  return `# Written by converge, changes are overwritten.\n${hosts.map((host) => server(node, app, host, tls(host.main))).join('\n')}\n`
}

/** Returns the attribute that sets a domain. */
function domainKey(node: SiteNode, { name: app }: FrontendLayout, name: string): string {
  const index = node.certbot_domains.indexOf(name)
  if (index >= 0) return `certbot_domains[${index}]`
  return `deploy.${app}.domains[${(appAttributes(node, app).domains ?? []).indexOf(name)}]`
}

/** Returns the domains of the app without its short name, which OpsWorks adds to them. */
export function domainsOf(node: SiteNode, { name: app }: FrontendLayout): readonly string[] {
  const domains = [...new Set(appAttributes(node, app).domains ?? [])]
  return domains.length > 1 ? domains.filter((domain) => domain !== app) : domains
}

/** Returns the further virtual hosts, each with its path in Zope. */
function subsites({ plone_instances }: SiteNode, values: AttributeWriter): [name: string, path: string][] {
  const site = plone_instances.site_id
  return Object.entries(plone_instances.subsites).map(([name, path]) => {
    const key = `plone_instances.subsites.${name}`
    return [
      hostName(values, key, name),
      [pathOf(values, 'plone_instances.site_id', site), pathOf(values, key, path)].filter(isSet).join('/'),
    ]
  })
}

function pathOf(values: AttributeWriter, key: string, path: string): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  if (!/^[\w.,~@+/-]*$/.test(trimmed))
    values.refuse(key, 'is not a path in Zope', 'ids of objects with slashes between them, such as Plone/intranet')
  return trimmed
}

function hostName(values: AttributeWriter, key: string, name: string): string {
  if (!/^[\w.*-]+$/.test(name))
    values.refuse(
      key,
      `has ${JSON.stringify(name)}, which is not a host name`,
      'letters, digits, dots and dashes, such as www.example.com',
    )
  return name
}

const crawlers = 'Googlebot|msnbot|Bingbot|BingPreview|Yahoo|Baiduspider'

/** Renders the directives that all virtual hosts share. */
function sharedDirectives(node: SiteNode, { name: app }: FrontendLayout): string {
  const prefix = `$${variable(app)}`
  return `upstream cache {
  server ${requestAddress(cacheAt(node))} max_fails=0;
  keepalive 32;
}

upstream balancer {
  server ${requestAddress(balancerAt(node))} max_fails=0;
  keepalive 8;
}

client_header_buffer_size 4k;
client_body_buffer_size 32k;

# A balancer in front that terminates TLS sends this header.
map $http_x_forwarded_proto $final_scheme {
  default $scheme;
  http http;
  https https;
}
map $http_x_forwarded_proto $final_port {
  default $server_port;
  http 80;
  https 443;
}

# Fonts may be used by pages of other sites.
map $uri ${prefix}_font {
  default "";
  "~*\\.(eot|otf|ttf|woff2?)$" "*";
}
# One address for each page, also in search engines.
map $http_user_agent ${prefix}_crawler {
  default 0;
  "~*^(${crawlers})" 1;
}
map ${prefix}_crawler$uri ${prefix}_slash {
  default 0;
  "~^1/.+/$" 1;
}

# Said only where the site itself says nothing.
map $upstream_http_x_frame_options ${prefix}_frames {
  default "";
  "" SAMEORIGIN;
}
map $upstream_http_x_content_type_options ${prefix}_types {
  default "";
  "" nosniff;
}
map $upstream_http_referrer_policy ${prefix}_referrer {
  default "";
  "" strict-origin-when-cross-origin;
}
`
}
