/** Writes and checks the site of an app for nginx, serves it, and removes it. */
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import type { Input } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { formatPath } from '../../core/node/path.ts'
import { nginxName, nginxWord } from '../../core/text/nginx.ts'
import { file } from '../../resources/files/file.ts'
import { hasEntry } from '../../resources/files/queries.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { nginx_default_sites } from '../../resources/web/nginx_default_sites.ts'
import type { App } from '../app/app.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import type { SiteNode } from '../node.ts'
import { appCertificate } from './app_certificate.ts'
import { closedDirectives, maintenanceHeaderDirective } from './maintenance.ts'
import { checkInside, type Nginx } from './nginx.ts'
import { type Addresses, anyName, claimNames, claimOf, namesOf } from './site_names.ts'
import { certificateFile, tlsDirectives } from './tls.ts'

export interface SiteSettings extends Addresses {
  readonly max_body_megabytes: number
  readonly additional_config: string
}

/** An app with the nginx in front of it. */
export interface Site {
  readonly app: App
  readonly nginx: Nginx
  readonly settings: SiteSettings
}

/**
 * Declares the file of a site, which nginx does not serve before `serveSite`. Before it is written, nginx checks it
 * with an upstream of the given name.
 * @throws SITE_TAKEN
 */
export function siteFile(
  r: Recipe<SiteNode>,
  node: SiteNode,
  site: Site,
  content: Input<string>,
  upstream?: string,
): Handle {
  const { app, nginx, settings } = site
  claimNames(r, node, nginx, claimOf(app.name, app.attributes, settings))
  certificate(r, site)
  reportWithoutCertificate(r, node, site)
  const around = upstream === undefined ? '' : `upstream ${upstream} { server 127.0.0.1:1; }\n    `
  const verify = checkInside(nginx, `${around}include "%{path}";`)
  return file(r, { path: sitePath(site), content, mode: '0644', verify })
}

export function sitePath({ app, nginx }: Site): string {
  return `${nginx.available}/${app.name}`
}

export function enabledPath({ app, nginx }: Site): string {
  return `${nginx.enabled}/${app.name}`
}

export function upstreamPath({ app, nginx }: Site): string {
  return `${nginx.confDir}/${app.name}-upstream.conf`
}

function certificatePath({ app, nginx }: Site): string {
  return `${nginx.certificates}/${app.name}.pem`
}

/** Declares the file of the certificate, if the attributes of the app contain one. */
function certificate(r: Recipe<SiteNode>, site: Site): Handle | null {
  const { app, nginx, settings } = site
  const content = appCertificate(app.attributes)
  if (content !== null)
    return certificateFile(r, nginx, { path: certificatePath(site), content, port: settings.https_port })
  return null
}

function reportWithoutCertificate(r: Recipe<SiteNode>, node: SiteNode, { app }: Site): void {
  if (app.attributes.ssl_support !== true || appCertificate(app.attributes) !== null) return
  const attribute = ['deploy', app.name, 'ssl_support']
  warnOfAttribute(r, node, {
    attribute,
    message: `${formatPath(attribute)} is true, but there is no TLS: the site has no certificate`,
    hint: 'set ssl_certificate and ssl_certificate_key beside it, or remove it',
  })
}

/**
 * Has nginx serve a site, whose text `siteFile` has checked.
 * @param force name of a command that reloads it regardless of changes
 */
export function serveSite(r: Recipe<SiteNode>, site: Site, content: Input<string>, force?: string): void {
  const { app, nginx } = site
  // Debian's own site would answer for names that no other site has.
  if (app.system && domainsOf(site).length === 0) symlink(r, { path: `${nginx.enabled}/default`, absent: true })
  const pem = certificate(r, site)
  // Copy the file instead of linking it: then its existence and its content are one state, for the reload as well.
  reload(r, site, [...(pem === null ? [] : [pem]), ...declareSite(r, site, content)], { force })
  startsWithHost(r, nginx)
  if (pem === null) file(r, { path: certificatePath(site), absent: true })
}

function declareSite(r: Recipe<SiteNode>, site: Site, content: Input<string>): Handle[] {
  return [
    file(r, { path: enabledPath(site), content, mode: '0644', verifiedCopy: sitePath(site) }),
    unknownNames(r, site),
  ]
}

/** Repairs a site that nginx serves already: with a damaged file, every check of nginx would fail. */
export function repairSite(r: Recipe<SiteNode>, site: Site, content: Input<string>): void {
  r.given(hasEntry(enabledPath(site)), (isServed) => {
    if (isServed) declareSite(r, site, content)
  })
}

