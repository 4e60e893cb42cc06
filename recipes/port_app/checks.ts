/** Lists the checks of `doctor` for a server that uses two ports in turn. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { programIn } from '../../core/text/shell.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { PloneNode } from '../node.ts'
import { appChecks } from '../releases/checks.ts'
import { hostProgramChecks } from '../releases/host_programs.ts'
import { nginxProgram } from '../web/nginx.ts'
import type { Kind } from './lifecycle.ts'
import { commandOf } from './server.ts'

export function serverChecks(node: PloneNode, host: HostReader, kind: Kind, roles: readonly string[]): HostCheck[] {
  const server = kind.server(node)
  const { at, settings } = server
  const command = commandOf(server)
  const packageName = kind.programs[programIn(command.line)]
  const programs = {
    ...(packageName === undefined ? {} : { [programIn(command.line)]: packageName }),
    ...(at.system ? { supervisord: 'supervisor' } : {}),
    [nginxProgram]: 'nginx',
  }
  return [
    // A war from a file or URL needs no repository.
    ...appChecks(node, host, at, { repository: kind.role !== 'jetty-app', roles }),
    ...hostProgramChecks(node, host, at, packageName === undefined ? [command] : [], roles),
    ...Object.entries(programs).map(([name, packageName]) => programCheck(host, name, packageName)),
    supervisorCheck(host, at),
    shadowCheck(
      host,
      at,
      settings.ports.map((port) => `${at.app}-${port}`),
    ),
    ...(kind.checks?.(node, host) ?? []),
  ]
}
