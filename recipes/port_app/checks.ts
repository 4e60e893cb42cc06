/** Lists the checks of `doctor` for a server that uses two ports in turn. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { programIn } from '../../core/text/shell.ts'
import { appChecks } from '../app/checks.ts'
import { hostProgramChecks } from '../app/host_programs.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { nginxProgram } from '../web/nginx.ts'
import { commandOf } from './server.ts'
import type { ServerKind } from './server_kind.ts'

export function serverChecks(
  node: SiteNode,
  host: HostReader,
  kind: ServerKind,
  roles: readonly string[],
): HostCheck[] {
  const server = kind.server(node)
  const { app, settings } = server
  const command = commandOf(server)
  const packageName = kind.programs[programIn(command.line)]
  const programs = {
    ...(packageName === undefined ? {} : { [programIn(command.line)]: packageName }),
    ...(app.system ? { supervisord: 'supervisor' } : {}),
    [nginxProgram]: 'nginx',
  }
  return [
    // A war from a file or URL needs no repository.
    ...appChecks(node, host, app, { repository: kind.role !== 'jetty-app', roles }),
    ...hostProgramChecks(node, host, app, packageName === undefined ? [command] : [], roles),
    ...Object.entries(programs).map(([name, packageName]) => programCheck(host, name, packageName)),
    supervisorCheck(host, app),
    shadowCheck(
      host,
      app,
      settings.ports.map((port) => `${app.name}-${port}`),
    ),
    ...(kind.checks?.(node, host) ?? []),
  ]
}
