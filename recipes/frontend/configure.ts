/** Writes the configuration of the front end for the current stack, and reloads its programs without a lost request. */
import type { Recipe } from '../../core/compile/role.ts'
import { omitUndefined } from '../../core/model/omit_undefined.ts'
import { onlyOnHost } from '../../core/model/query.ts'
import { derived, type Input, queried, type Reference } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { formatPath } from '../../core/node/path.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { textOf } from '../../resources/files/queries.ts'
import { random_secret } from '../../resources/files/random_secret.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { dropInOverrideOf } from '../../resources/services/overrides.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { unit_command } from '../../resources/services/unit_command.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { endStop } from '../app/stopped.ts'
import { requireSupervisor } from '../app/supervisor.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { refuseOverride } from '../checks/overrides.ts'
import type { SiteNode } from '../node.ts'
import { clientLayer, givenClients, localBalancer, runtimeSocket } from '../plone/balancing.ts'
import { isSet } from '../site/attribute_writer.ts'
import { appCertificate } from '../web/app_certificate.ts'
import { maintenanceDirectory } from '../web/maintenance.ts'
import { checkInside, nginxSetup } from '../web/nginx.ts'
import { anyName, claimNames, frontendFiles } from '../web/site_names.ts'
import { certbotCertificate, certificate, noCertificate, type Tls, tlsOf } from './certificates.ts'
import { defaultSites, reloadDefaultSites } from './default_sites.ts'
import { balancedServers, checkHaproxy, configuredServers, renderHaproxy } from './haproxy.ts'
import { warnOfIneffectiveSettings } from './ineffective_settings.ts'
import { enabledOf, type FrontendLayout, frontendLayout } from './layout.ts'
import { renderSite, renderTlsSite, tlsNames } from './nginx.ts'
import { loadVcl, nameOf, parts, programProps, programs, providerOf, readyOf, stoppable } from './programs.ts'
import { renderVcl } from './varnish.ts'
import {
  initScript,
  isOwnInitScript,
  varnishDefaults,
  varnishDropIn,
  varnishInitScript,
  varnishUnit,
} from './varnish_service.ts'

/** Applies everything except packages, which setup must have installed. */
export function applyConfiguration(r: Recipe<SiteNode>, node: SiteNode): void {
  givenClients(r, node, (site) => applyFor(r, site))
}

function applyFor(r: Recipe<SiteNode>, node: SiteNode): void {
  const app = frontendLayout(node)
  reportNoServers(r, node, app)
  declareDirectories(r, node, app)
  if (!app.system) nginxSetup(r, app, app.nginx)
  const haproxy = [haproxyConfig(r, node, app)]
  const vcl = renderVcl(node)
  const varnish = [
    file(r, {
      path: app.varnish.config,
      content: vcl,
      mode: '0644',
      verify: { command: [programs.varnishd, '-j', 'none', '-C', '-f', '%{path}'] },
    }),
  ]
  const nginx = nginxConfig(r, node, app)
  const sites = [defaultSites(r, app)]
  endStop(r, stoppable(app))
  declareRunning(r, node, app)
  const provider = providerOf(app)
  service_reload(r, {
    name: nameOf(app, 'haproxy'),
    provider,
    signal: 'USR2',
    balances: { socket: runningSocket(node), file: app.haproxy.state, servers: configuredServers(node) },
    // After the reload, HAProxy uses the socket that haproxy.cfg names.
    ready: readyOf(node, 'haproxy', app.haproxy.socket),
    when: haproxy,
  })
  service_reload(r, {
    name: nameOf(app, 'varnish'),
    provider,
    command: loadVcl(app, vcl),
    ready: readyOf(node, 'varnish', app.haproxy.socket),
    when: varnish,
  })
  service_reload(r, {
    name: nameOf(app, 'nginx'),
    provider,
    purpose: 'the front end',
    check: [...app.nginx.reload.check],
    pidFile: app.nginx.reload.pidFile,
    loads: renewedFiles(node, app),
    ready: readyOf(node, 'nginx', app.haproxy.socket),
    when: nginx,
  })
  if (appCertificate(app.attributes) === null) noCertificate(r, node, app)
  if (certbotSite(r, node, app)) sites.push(defaultSites(r, app, 'the front end with certbot'))
  reloadDefaultSites(r, app, sites)
}

