/** Lists the checks of `doctor` for a server that uses two ports in turn. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { PloneNode } from '../node.ts'
import { appChecks } from '../releases/checks.ts'
import { nginxProgram } from '../web/nginx.ts'
import type { Kind } from './lifecycle.ts'

export function serverChecks(node: PloneNode, host: HostReader, kind: Kind): HostCheck[] {
  const { at, settings } = kind.server(node)
  const programs = {
    ...kind.programs,
    ...(at.system ? { supervisord: 'supervisor' } : {}),
    [nginxProgram]: 'nginx',
  }
  return [
    // A war from a file or URL needs no repository.
    ...appChecks(node, host, at, { repository: kind.role !== 'jetty-app' }),
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
