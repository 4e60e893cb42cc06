/** The nginx in front of an app: the system's for root, one of the own supervisord's for an ordinary user. */
import type { Recipe } from '../../core/compile/recipe.ts'
import type { Input } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { directory } from '../../resources/directory.ts'
import { file } from '../../resources/file.ts'
import { package_ as packages } from '../../resources/package.ts'
import { service_reload } from '../../resources/service_reload.ts'
import { supervisor_program } from '../../resources/supervisor_program.ts'
import { symlink } from '../../resources/symlink.ts'
import { type PloneNode, placed } from '../node.ts'
import type { AppLayout } from '../releases/layout.ts'
import { maintenanceDirectory } from './maintenance.ts'

export interface Nginx {
  readonly config: string
  /** Holds what is valid for all sites, such as upstreams. */
  readonly confDir: string
  readonly available: string
  readonly enabled: string
  readonly logs: string
  readonly working: string
  /** Directory of the page for visitors while the site is closed. */
  readonly maintenance: string
  /** How it is told of changes. */
  readonly reload: {
    readonly name: string
    readonly provider: { readonly kind: 'systemd' } | { readonly kind: 'supervisor'; readonly socket: string }
    readonly check: readonly string[]
    readonly pidFile: string
  }
}

/** Where Debian's package has it; not on everybody's PATH. */
const program = '/usr/sbin/nginx'
/** Of converge's own, so that it is in nobody's way. */
const programName = 'nginx'

export function nginxOf(node: PloneNode, at: AppLayout): Nginx {
  const directory = placed(node, '/etc/nginx')
  const config = `${directory}/nginx.conf`
  const working = placed(node, '/var/lib/nginx')
  return {
    config,
    confDir: `${directory}/conf.d`,
    available: `${directory}/sites-available`,
    enabled: `${directory}/sites-enabled`,
    logs: placed(node, '/var/log/nginx'),
    working,
    maintenance: maintenanceDirectory(node),
    reload: {
      name: programName,
      provider: at.system ? { kind: 'systemd' } : { kind: 'supervisor', socket: at.supervisor.socket },
      check: at.system ? [program, '-t', '-q'] : [program, '-t', '-q', '-c', config],
      pidFile: at.system ? '/run/nginx.pid' : `${working}/nginx.pid`,
    },
  }
}

export function nginxSetup(r: Recipe<PloneNode>, at: AppLayout, nginx: Nginx): void {
  if (at.system) return void packages(r, { names: ['nginx'] })
  for (const path of [nginx.confDir, nginx.available, nginx.enabled, nginx.logs, nginx.working])
    if (!r.has('directory', path)) directory(r, { path, parents: true })
  file(r, {
    path: nginx.config,
    content: configuration(at, nginx),
    verify: { command: [program, '-t', '-q', '-c', '%{path}'] },
  })
  supervisor_program(r, {
    name: programName,
    command: `${program} -c ${nginx.config}`,
    // Requests under way are answered.
    stopSignal: 'QUIT',
    confDir: at.supervisor.confDir,
    logDir: at.supervisor.logDir,
    socket: at.supervisor.socket,
  })
}

/** What nginx needs to know before any site, where nothing may be written at the usual places. */
function surroundings(at: AppLayout, { working, logs }: Nginx): string {
  if (at.system) return 'access_log off;'
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return [`access_log ${logs}/access.log;`, ...kinds.map((kind) => `${kind}_temp_path ${working}/${kind};`)].join(
    '\n    ',
  )
}

function configuration(at: AppLayout, nginx: Nginx): string {
  const { user, group } = at.account
  return `# Written by converge, changes are overwritten.
${user === undefined ? '' : `user ${user} ${group};\n`}daemon off;
pid ${nginx.reload.pidFile};
error_log ${nginx.logs}/error.log;
worker_processes auto;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    ${surroundings(at, nginx)}
    sendfile on;
    server_tokens off;
    server_names_hash_bucket_size 128;
    include ${nginx.confDir}/*.conf;
    include ${nginx.enabled}/*;
}
`
}