/** Warns of a balancer without servers. Without a host, the check of the whole stack reports that itself. */
function reportNoServers(r: Recipe<SiteNode>, node: SiteNode, { haproxy }: FrontendLayout): void {
  if (balancedServers(node).length > 0) return
  const layer = clientLayer(node)
  const attribute = ['opsworks', 'layers', layer, 'instances']
  const hosts = Object.keys(node.opsworks.layers[layer]?.instances ?? {})
  const message = 'HAProxy has no server, so visitors get HTTP 503'
  r.given(onlyOnHost(textOf(haproxy.config)), (configuration) => {
    if (hosts.length === 0)
      warnOfAttribute(r, node, {
        attribute,
        message: `${message}: the layer ${layer} has no host`,
        hint: `run zeo-client on this host too, or describe the hosts of the clients in ${formatPath(attribute)}`,
      })
    // In the first setup of a stack, clients are set up later.
    else if (/^\s*server\s/m.test(configuration ?? ''))
      warnOfAttribute(r, node, {
        attribute,
        message: `${message} from now on: no host of the layer ${layer} is online any more`,
        hint: `start one of ${hosts.join(', ')}`,
      })
  })
}

/** The socket at which the running HAProxy reports the state of its servers before the reload. */
function runningSocket(node: SiteNode): Input<string> {
  return derived(queried(localBalancer(node)), (local) => runtimeSocket(node, local))
}

/** Lists the files that certbot renews, possibly without a reload of nginx. */
function renewedFiles(node: SiteNode, app: FrontendLayout): string[] {
  const tls = tlsOf(node, app)
  return tls?.onlyIf === undefined ? [] : [tls.files.chain, tls.files.key]
}

/** Creates the directories that no package contains. */
function declareDirectories(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): void {
  const { haproxy, varnish, certbot } = app
  const directoryOf = (path: string) => path.slice(0, path.lastIndexOf('/'))
  const directories = [
    directoryOf(haproxy.config),
    directoryOf(haproxy.state),
    directoryOf(haproxy.socket),
    directoryOf(varnish.config),
    ...(varnish.directory === null ? [] : [directoryOf(varnish.directory)]),
  ]
  const web = [maintenanceDirectory(node), ...(node.certbot_domains.length > 0 ? [certbot.webroot] : [])]
  for (const path of [...(app.system ? [] : directories), ...web]) directory(r, { path, parents: true })
}

function haproxyConfig(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): Handle {
  checkHaproxy(node)
  const password = statsPassword(r, node, app)
  return file(r, {
    path: app.haproxy.config,
    content: derived(password, (known) => renderHaproxy(node, app, known)),
    // The file contains the password.
    mode: '0600',
    verify: { command: [programs.haproxy, '-c', '-f', '%{path}'] },
  })
}

function statsPassword(r: Recipe<SiteNode>, { haproxy }: SiteNode, app: FrontendLayout): string | Reference<string> {
  if (!haproxy.enable_stats) return ''
  if (isSet(haproxy.stats_password)) return haproxy.stats_password
  return random_secret(r, { path: app.haproxy.password }).value as Reference<string>
}

function nginxConfig(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): Handle[] {
  const { nginx } = app
  const tls = tlsOf(node, app)
  claim(r, node, app, tls)
  warnOfIneffectiveSettings(r, node, tls)
  const changed = [
    ...certificate(r, node, app),
    file(r, {
      path: nginx.site,
      content: renderSite(node, app),
      mode: '0644',
      verify: checkInside(app.nginx, 'include "%{path}";'),
    }),
    symlink(r, { path: enabledOf(app, nginx.site), target: nginx.site }),
  ]
  if (tls === null) {
    for (const path of [enabledOf(app, nginx.tlsSite), nginx.tlsSite]) changed.push(file(r, { path, absent: true }))
  } else if (tls.onlyIf === undefined)
    changed.push(tlsSite(r, node, app, tls), symlink(r, { path: enabledOf(app, nginx.tlsSite), target: nginx.tlsSite }))
  // Remove Debian's default site, which conflicts with this one.
  if (app.system) changed.push(symlink(r, { path: `${nginx.enabled}/default`, absent: true }))
  return changed
}

