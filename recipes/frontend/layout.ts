/** Defines the paths of the front end on its host. */

import { type App, appOnHost } from '../app/app.ts'
import { type SiteNode, underPrefix } from '../node.ts'
import { type VarnishFiles, varnishFiles } from '../plone/cached_pages.ts'
import { appName } from '../plone/site.ts'
import { type Nginx, nginxOf } from '../web/nginx.ts'
import { frontendFiles } from '../web/site_names.ts'

/** The layout of the clients' app, whose files nginx may send, and of the three programs in front of it. */
export interface FrontendLayout extends App {
  readonly haproxy: {
    readonly config: string
    /** Socket of the runtime API. */
    readonly socket: string
    /** File with the states of the servers, kept over a reload. */
    readonly state: string
    /** File with the generated password of the statistics page. */
    readonly password: string
  }
  readonly varnish: VarnishFiles
  readonly nginx: Nginx & { readonly site: string; readonly tlsSite: string }
  readonly certbot: { readonly webroot: string; readonly directory: string; readonly live: string }
}

/** The name of certbot's certificate for all `certbot_domains`. */
const certificateName = 'converge'

/** Returns the path at which nginx finds a site that it serves. */
export function enabledOf({ nginx }: FrontendLayout, site: string): string {
  return `${nginx.enabled}${site.slice(site.lastIndexOf('/'))}`
}

export function frontendLayout(node: SiteNode): FrontendLayout {
  const at = (path: string) => underPrefix(node, path)
  const app = appOnHost(node, appName(node, 'zeo-client'), 'plone_instances.app_name')
  const nginx = nginxOf(node, app)
  return {
    ...app,
    haproxy: {
      config: at('/etc/haproxy/haproxy.cfg'),
      socket: at(node.haproxy.stats_socket_path),
      state: at('/var/lib/haproxy/server-state'),
      password: at('/etc/haproxy/stats-password'),
    },
    varnish: varnishFiles(node, app.system),
    nginx: {
      ...nginx,
      site: `${nginx.available}/${frontendFiles[0]}`,
      tlsSite: `${nginx.available}/${frontendFiles[1]}`,
    },
    certbot: {
      webroot: at('/var/www/certbot'),
      directory: at('/etc/letsencrypt'),
      live: `${at('/etc/letsencrypt')}/live/${certificateName}`,
    },
  }
}
