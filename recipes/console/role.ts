/** Defines the role console: the console of stacks as a service of systemd, behind nginx with TLS. */
import { dirname } from 'node:path'
import type { Recipe, Role } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Handle } from '../../core/model/resource.ts'
import { nginxName, nginxWord } from '../../core/text/nginx.ts'
import { systemdCommand } from '../../core/text/systemd.ts'
import { user } from '../../resources/accounts/user.ts'
import { directory } from '../../resources/files/directory.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { service } from '../../resources/services/service.ts'
import { service_reload } from '../../resources/services/service_reload.ts'
import { systemd_unit } from '../../resources/services/systemd_unit.ts'
import type { SiteNode } from '../node.ts'
import { type PackagedService, packagedServiceRole } from '../packaged_service/role.ts'
import { nginxProgram } from '../web/nginx.ts'
import { type Certificate, tlsDirectives } from '../web/tls.ts'

const name = 'converge-console'
/** Home of its account, and directory of its database. */
const state = '/var/lib/converge-console'
const available = `/etc/nginx/sites-available/${name}`
const enabled = `/etc/nginx/sites-enabled/${name}`

interface NginxSite {
  readonly serverName: string
  readonly certificate: Certificate
}

type Settings = SiteNode['console']

function consoleService(node: SiteNode, settings: Settings): PackagedService {
  const { listen } = settings
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(listen) ?? []
  const site = nginxSite(settings)
  return {
    name,
    packageName: site && 'nginx',
    program: site && nginxProgram,
    ready: { kind: 'tcp', port: Number(port), host },
    files: (r) => unit(r, node, settings, site),
    ...(site && { afterStart: (r: Recipe<SiteNode>) => serve(r, renderSite(site, listen)) }),
    remove(r) {
      systemd_unit(r, { name: `${name}.service`, absent: true })
      removeSite(r)
    },
  }
}

/** @throws CONSOLE_SETTINGS */
function checkSettings({ facts }: SiteNode, { stack_files }: Settings): void {
  if (facts.init !== 'systemd')
    throw new ConvergeError('the role console requires systemd', {
      code: 'CONSOLE_SETTINGS',
      hint: 'use a host with systemd, or start converge console by another supervisor',
      usage: true,
    })
  if (stack_files.length > 0) return
  throw new ConvergeError('console.stack_files is empty', {
    code: 'CONSOLE_SETTINGS',
    hint: 'list the stack files that the console serves, such as ["/srv/stacks/shop/stack.yaml"]',
    usage: true,
  })
}

/** @throws CONSOLE_SETTINGS if the certificate is missing: passwords and tokens would travel without encryption */
function nginxSite({ server_name, certificate, certificate_key }: Settings): NginxSite | null {
  if (server_name === null) return null
  if (certificate !== null && certificate_key !== null)
    return { serverName: server_name, certificate: { chain: certificate, key: certificate_key } }
  throw new ConvergeError('console.server_name requires a certificate', {
    code: 'CONSOLE_SETTINGS',
    hint: 'set console.certificate and console.certificate_key to the files of the certificate',
    usage: true,
  })
}

function unit(r: Recipe<SiteNode>, node: SiteNode, settings: Settings, site: NginxSite | null): Handle[] {
  checkSettings(node, settings)
  const { account, program, stack_files, listen, url, settings_file, keep_days } = settings
  const address = url ?? (site === null ? null : `https://${site.serverName}`)
  user(r, { name: account, system: true, home: state, shell: '/usr/sbin/nologin' })
  directory(r, { path: state, owner: account, mode: '0700' })
  const command = [
    ...program,
    'console',
    ...['--stack', stack_files.join(','), '--listen', listen, '--state-dir', `${state}/console`],
    ...(address === null ? [] : ['--url', address]),
    ...(settings_file === null ? [] : ['--settings', settings_file]),
    ...['--keep-days', String(keep_days)],
  ]
  // Node may lie beside the program, such as /opt/node22/bin.
  const path = [...new Set([...program.map((word) => dirname(word)), '/usr/local/bin', '/usr/bin', '/bin'])].join(':')
  return [
    systemd_unit(r, {
      name: `${name}.service`,
      content: {
        Unit: { Description: 'Console of converge', Wants: 'network-online.target', After: 'network-online.target' },
        Service: {
          User: account,
          WorkingDirectory: state,
          ExecStart: systemdCommand(command),
          Environment: [`HOME=${state}`, `PATH=${path}`],
          Restart: 'on-failure',
          RestartSec: 2,
          // Wrong usage, such as a stack file that does not exist: it would fail again.
          RestartPreventExitStatus: 2,
          // Rollouts are processes of their own, and continue while the console restarts.
          KillMode: 'process',
          UMask: '0077',
          NoNewPrivileges: true,
          PrivateTmp: true,
          PrivateDevices: true,
          ProtectSystem: 'full',
          ProtectKernelTunables: true,
          ProtectKernelModules: true,
          ProtectControlGroups: true,
          RestrictSUIDSGID: true,
          LockPersonality: true,
        },
        Install: { WantedBy: 'multi-user.target' },
      },
    }),
  ]
}

function serve(r: Recipe<SiteNode>, content: string): void {
  const written = file(r, { path: available, content, mode: '0644' })
  const linked = symlink(r, { path: enabled, target: available })
  reload(r, [written, linked])
  service(r, { name: 'nginx', enabled: true })
}

function removeSite(r: Recipe<SiteNode>): void {
  const unlinked = symlink(r, { path: enabled, absent: true })
  file(r, { path: available, absent: true })
  reload(r, [unlinked], false)
}

function reload(r: Recipe<SiteNode>, when: readonly Handle[], start = true): void {
  service_reload(r, {
    name: 'nginx',
    purpose: 'the console',
    provider: { kind: 'systemd' },
    check: [nginxProgram, '-t', '-q'],
    pidFile: '/run/nginx.pid',
    onlyIf: { description: 'nginx is set up', check: (host) => host.stat('/etc/nginx/nginx.conf') !== null },
    start,
    when,
  })
}

function renderSite({ serverName, certificate }: NginxSite, listen: string): string {
  return `# Written by converge, changes are overwritten.
server {
    listen 80;
    listen [::]:80;
    server_name ${nginxName(serverName)};
    return 301 https://$host$request_uri;
}

server {
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    server_name ${nginxName(serverName)};
    ${tlsDirectives(certificate).join('\n    ')}
    add_header Strict-Transport-Security "max-age=31536000" always;
    client_max_body_size 2m;
    location / {
        proxy_pass ${nginxWord(`http://${listen}`)};
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header Connection "";
        # Events of a deployment arrive as they occur; the console sends something every 15 s.
        proxy_buffering off;
        proxy_read_timeout 1h;
    }
}
`
}

/** @param options attributes that take precedence over those of the node */
export function consoleRole(options: Partial<Settings> = {}): Role<SiteNode> {
  return packagedServiceRole('console', 'The console of stacks, behind nginx with TLS', (node) =>
    consoleService(node, { ...node.console, ...options }),
  )
}

export default consoleRole()
