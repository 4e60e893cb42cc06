/** Renders a virtual host of the site: one server block of nginx. */
import { nginxWord } from '../../core/text/nginx.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { isSet } from '../site/attribute_writer.ts'
import {
  closedDirectives,
  maintenanceDirectory,
  maintenanceHeaderDirective,
  maintenancePage,
} from '../web/maintenance.ts'
import type { FrontendLayout } from './layout.ts'

/** A virtual host: its names, and the path in Zope that it shows. */
export interface VirtualHost {
  /** Names for `server_name`; `_` for all names that no other host has. */
  readonly name: string
  /** Path below the root of Zope, without slashes at its ends. */
  readonly path: string
  /** The user's own directives. */
  readonly own: readonly (string | null | undefined)[]
  /** Whether it has the pages about the front end itself. */
  readonly main: boolean
}

const compressed = [
  'application/javascript application/json application/ld+json application/manifest+json application/rss+xml',
  'application/vnd.ms-fontobject application/xhtml+xml application/xml application/x-javascript font/otf font/ttf',
  'image/svg+xml image/vnd.microsoft.icon text/css text/javascript text/plain text/xml',
].join(' ')

/** Returns a prefix for nginx names that is unique to this site, because the host may have other sites. */
export function variable(app: string): string {
  return `site_${app.replace(/\W/g, '_')}`
}

export function server(node: SiteNode, app: FrontendLayout, host: VirtualHost, listen: readonly string[]): string {
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
    ...maintenancePart(node, app),
    ...acme(node, app),
    ...(host.main ? aboutItself(node) : []),
    ...blobs(node, app),
    ...host.own.filter(isSet).flatMap((text) => [...text.trim().split('\n'), '']),
    ...proxyLines(node, app, host),
  ]
  return `server {\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n}\n`
}

/** Serves the maintenance page by an internal redirect: nginx requests it with GET, so a POST gets it too. */
function maintenancePart(node: SiteNode, { name: app }: FrontendLayout): string[] {
  return [
    ...closedDirectives(maintenancePage(node, app)),
    `error_page 503 /-maintenance/${app}.html;`,
    'location ^~ /-maintenance/ {',
    '  internal;',
    `  alias ${nginxWord(`${maintenanceDirectory(node)}/`)};`,
    '  default_type text/html;',
    '  charset utf-8;',
    '  add_header Retry-After 60 always;',
    '  add_header Cache-Control no-store always;',
    `  ${maintenanceHeaderDirective}`,
    '}',
    '',
  ]
}

function acme({ certbot_domains }: SiteNode, { certbot }: FrontendLayout): string[] {
  if (certbot_domains.length === 0) return []
  return [
    'location ^~ /.well-known/acme-challenge/ {',
    '  default_type text/plain;',
    `  root ${nginxWord(certbot.webroot)};`,
    '}',
    '',
  ]
}

/** Quotes a text for a regular expression in double quotes, in which nginx reads two backslashes as one. */
const quotedPattern = (text: string) =>
  text.replace(/[^\w/-]/g, (character) => (character === '\\' ? '\\'.repeat(4) : `\\${character}`))

function aboutItself({ haproxy }: SiteNode): string[] {
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
          `location ~ "^${quotedPattern(stats)}(;|$)" {`,
          '  proxy_pass http://balancer;',
          '  proxy_http_version 1.1;',
          '  proxy_set_header Connection "";',
          '}',
          '',
        ]
      : []),
  ]
}

/** Renders the internal location for files that the site names in X-Accel-Redirect; visitors cannot request it. */
function blobs(node: SiteNode, app: FrontendLayout): string[] {
  const { blobs } = node.converge.frontend
  const directory = blobs === null ? `${app.shared}/var/blobstorage` : underPrefix(node, blobs)
  return ['location ^~ /-blobs/ {', '  internal;', `  alias ${nginxWord(`${directory}/`)};`, '}', '']
}

function proxyLines(node: SiteNode, app: FrontendLayout, { path }: VirtualHost): string[] {
  const prefix = `$${variable(app.name)}`
  return [
    'location / {',
    '  if ($closed) {',
    '    return 503;',
    '  }',
    `  if (${prefix}_slash) {`,
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
    `  add_header Access-Control-Allow-Origin ${prefix}_font;`,
    `  add_header X-Frame-Options ${prefix}_frames;`,
    `  add_header X-Content-Type-Options ${prefix}_types;`,
    `  add_header Referrer-Policy ${prefix}_referrer;`,
    '}',
  ]
}
