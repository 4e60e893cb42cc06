/** Writes the configuration of the front end for the current stack, and reloads its programs without a lost request. */
import type { Recipe } from '../../core/compile/role.ts'
import { derived, type Reference } from '../../core/model/reference.ts'
import type { Check, Handle } from '../../core/model/resource.ts'
import { formatPath } from '../../core/node/path.ts'
import { nginxWord } from '../../core/text/nginx.ts'
import { execute } from '../../resources/commands/execute.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { random_secret } from '../../resources/files/random_secret.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { unit_command } from '../../resources/services/unit_command.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { warnOfAttribute } from '../attribute_warning.ts'
import { dropInOverride, refuseOverride } from '../checks/overrides.ts'
import type { PloneNode } from '../node.ts'
import { clientLayer, runtimeSocket } from '../plone/balancing.ts'
import { supervisorRuns } from '../plone/supervisor.ts'
import { isSet } from '../plone/values.ts'
import { endStop } from '../releases/stopped.ts'
import { maintenanceDirectory } from '../web/maintenance.ts'
import { anyName, claimNames, frontendFiles } from '../web/names.ts'
import { checkInside, nginxSetup } from '../web/nginx.ts'
import { givenCertificate } from '../web/tls.ts'
import { certbotCertificate, certificate, noCertificate, type Tls, tlsOf } from './certificates.ts'
import { balancedServers, checkHaproxy, configuredServers, renderHaproxy } from './haproxy.ts'
import { enabledOf, type FrontendLayout, frontendLayout } from './layout.ts'
import { renderSite, renderTlsSite, tlsNames } from './nginx.ts'
import { loadVcl, nameOf, parts, programs, providerOf, readyOf, stoppable, supervised } from './programs.ts'
import { renderVcl } from './varnish.ts'
import {
  initScript,
  isOwnInitScript,
  varnishDefaults,
  varnishDropIn,
  varnishInitScript,
  varnishUnit,
} from './varnish_service.ts'
import { reportWithoutEffect } from './without_effect.ts'

/** Applies everything except packages, which setup must have installed. */
export function applyConfiguration(r: Recipe<PloneNode>, node: PloneNode): void {
  const at = frontendLayout(node)
  reportNoServers(r, node, at)
  places(r, node, at)
  if (!at.system) nginxSetup(r, at, at.nginx)
  const haproxy = [haproxyConfig(r, node, at)]
  const vcl = renderVcl(node)
  const varnish = [
    file(r, {
      path: at.varnish.config,
      content: vcl,
      mode: '0644',
      verify: { command: [programs.varnishd, '-j', 'none', '-C', '-f', '%{path}'] },
    }),
  ]
  const nginx = nginxConfig(r, node, at)
  endStop(r, node, stoppable(at))
  running(r, node, at)
  const provider = providerOf(at)
  service_reload(r, {
    name: nameOf(at, 'haproxy'),
    provider,
    signal: 'USR2',
    balances: { socket: runtimeSocket(node), file: at.haproxy.state, servers: configuredServers(node) },
    // After the reload, HAProxy uses the socket that haproxy.cfg names.
    ready: readyOf(node, 'haproxy', at.haproxy.socket),
    when: haproxy,
  })
  service_reload(r, {
    name: nameOf(at, 'varnish'),
    provider,
    command: loadVcl(at, vcl),
    ready: readyOf(node, 'varnish'),
    when: varnish,
  })
  service_reload(r, {
    name: nameOf(at, 'nginx'),
    provider,
    purpose: 'the front end',
    check: [...at.nginx.reload.check],
    pidFile: at.nginx.reload.pidFile,
    loads: renewedFiles(node, at),
    ready: readyOf(node, 'nginx'),
    when: nginx,
  })
  if (givenCertificate(at.own) === null) noCertificate(r, node, at)
  certbotSite(r, node, at)
}

