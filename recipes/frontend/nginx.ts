/** The site in nginx: virtual hosts whose requests are rewritten for Zope and passed to the cache. */
import { type PloneNode, placed } from '../node.ts'
import { appAttributes } from '../plone/site.ts'
import { isSet, Values } from '../plone/values.ts'
import { maintenanceDirectory, maintenancePage } from '../web/maintenance.ts'
import type { FrontendLayout } from './layout.ts'

/** A virtual host: what it is called, and the path in Zope that it shows. */
interface VirtualHost {
  /** Names for `server_name`; `_` for all that are not named elsewhere. */
  readonly name: string
  /** Below the root of Zope, without slashes at its ends. */
  readonly path: string
  /** The directives of the user's own. */
  readonly own: readonly (string | null | undefined)[]
  /** Whether the pages about the front end itself are here. */
  readonly main: boolean
}

/** The files of a certificate. */
export interface Certificate {
  readonly chain: string
  readonly key: string
}

/** The whole configuration of the site, for the http section of nginx.conf. */
export function renderSite(node: PloneNode, at: FrontendLayout): string {
  const { nginx_plone, plone_instances, converge } = node
  const values = new Values()
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
    shared(node, at),
    ...(isSet(nginx_plone.additional_servers) ? [nginx_plone.additional_servers] : []),
    ...hosts.map((host) => server(node, at, host, [listen(host)])),
  ].join('\n')
  values.check()
  return `${text}\n`
}

/** The virtual hosts that speak TLS with one certificate: one for each domain of the app. */
export function renderTlsSite(
  node: PloneNode,
  at: FrontendLayout,
  domains: readonly string[],
  files: Certificate,
): string {
  const { nginx_plone, plone_instances, converge } = node
  const values = new Values()
  const site = pathOf(values, 'plone_instances.site_id', plone_instances.site_id)
  const paths = new Map(subsites(node, values))
  const hosts = domains.map(
    (name, index): VirtualHost => ({
      name: hostName(values, 'the domains of the site', name),
      path: paths.get(name) ?? site,
      own: [nginx_plone.default_ssl_config, nginx_plone.additional_ssl_config, plone_instances.subsite_config[name]],
      main: index === 0,
    }),
  )
  values.check()
  const { https_port } = converge.frontend
  const tls = (main: boolean) => [
    `listen ${https_port} ssl http2${main ? ' default_server' : ''};`,
    `ssl_certificate ${files.chain};`,
    `ssl_certificate_key ${files.key};`,
    'ssl_protocols TLSv1.2 TLSv1.3;',
    'ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;',
    'ssl_prefer_server_ciphers off;',
    'ssl_session_cache shared:converge:10m;',
    'ssl_session_timeout 1d;',
    'ssl_session_tickets off;',
  ]
  return `# Written by converge, changes are overwritten.\n${hosts.map((host) => server(node, at, host, tls(host.main))).join('\n')}\n`
}

/** The domains of the app, without the app's own short name, which the platform puts among them. */
export function domainsOf(node: PloneNode, { app }: FrontendLayout): readonly string[] {
  const domains = [...new Set(appAttributes(node, app).domains ?? [])]
  return domains.length > 1 ? domains.filter((domain) => domain !== app) : domains
}

/** Further virtual hosts, with the path in Zope that each of them shows. */
function subsites({ plone_instances }: PloneNode, values: Values): [name: string, path: string][] {
  const site = plone_instances.site_id
  return Object.entries(plone_instances.subsites).map(([name, path]) => {
    const key = `plone_instances.subsites.${name}`
    return [
      hostName(values, key, name),
      [pathOf(values, 'plone_instances.site_id', site), pathOf(values, key, path)].filter(isSet).join('/'),
    ]
  })
}

function pathOf(values: Values, key: string, path: string): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  if (!/^[\w.,~@+/-]*$/.test(trimmed))
    values.refuse(key, 'is no path in Zope', 'ids of objects with slashes between them, such as Plone/intranet')
  return trimmed
}

