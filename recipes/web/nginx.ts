/** Describes and sets up the nginx in front of an app: the system's for root, an own one for an ordinary user. */
import type { Recipe } from '../../core/compile/role.ts'
import { derived, type Input, queried } from '../../core/model/reference.ts'
import type { Handle } from '../../core/model/resource.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { shellWords } from '../../core/text/shell.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { textOf } from '../../resources/files/queries.ts'
import type { Verify } from '../../resources/files/verify.ts'
import { package_ as packages } from '../../resources/packages/package.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import type { App } from '../app/app.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { appName } from '../plone/site.ts'
import { appAttributes } from '../site/site_attributes.ts'
import { appCertificate } from './app_certificate.ts'
import { maintenanceDirectory } from './maintenance.ts'

export interface Nginx {
  readonly config: string
  /** Directory of configuration for all sites, such as upstreams. */
  readonly confDir: string
  readonly available: string
  readonly enabled: string
  /** Directory of the given certificates, each with its key. */
  readonly certificates: string
  readonly logs: string
  readonly working: string
  /** Account of its workers; null if it cannot change accounts. */
  readonly user: Input<string | null>
  /** Ports at which the front end, which this run sets up after the apps, answers for all names. */
  readonly answered: readonly number[]
  /** Directory of the maintenance pages. */
  readonly maintenance: string
  /** Parameters of its reload. */
  readonly reload: {
    readonly name: string
    readonly provider: { readonly kind: 'systemd' } | { readonly kind: 'supervisor'; readonly socket: string }
    readonly check: readonly string[]
    readonly pidFile: string
  }
}

/** The path of nginx in Debian's package, which is not on every account's PATH. */
export const nginxProgram = '/usr/sbin/nginx'
/** The name of the program in converge's own supervisord. */
const programName = 'nginx'

export function nginxOf(node: SiteNode, app: App): Nginx {
  const directory = underPrefix(node, '/etc/nginx')
  const config = `${directory}/nginx.conf`
  const working = underPrefix(node, '/var/lib/nginx')
  return {
    config,
    confDir: `${directory}/conf.d`,
    available: `${directory}/sites-available`,
    enabled: `${directory}/sites-enabled`,
    certificates: `${directory}/ssl`,
    logs: underPrefix(node, '/var/log/nginx'),
    working,
    user: userOf(node, app, config),
    answered: frontendPorts(node),
    maintenance: maintenanceDirectory(node),
    reload: {
      name: programName,
      provider: app.system ? { kind: 'systemd' } : { kind: 'supervisor', socket: app.supervisor.socket },
      check: app.system ? [nginxProgram, '-t', '-q'] : [nginxProgram, '-t', '-q', '-c', config],
      pidFile: app.system ? '/run/nginx.pid' : `${working}/nginx.pid`,
    },
  }
}

/**
 * Returns the ports of the front end, if this run configures it too. Otherwise a default site would be written for an app,
 * and removed for the front end in the same run: nginx would be reloaded for it in the next run.
 */
function frontendPorts(node: SiteNode): number[] {
  const { run, converge, certbot_domains } = node
  if (!(run.roles ?? []).includes('frontend') || !run.events.includes('configure')) return []
  const { http_port, https_port } = converge.frontend
  const hasTls = certbot_domains.length > 0 || appCertificate(appAttributes(node, appName(node, 'zeo-client'))) !== null
  return hasTls ? [http_port, https_port] : [http_port]
}

const debianUser = 'www-data'

/** Returns the account of the workers: for the system's nginx, the one that its configuration names. */
function userOf({ facts }: SiteNode, { system }: App, config: string): Input<string | null> {
  if (facts.uid !== 0) return null
  if (!system) return debianUser
  return derived(queried(textOf(config)), (text) => /^\s*user\s+([\w.-]+)/m.exec(text ?? '')?.[1] ?? debianUser)
}

export function nginxSetup(r: Recipe<SiteNode>, app: App, nginx: Nginx): void {
  if (app.system) return void packages(r, { names: ['nginx'] })
  for (const path of [nginx.confDir, nginx.available, nginx.enabled, nginx.logs, nginx.working])
    r.unlessDeclared('directory', path, () => void directory(r, { path, parents: true }))
  const config = file(r, {
    path: nginx.config,
    content: configuration(nginx),
    verify: { command: [nginxProgram, '-t', '-q', '-c', '%{path}'] },
  })
  const program = supervisor_program(r, {
    name: programName,
    command: shellWords([nginxProgram, '-c', nginx.config]),
    // QUIT: nginx finishes the requests under way.
    stopSignal: 'QUIT',
    confDir: app.supervisor.confDir,
    logDir: app.supervisor.logDir,
    socket: app.supervisor.socket,
  })
  loadConfiguration(r, nginx, { config, program })
}

/** Has a running nginx load its own configuration; the resources that serve a site start it. */
function loadConfiguration(
  r: Recipe<SiteNode>,
  { reload: { name, provider, check, pidFile } }: Nginx,
  { config, program }: { readonly config: Handle; readonly program: Handle },
): void {
  // With a damaged site nginx would not restart. A deploy repairs the site, and then this step runs again.
  const common = { provider, check: [...check], adopt: true, start: false, ignoreFailure: true }
  service_restart(r, { ...common, services: [{ name }], when: [program] })
  service_reload(r, { ...common, name, purpose: 'its own configuration', pidFile, when: [config] })
}

/** Renders the directories of requests and answers that are too large for memory. */
function temporary({ working }: Nginx): string {
  const kinds = { client_body: 'body', proxy: 'proxy', fastcgi: 'fastcgi', uwsgi: 'uwsgi', scgi: 'scgi' }
  return Object.entries(kinds)
    .map(([kind, name]) => `    ${kind}_temp_path ${nginxWord(`${working}/${name}`)};`)
    .join('\n')
}

function configuration(nginx: Nginx): Input<string> {
  return derived(nginx.user as string | null, (user) => configurationFor(nginx, user))
}

function configurationFor(nginx: Nginx, user: string | null): string {
  return `# Written by converge, changes are overwritten.
${userLine(user)}daemon off;
pid ${nginxWord(nginx.reload.pidFile)};
error_log ${nginxWord(`${nginx.logs}/error.log`)};
worker_processes auto;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log ${nginxWord(`${nginx.logs}/access.log`)};
${temporary(nginx)}
    sendfile on;
    server_tokens off;
    types_hash_max_size 2048;
    server_names_hash_bucket_size 128;
    include ${nginxWord(`${nginx.confDir}/*.conf`)};
    include ${nginxWord(`${nginx.enabled}/*`)};
}
`
}

function userLine(user: string | null): string {
  return user === null ? '' : `user ${user};\n`
}

/**
 * Returns the check of a part of nginx's http section, such as `include %{path};`. It sets the account, because a check
 * changes the owner of the temporary directories, and they are those of the running nginx.
 */
export function checkInside(nginx: Nginx, part: string): Input<Verify> {
  const inside = derived(nginx.user as string | null, (user) => configurationOfPart(nginx, user, part))
  return { command: [nginxProgram, '-t', '-q', '-e', 'stderr', '-c', '%{path}'], inside }
}

function configurationOfPart(nginx: Nginx, user: string | null, part: string): string {
  return `${userLine(user)}error_log stderr;
pid /dev/null;
events {
}
http {
    access_log off;
${temporary(nginx)}
    types_hash_max_size 2048;
    server_names_hash_bucket_size 128;
    ${part}
}
`
}
