/** Bans the site's pages in the Varnish of this host after a deploy. */
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { exists } from '../../resources/files/queries.ts'
import { varnish_ban } from '../../resources/web/varnish_ban.ts'
import { type SiteNode, underPrefix } from '../node.ts'

export interface VarnishFiles {
  readonly config: string
  /** Working directory of an own varnishd; null for the default. */
  readonly directory: string | null
}

export function varnishFiles(node: SiteNode, system: boolean): VarnishFiles {
  const directory = system ? null : underPrefix(node, '/var/lib/varnish/frontend')
  return { config: underPrefix(node, '/etc/varnish/default.vcl'), directory }
}

interface CachedApp {
  readonly name: string
  readonly system: boolean
}

interface Reason extends CommonOptions {
  /** Releases that a rollout has deployed; null without a rollout. */
  readonly deployed?: SiteNode['converge']['deployed'][string] | null
  readonly force?: string
  /** Regular expressions of the URLs to ban; default: all pages of the site. */
  readonly urls?: readonly string[]
}

/** Bans the pages of the site, and with them those of subsites, which are below its path. */
export function banPages(r: Recipe<SiteNode>, node: SiteNode, { name, system }: CachedApp, reason: Reason): void {
  const { config, directory } = varnishFiles(node, system)
  const { deployed, urls = [], ...rest } = reason
  varnish_ban(r, {
    app: name,
    urls: urls.length > 0 ? [...urls] : [urlsOf(node.plone_instances.site_id)],
    config,
    ...(directory === null ? {} : { directory }),
    ...(deployed ? { deployed: { ...deployed } } : {}),
    ...rest,
  })
}

/** Returns the pattern of URLs to ban. For requests through nginx, the virtual host precedes the path in Zope. */
function urlsOf(site: string): string {
  const path = site.replace(/^\/+|\/+$/g, '').replace(/[^\w/~@,-]/g, '\\$&')
  return path === '' ? '^/' : `^(/VirtualHostBase/[^/]+/[^/]+)?/${path}([/?]|$)`
}

/** Bans pages after the clients of this host have restarted with another release. */
export function banAfterSwitch(r: Recipe<SiteNode>, node: SiteNode, app: CachedApp, options: CommonOptions): void {
  if (!node.varnish_plone.ban_on_deploy) return
  if (node.run.roles?.includes('frontend')) return banPages(r, node, app, options)
  r.given(exists(varnishFiles(node, app.system).config), (hasFrontend) => {
    if (hasFrontend) banPages(r, node, app, options)
  })
}