/** Claims the names of the site. Its first virtual host answers for every name that no other site has. */
function claim(r: Recipe<SiteNode>, node: SiteNode, { nginx }: FrontendLayout, tls: Tls | null): void {
  const { http_port, https_port } = node.converge.frontend
  const files = frontendFiles
  const names = (siteNames: readonly string[]) => [anyName, ...siteNames]
  claimNames(r, node, nginx, { files, ports: [http_port], names: names(Object.keys(node.plone_instances.subsites)) })
  if (tls !== null)
    claimNames(r, node, nginx, { files, ports: [https_port], names: names(tlsNames(node, tls.domains)) })
}

/** Writes the TLS site, and checks it together with the site whose names it uses. */
function tlsSite(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout, tls: Tls): Handle {
  const { site, tlsSite: path } = app.nginx
  return file(r, {
    path,
    content: renderTlsSite(node, app, tls.domains, tls.files),
    mode: '0644',
    verify: checkInside(app.nginx, `include ${nginxWord(site)};\n    include "%{path}";`),
    ...omitUndefined({ onlyIf: tls.onlyIf }),
  })
}

/** Script that links a site and reloads nginx in one step: a site without a link was not loaded either. */
const linkAndReload = 'ln -sfn -- "$1" "$2" && shift 2 && exec "$@"'

/** Enables TLS with certbot's certificate, which certbot can obtain only after nginx answers; false without certbot. */
function certbotSite(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): boolean {
  const tls = tlsOf(node, app)
  if (tls?.onlyIf === undefined) return false
  const reload = [programs.nginx, ...(app.system ? [] : ['-c', app.nginx.config]), '-s', 'reload']
  certbotCertificate(r, node, app, reload)
  const [text, link] = [tlsSite(r, node, app, tls), enabledOf(app, app.nginx.tlsSite)]
  execute(r, {
    name: 'nginx takes in the certificate',
    command: ['sh', '-c', linkAndReload, 'sh', app.nginx.tlsSite, link, ...reload],
    creates: link,
    when: [text],
    onlyIf: tls.onlyIf,
  })
  return true
}

/** Keeps the three programs running with the options from the attributes. */
function declareRunning(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout): void {
  const changed = app.system ? systemServices(r, node) : ownPrograms(r, node, app)
  service_restart(r, { provider: providerOf(app), services: changed })
}

function systemServices(r: Recipe<SiteNode>, node: SiteNode) {
  const command = node.facts.init === 'systemd' ? varnishOfSystemd(r, node) : varnishOfInit(r, node)
  const enabled = node.facts.init === 'systemd' ? { enabled: true } : {}
  for (const name of parts) r.unlessDeclared('service', name, () => void service(r, { name, ...enabled }))
  return [{ name: 'varnish', configuration: command.digest }]
}

/** @returns the resource that decides the command of Varnish */
function varnishOfSystemd(r: Recipe<SiteNode>, node: SiteNode): Handle {
  const { unit, name } = varnishDropIn
  const directoryPath = `/etc/systemd/system/${unit}.d`
  r.given(dropInOverrideOf(unit, name), refuseOverride)
  const packaged = packagedCommand(r)
  directory(r, { path: directoryPath })
  const content = derived(packaged, (command) => varnishUnit(node, command))
  return file(r, { path: `${directoryPath}/${name}`, content })
}

function varnishOfInit(r: Recipe<SiteNode>, node: SiteNode): Handle {
  const packaged = packagedCommand(r)
  const content = derived(packaged, (command) => varnishDefaults(node, command))
  const command = file(r, { path: '/etc/default/varnish', content })
  const onlyIf: Check = {
    description: 'the package has no init script',
    check: (host) => isOwnInitScript(host.readText(varnishInitScript) ?? initScript),
  }
  const script = file(r, { path: varnishInitScript, content: initScript, mode: '0755', onlyIf })
  execute(r, { name: 'start Varnish with the host', command: 'update-rc.d varnish defaults', when: [script], onlyIf })
  return command
}

function packagedCommand(r: Recipe<SiteNode>): Reference<string> {
  return unit_command(r, { unit: varnishDropIn.unit, without: varnishDropIn.name }).command
}

function ownPrograms(r: Recipe<SiteNode>, node: SiteNode, app: FrontendLayout) {
  requireSupervisor(r, node, app)
  return (['haproxy', 'varnish'] as const).map((part) => {
    const program = supervisor_program(r, programProps(node, app, part))
    return { name: nameOf(app, part), configuration: program.digest }
  })
}