/** Warns of a balancer without servers. Without a host, the check of the whole stack reports that itself. */
function reportNoServers(r: Recipe<PloneNode>, node: PloneNode, { haproxy }: FrontendLayout): void {
  const { host } = node.run
  if (host === null || balancedServers(node).length > 0) return
  const layer = clientLayer(node)
  const attribute = ['opsworks', 'layers', layer, 'instances']
  const hosts = Object.keys(node.opsworks.layers[layer]?.instances ?? {})
  const message = 'HAProxy has no server, so visitors get HTTP 503'
  if (hosts.length === 0)
    warnOfAttribute(r, node, {
      attribute,
      message: `${message}: the layer ${layer} has no host`,
      hint: `run zeo-client on this host too, or describe the hosts of the clients in ${formatPath(attribute)}`,
    })
  // In the first setup of a stack, clients are set up later.
  else if (/^\s*server\s/m.test(host.readText(haproxy.config) ?? ''))
    warnOfAttribute(r, node, {
      attribute,
      message: `${message} from now on: no host of the layer ${layer} is online any more`,
      hint: `start one of ${hosts.join(', ')}`,
    })
}

/** Lists the files that certbot renews, possibly without a reload of nginx. */
function renewedFiles(node: PloneNode, at: FrontendLayout): string[] {
  const tls = tlsOf(node, at)
  return tls?.onlyIf === undefined ? [] : [tls.files.chain, tls.files.key]
}

/** Creates the directories that no package contains. */
function places(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): void {
  const { haproxy, varnish, certbot } = at
  const directoryOf = (path: string) => path.slice(0, path.lastIndexOf('/'))
  const own = [
    directoryOf(haproxy.config),
    directoryOf(haproxy.state),
    directoryOf(haproxy.socket),
    directoryOf(varnish.config),
    ...(varnish.directory === null ? [] : [directoryOf(varnish.directory)]),
  ]
  const web = [maintenanceDirectory(node), ...(node.certbot_domains.length > 0 ? [certbot.webroot] : [])]
  for (const path of [...(at.system ? [] : own), ...web]) directory(r, { path, parents: true })
}

function haproxyConfig(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): Handle {
  checkHaproxy(node)
  const password = statsPassword(r, node, at)
  return file(r, {
    path: at.haproxy.config,
    content: derived(password, (known) => renderHaproxy(node, at, known)),
    // The file contains the password.
    mode: '0600',
    verify: { command: [programs.haproxy, '-c', '-f', '%{path}'] },
  })
}

function statsPassword(r: Recipe<PloneNode>, { haproxy }: PloneNode, at: FrontendLayout): string | Reference<string> {
  if (!haproxy.enable_stats) return ''
  if (isSet(haproxy.stats_password)) return haproxy.stats_password
  return random_secret(r, { path: at.haproxy.password }).value as Reference<string>
}

function nginxConfig(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): Handle[] {
  const { nginx } = at
  const tls = tlsOf(node, at)
  claim(r, node, at, tls)
  reportWithoutEffect(r, node, tls)
  const changed = [
    ...certificate(r, node, at),
    file(r, {
      path: nginx.site,
      content: renderSite(node, at),
      mode: '0644',
      verify: checkInside(at.nginx, 'include "%{path}";'),
    }),
    symlink(r, { path: enabledOf(at, nginx.site), target: nginx.site }),
  ]
  if (tls === null) {
    for (const path of [enabledOf(at, nginx.tlsSite), nginx.tlsSite]) changed.push(file(r, { path, absent: true }))
  } else if (tls.onlyIf === undefined)
    changed.push(tlsSite(r, node, at, tls), symlink(r, { path: enabledOf(at, nginx.tlsSite), target: nginx.tlsSite }))
  // Remove Debian's default site, which conflicts with this one.
  if (at.system) changed.push(symlink(r, { path: `${nginx.enabled}/default`, absent: true }))
  return changed
}