function hostName(values: Values, key: string, name: string): string {
  if (!/^[\w.*-]+$/.test(name))
    values.refuse(
      key,
      `has ${JSON.stringify(name)}, which is no host name`,
      'letters, digits, dots and dashes, such as www.example.com',
    )
  return name
}

const crawlers = 'Googlebot|msnbot|Bingbot|BingPreview|Yahoo|Baiduspider'
const compressed = [
  'application/javascript application/json application/ld+json application/manifest+json application/rss+xml',
  'application/vnd.ms-fontobject application/xhtml+xml application/xml application/x-javascript font/otf font/ttf',
  'image/svg+xml image/vnd.microsoft.icon text/css text/javascript text/plain text/xml',
].join(' ')

/** What all virtual hosts share. */
function shared(node: PloneNode, { app }: FrontendLayout): string {
  const { nginx_plone, converge } = node
  const own = `$${variable(app)}`
  return `upstream cache {
  server 127.0.0.1:${nginx_plone.proxy_port} max_fails=0;
  keepalive 32;
}

upstream balancer {
  server 127.0.0.1:${converge.frontend.balancer_port} max_fails=0;
  keepalive 8;
}

client_header_buffer_size 4k;
client_body_buffer_size 32k;

# A balancer in front that speaks TLS says so.
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
map $uri ${own}_font {
  default "";
  "~*\\.(eot|otf|ttf|woff2?)$" "*";
}
# One address for each page, also in search engines.
map $http_user_agent ${own}_crawler {
  default 0;
  "~*^(${crawlers})" 1;
}
map ${own}_crawler$uri ${own}_slash {
  default 0;
  "~^1/.+/$" 1;
}

# Said only where the site itself says nothing.
map $upstream_http_x_frame_options ${own}_frames {
  default "";
  "" SAMEORIGIN;
}
map $upstream_http_x_content_type_options ${own}_types {
  default "";
  "" nosniff;
}
map $upstream_http_referrer_policy ${own}_referrer {
  default "";
  "" strict-origin-when-cross-origin;
}
`
}

/** What is for this site alone has its name in it: other sites may be on this host. */
function variable(app: string): string {
  return `site_${app.replace(/\W/g, '_')}`
}

function server(node: PloneNode, at: FrontendLayout, host: VirtualHost, listen: readonly string[]): string {
  const lines = [
    ...listen,
    `server_name ${host.name};`,
    `client_max_body_size ${node.nginx_plone.client_max_body_size};`,
    'absolute_redirect off;',
    'gzip on;',
    'gzip_proxied any;',
    'gzip_vary on;',
    'gzip_min_length 1000;',
    `gzip_types ${compressed};`,
    '',
    ...maintenancePart(node, at),
    ...acme(node, at),
    ...(host.main ? aboutItself(node) : []),
    ...blobs(node, at),
    ...host.own.filter(isSet).flatMap((text) => [...text.trim().split('\n'), '']),
    ...proxied(node, at, host),
  ]
  return `server {\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n}\n`
}

/** By its address in nginx, so that a POST gets it too: nginx asks for it with GET. */
function maintenancePart(node: PloneNode, { app }: FrontendLayout): string[] {
  return [
    `error_page 503 /-maintenance/${app}.html;`,
    'location ^~ /-maintenance/ {',
    '  internal;',
    `  alias ${maintenanceDirectory(node)}/;`,
    '  default_type text/html;',
    '  charset utf-8;',
    '  add_header Retry-After 60 always;',
    '  add_header Cache-Control no-store always;',
    '}',
    '',
  ]
}

function acme({ certbot_domains }: PloneNode, { certbot }: FrontendLayout): string[] {
  if (certbot_domains.length === 0) return []
  return [
    'location ^~ /.well-known/acme-challenge/ {',
    '  default_type text/plain;',
    `  root ${certbot.webroot};`,
    '}',
    '',
  ]
}