/** Declares default sites that answer with 404 for host names of no site. */
function unknownNames(r: Recipe<SiteNode>, { app, nginx, settings }: Site): Handle {
  const { available, enabled, confDir, answered } = nginx
  const distribution = app.system ? { link: `${enabled}/default`, file: `${available}/default` } : undefined
  const ports = [settings.http_port, settings.https_port]
  return nginx_default_sites(r, {
    app: app.name,
    enabled,
    confDir,
    ports,
    answered: [...answered],
    ...(distribution && { distribution }),
  })
}

const setUp = ({ config }: Nginx): Check => ({
  description: 'nginx is set up',
  check: (host) => host.stat(config) !== null,
})

/** Enables Debian's unit: if it were disabled, the site would be down after the next boot. */
function startsWithHost(r: Recipe<SiteNode>, nginx: Nginx): void {
  const { name, provider } = nginx.reload
  if (provider.kind === 'supervisor') return
  r.unlessDeclared('service', name, () => void service(r, { name, provider, enabled: true, onlyIf: setUp(nginx) }))
}

interface ReloadOptions {
  /** Name of a command that reloads regardless of changes. */
  readonly force?: string | undefined
  /** Whether to start nginx if it is down. */
  readonly start?: boolean
}

function reload(
  r: Recipe<SiteNode>,
  { app, nginx }: Site,
  when: readonly Handle[],
  { force, start = true }: ReloadOptions = {},
): void {
  const { name, provider, check, pidFile } = nginx.reload
  service_reload(r, {
    name,
    pidFile,
    purpose: `the site of ${app.name}`,
    provider,
    check: [...check],
    when,
    onlyIf: setUp(nginx),
    ...(start ? {} : { start }),
    ...omitUndefined({ force }),
  })
}

/** Has nginx stop serving the site; the checked file stays. */
export function unserveSite(r: Recipe<SiteNode>, site: Site): void {
  const removed = [file(r, { path: enabledPath(site), absent: true }), unknownNames(r, site)]
  // A stop of the front end may have stopped nginx before.
  reload(r, site, removed, { start: false })
}

/** Removes the site with its files. */
export function removeSite(r: Recipe<SiteNode>, site: Site): void {
  unserveSite(r, site)
  for (const path of [sitePath(site), upstreamPath(site), certificatePath(site)]) file(r, { path, absent: true })
}

/** Returns the host names of the site: its own, else those of the app; none means any. */
export function domainsOf({ app, settings }: Pick<Site, 'app' | 'settings'>): readonly string[] {
  return namesOf(app.attributes, settings)
}

/** Renders a server block around the locations of the site. */
export function serverBlock(site: Site, body: string): string {
  const names = domainsOf(site)
  const { http_port, https_port, max_body_megabytes, additional_config } = site.settings
  const [chain, key] = [certificatePath(site), certificatePath(site)]
  // Without names the site answers for all names of no other site; otherwise the site in the first file would.
  const byDefault = names.length === 0 ? ' default_server' : ''
  const tls = [`listen ${https_port} ssl http2${byDefault};`, ...tlsDirectives({ chain, key })].join('\n')
  return `server {
    listen ${http_port}${byDefault};
    server_name ${names.length === 0 ? anyName : names.map(nginxName).join(' ')};
    client_max_body_size ${max_body_megabytes}m;
${appCertificate(site.app.attributes) === null ? '' : indent(tls)}${indent(closed(site))}${indent(body)}${additional_config.trim() === '' ? '' : indent(additional_config)}}
`
}

/** Renders the maintenance page with 503 while its file exists, as an internal redirect, so that a POST gets it too. */
function closed({ app: { name: app }, nginx: { maintenance } }: Site): string {
  return `${closedDirectives(`${maintenance}/${app}.html`).join('\n')}
if ($uri ~ ^/-maintenance/) {
    set $closed "";
}
if ($closed) {
    return 503;
}
error_page 503 /-maintenance/${app}.html;
location ^~ /-maintenance/ {
    internal;
    alias ${nginxWord(`${maintenance}/`)};
    ${maintenanceHeaderDirective}
}`
}

function indent(text: string): string {
  const lines = text.trim().split('\n')
  return `${lines.map((line) => (line === '' ? line : `    ${line}`)).join('\n')}\n`
}