/** A site that nginx does not serve before `serveSite`; its text was checked, with an upstream of that name, before it is there. */
export function siteFile(
  r: Recipe<PloneNode>,
  at: AppLayout,
  nginx: Nginx,
  content: Input<string>,
  upstream?: string,
): Handle {
  const inside = `pid ${nginx.reload.pidFile}.check;
error_log ${at.system ? 'stderr' : `${nginx.logs}/error.log`};
events {}
http {
    ${surroundings(at, nginx)}
    ${upstream === undefined ? '' : `upstream ${upstream} { server 127.0.0.1:1; }`}
    server_names_hash_bucket_size 128;
    include %{path};
}
`
  return file(r, {
    path: sitePath(at, nginx),
    content,
    mode: '0644',
    verify: { command: [program, '-t', '-q', '-c', '%{path}'], inside },
  })
}

export function sitePath(at: AppLayout, { available }: Nginx): string {
  return `${available}/${at.app}`
}

export function enabledPath(at: AppLayout, { enabled }: Nginx): string {
  return `${enabled}/${at.app}`
}

export function upstreamPath(at: AppLayout, { confDir }: Nginx): string {
  return `${confDir}/${at.app}-upstream.conf`
}

/**
 * Has nginx serve a site, whose text `siteFile` has checked.
 * @param changed what else nginx is to be reloaded for
 */
export function serveSite(
  r: Recipe<PloneNode>,
  at: AppLayout,
  nginx: Nginx,
  content: Input<string>,
  { anyName, changed = [] }: { readonly anyName: boolean; readonly changed?: readonly Handle[] },
): void {
  // Debian's own site would answer for names that nobody else has.
  if (at.system && anyName) symlink(r, { path: `${nginx.enabled}/default`, absent: true })
  // No link to the other file: whether it is there and what it says is one thing then, also for what has to be reloaded.
  const enabled = file(r, { path: enabledPath(at, nginx), content, mode: '0644' })
  reload(r, at, nginx, [...changed, enabled])
}

function reload(r: Recipe<PloneNode>, { app }: AppLayout, { config, reload }: Nginx, when: readonly Handle[]): void {
  const { name, provider, check } = reload
  const setUp: Check = { description: 'nginx is set up', check: (host) => host.stat(config) !== null }
  service_reload(r, { name, purpose: `the site of ${app}`, provider, check: [...check], when, onlyIf: setUp })
}

/** Has nginx no longer serve the site; the text that was checked stays. */
export function unserveSite(r: Recipe<PloneNode>, at: AppLayout, nginx: Nginx): void {
  reload(r, at, nginx, [file(r, { path: enabledPath(at, nginx), absent: true })])
}

/** Has nginx forget the site. */
export function removeSite(r: Recipe<PloneNode>, at: AppLayout, nginx: Nginx): void {
  unserveSite(r, at, nginx)
  file(r, { path: sitePath(at, nginx), absent: true })
  file(r, { path: upstreamPath(at, nginx), absent: true })
}

export interface SiteSettings {
  readonly domains: readonly string[]
  readonly http_port: number
  readonly max_body_megabytes: number
  readonly additional_config: string
}

/** Host names of the site: its own, else those of the app; none means any. */
export function domainsOf(at: AppLayout, { domains }: SiteSettings): readonly string[] {
  return domains.length > 0 ? domains : (at.own.domains ?? [])
}

/** A server block around what is served. */
export function serverBlock(at: AppLayout, nginx: Nginx, settings: SiteSettings, body: string): string {
  const names = domainsOf(at, settings)
  const { http_port, max_body_megabytes, additional_config } = settings
  return `server {
    listen ${http_port};
    server_name ${names.length === 0 ? '_' : names.join(' ')};
    client_max_body_size ${max_body_megabytes}m;
${indented(closed(at, nginx))}${indented(body)}${additional_config.trim() === '' ? '' : indented(additional_config)}}
`
}

/** 503 and the page for visitors, while its file is there; asked for within nginx, so that a POST gets it as well. */
function closed({ app }: AppLayout, { maintenance }: Nginx): string {
  return `set $closed "";
if (-f ${maintenance}/${app}.html) {
    set $closed 1;
}
if ($uri ~ ^/-maintenance/) {
    set $closed "";
}
if ($closed) {
    return 503;
}
error_page 503 /-maintenance/${app}.html;
location ^~ /-maintenance/ {
    internal;
    alias ${maintenance}/;
}`
}

function indented(text: string): string {
  const lines = text.trim().split('\n')
  return `${lines.map((line) => (line === '' ? line : `    ${line}`)).join('\n')}\n`
}
