/** Declares the supervisor that runs the programs: that of the system for root, one of its own for an ordinary user. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { supervisorInclude, supervisorValue } from '../../core/text/supervisor.ts'
import { directory } from '../../resources/files/directory.ts'
import { template } from '../../resources/files/template.ts'
import { virtualenv } from '../../resources/python/virtualenv.ts'
import { service } from '../../resources/services/service.ts'
import { supervisord } from '../../resources/supervisor/supervisord.ts'
import type { SiteNode } from '../node.ts'
import type { App, SupervisorLayout } from './app.ts'

export function installSupervisor(r: Recipe<SiteNode>, node: SiteNode, app: App): void {
  const { supervisor } = app
  // Only administrators may read the output of programs.
  directory(r, { path: supervisor.logDir, parents: true, mode: '0750' })
  if (app.system) return keepRunning(r, node, app, {})
  for (const path of [
    supervisor.confDir,
    directoryOf(supervisor.config),
    directoryOf(supervisor.socket),
    directoryOf(supervisor.environment),
  ])
    directory(r, { path, parents: true })
  virtualenv(r, {
    path: supervisor.environment,
    python: node.converge.python,
    packages: { supervisor: node.converge.supervisor.version, setuptools: '' },
  })
  template(r, {
    path: supervisor.config,
    source: configuration,
    name: 'supervisord.conf',
    variables: supervisordConfig(supervisor, node.converge.supervisor.version),
    mode: '0600',
  })
  keepRunning(r, node, app, {})
}

/** Starts the supervisor that setup has installed, which programs require. */
export function requireSupervisor(r: Recipe<SiteNode>, node: SiteNode, app: App): void {
  const { config } = app.supervisor
  const check = (host: HostReader) => host.stat(config) !== null
  keepRunning(r, node, app, { onlyIf: { description: 'supervisor is set up', check } })
}

function keepRunning(r: Recipe<SiteNode>, { facts }: SiteNode, app: App, guard: CommonOptions): void {
  const { config, socket, program, pidFile } = app.supervisor
  const isSystemService = app.system && facts.init === 'systemd'
  r.unlessDeclared(isSystemService ? 'service' : 'supervisord', isSystemService ? 'supervisor' : socket, () => {
    if (isSystemService) service(r, { name: 'supervisor', enabled: true, provider: { kind: 'systemd' }, ...guard })
    else supervisord(r, { config, socket, program, pidFile, ...guard })
  })
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** Returns the paths of the configuration in supervisord's notation. */
function supervisordConfig({ socket, logDir, pidFile, config, confDir }: SupervisorLayout, version: string) {
  return {
    version,
    socket: supervisorValue(socket),
    log: supervisorValue(`${logDir}/supervisord.log`),
    logDir: supervisorValue(logDir),
    pidFile: supervisorValue(pidFile),
    include: supervisorInclude(config, confDir),
  }
}

/** The configuration. It contains the version, which reveals a supervisord that still runs an older version. */
const configuration = `; Written by converge for supervisor {{version}}, changes are overwritten.
[unix_http_server]
file = {{socket}}
chmod = 0700

[supervisord]
logfile = {{log}}
logfile_maxbytes = 10MB
logfile_backups = 3
pidfile = {{pidFile}}
childlogdir = {{logDir}}
umask = 027

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{{socket}}

[include]
files = {{include}}
`