function aboutItself({ haproxy }: PloneNode): string[] {
  const stats = haproxy.stats_url.replace(/[?;].*$/, '')
  return [
    'location = /_main_status_ {',
    '  stub_status;',
    '  access_log off;',
    '  allow 127.0.0.1;',
    '  deny all;',
    '}',
    '',
    ...(haproxy.enable_stats
      ? [
          `location ~ "^${stats.replace(/[^\w/-]/g, '\\$&')}(;|$)" {`,
          '  proxy_pass http://balancer;',
          '  proxy_http_version 1.1;',
          '  proxy_set_header Connection "";',
          '}',
          '',
        ]
      : []),
  ]
}

/** What the site names in X-Accel-Redirect; visitors cannot ask for it. */
function blobs(node: PloneNode, at: FrontendLayout): string[] {
  const { blobs } = node.converge.frontend
  const directory = blobs === null ? `${at.shared}/var/blobstorage` : placed(node, blobs)
  return ['location ^~ /-blobs/ {', '  internal;', `  alias ${directory}/;`, '}', '']
}

function proxied(node: PloneNode, at: FrontendLayout, { path }: VirtualHost): string[] {
  const own = `$${variable(at.app)}`
  return [
    'location / {',
    `  if (-f ${maintenancePage(node, at.app)}) {`,
    '    return 503;',
    '  }',
    `  if (${own}_slash) {`,
    '    rewrite ^/(.+)/$ /$1 permanent;',
    '  }',
    `  rewrite ^/(.*?)/?$ /VirtualHostBase/$final_scheme/$host:$final_port/${path === '' ? '' : `${path}/`}VirtualHostRoot/$1 break;`,
    '  proxy_pass http://cache;',
    '  proxy_http_version 1.1;',
    '  proxy_set_header Connection "";',
    '  proxy_set_header Host $http_host;',
    '  # The cache asks this, not the address of this host, whether somebody may have pages thrown away.',
    '  proxy_set_header X-Real-IP $remote_addr;',
    '  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
    '  proxy_set_header X-Forwarded-Proto $final_scheme;',
    '  # Compressed here, once for all.',
    '  proxy_set_header Accept-Encoding "";',
    '  proxy_next_upstream error timeout;',
    '  proxy_connect_timeout 90;',
    '  proxy_read_timeout 900;',
    '  proxy_send_timeout 900;',
    '  send_timeout 900;',
    '  proxy_buffer_size 256k;',
    '  proxy_buffers 16 256k;',
    '  proxy_busy_buffers_size 512k;',
    ...(node.nginx_plone.enable_ssi ? ['  ssi on;'] : []),
    `  add_header Access-Control-Allow-Origin ${own}_font;`,
    `  add_header X-Frame-Options ${own}_frames;`,
    `  add_header X-Content-Type-Options ${own}_types;`,
    `  add_header Referrer-Policy ${own}_referrer;`,
    '}',
  ]
}

/** How nginx checks a part of its http section, such as `include %{path};`. */
export function checkInside({ nginx }: FrontendLayout, part: string) {
  const temporary = { client_body: 'body', proxy: 'proxy', fastcgi: 'fastcgi', uwsgi: 'uwsgi', scgi: 'scgi' }
  const inside = `error_log stderr;
pid /dev/null;
events {
}
http {
  access_log off;
  types_hash_max_size 2048;
  server_names_hash_bucket_size 128;
${Object.entries(temporary)
  .map(([what, name]) => `  ${what}_temp_path ${nginx.working}/${name};`)
  .join('\n')}
  ${part}
}
`
  return { command: [nginxProgram, '-t', '-q', '-e', 'stderr', '-c', '%{path}'], inside }
}

export const nginxProgram = '/usr/sbin/nginx'
