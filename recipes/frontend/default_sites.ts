/** Removes the default sites of apps at ports where the front end answers for every name, whichever role ran first. */
import type { Recipe } from '../../core/compile/role.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { nginx_default_sites } from '../../resources/web/nginx_default_sites.ts'
import type { SiteNode } from '../node.ts'
import type { FrontendLayout } from './layout.ts'

/** @param site the site of the front end that was linked or unlinked before */
export function defaultSites(r: Recipe<SiteNode>, { nginx }: FrontendLayout, site = 'the front end'): Handle {
  return nginx_default_sites(r, { app: site, enabled: nginx.enabled, confDir: nginx.confDir })
}

/** Has nginx load the changed default sites; without a change it loads nothing, also on a host that was set up before. */
export function reloadDefaultSites(
  r: Recipe<SiteNode>,
  { nginx }: FrontendLayout,
  when: readonly Handle[],
  options: CommonOptions & { readonly start?: boolean } = {},
): void {
  const { name, provider, check, pidFile } = nginx.reload
  const purpose = 'the default sites beside the front end'
  service_reload(r, { name, provider, purpose, check: [...check], pidFile, when, adopt: true, ...options })
}