/** Claims the names of the site. Its first virtual host answers for every name that no other site has. */
function claim(r: Recipe<PloneNode>, node: PloneNode, { nginx }: FrontendLayout, tls: Tls | null): void {
  const { http_port, https_port } = node.converge.frontend
  const files = frontendFiles
  const names = (own: readonly string[]) => [anyName, ...own]
  claimNames(r, node, nginx, { files, ports: [http_port], names: names(Object.keys(node.plone_instances.subsites)) })
  if (tls !== null)
    claimNames(r, node, nginx, { files, ports: [https_port], names: names(tlsNames(node, tls.domains)) })
}

/** Writes the TLS site, and checks it together with the site whose names it uses. */
function tlsSite(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout, tls: Tls): Handle {
  const { site, tlsSite: path } = at.nginx
  return file(r, {
    path,
    content: renderTlsSite(node, at, tls.domains, tls.files),
    mode: '0644',
    verify: checkInside(at.nginx, `include ${nginxWord(site)};\n    include "%{path}";`),
    ...(tls.onlyIf === undefined ? {} : { onlyIf: tls.onlyIf }),
  })
}

/** Script that links a site and reloads nginx in one step: a site without a link was not loaded either. */
const linkAndReload = 'ln -sfn -- "$1" "$2" && shift 2 && exec "$@"'

/** Enables TLS with certbot's certificate, which certbot can obtain only after nginx answers. */
function certbotSite(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): void {
  const tls = tlsOf(node, at)
  if (tls?.onlyIf === undefined) return
  const reload = [programs.nginx, ...(at.system ? [] : ['-c', at.nginx.config]), '-s', 'reload']
  certbotCertificate(r, node, at, reload)
  const [text, link] = [tlsSite(r, node, at, tls), enabledOf(at, at.nginx.tlsSite)]
  execute(r, {
    name: 'nginx takes in the certificate',
    command: ['sh', '-c', linkAndReload, 'sh', at.nginx.tlsSite, link, ...reload],
    creates: link,
    when: [text],
    onlyIf: tls.onlyIf,
  })
}

/** Keeps the three programs running with the options from the attributes. */
function running(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout): void {
  const changed = at.system ? systemServices(r, node) : ownPrograms(r, node, at)
  service_restart(r, { provider: providerOf(at), services: changed })
}

function systemServices(r: Recipe<PloneNode>, node: PloneNode) {
  const command = node.facts.init === 'systemd' ? varnishOfSystemd(r, node) : varnishOfInit(r, node)
  const enabled = node.facts.init === 'systemd' ? { enabled: true } : {}
  for (const name of parts) if (!r.has('service', name)) service(r, { name, ...enabled })
  return [{ name: 'varnish', configuration: command.digest }]
}

/** @returns the resource that decides the command of Varnish */
function varnishOfSystemd(r: Recipe<PloneNode>, node: PloneNode): Handle {
  const { unit, name } = varnishDropIn
  const directoryPath = `/etc/systemd/system/${unit}.d`
  if (node.run.host) refuseOverride(dropInOverride(node.run.host, unit, name))
  const packaged = packagedCommand(r)
  directory(r, { path: directoryPath })
  const content = derived(packaged, (command) => varnishUnit(node, command))
  return file(r, { path: `${directoryPath}/${name}`, content })
}

function varnishOfInit(r: Recipe<PloneNode>, node: PloneNode): Handle {
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

function packagedCommand(r: Recipe<PloneNode>): Reference<string> {
  return unit_command(r, { unit: varnishDropIn.unit, without: varnishDropIn.name }).command
}

function ownPrograms(r: Recipe<PloneNode>, node: PloneNode, at: FrontendLayout) {
  supervisorRuns(r, node, at)
  return (['haproxy', 'varnish'] as const).map((part) => {
    const program = supervisor_program(r, supervised(node, at, part))
    return { name: nameOf(at, part), configuration: program.digest }
  })
}
