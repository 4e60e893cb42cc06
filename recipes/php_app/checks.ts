/** Lists the checks of `doctor` for a PHP app. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { overrideCheck, poolOverride } from '../checks/overrides.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { PloneNode } from '../node.ts'
import { appChecks } from '../releases/checks.ts'
import { nginxProgram } from '../web/nginx.ts'
import { fpmProgram, orPlain, packageOf, phpLayout } from './layout.ts'

export function checks(node: PloneNode, host: HostReader, roles: readonly string[]): HostCheck[] {
  const { at, fpm } = phpLayout(node)
  const config = orPlain(fpm.config, '')
  return [
    ...appChecks(node, host, at, { roles }),
    programCheck(host, nginxProgram, 'nginx'),
    programCheck(host, orPlain(fpm.program, fpmProgram), packageOf(fpm)),
    // The system's php-fpm is a service of its own, and needs no supervisor.
    ...(at.system
      ? [overrideCheck('pool of php-fpm', () => (config === '' ? null : poolOverride(host, config, at.app)))]
      : [supervisorCheck(host, at), shadowCheck(host, at, [orPlain(fpm.reload.name, '')])]),
  ]
}
