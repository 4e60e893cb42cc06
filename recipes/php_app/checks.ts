/** Lists the checks of `doctor` for a PHP app. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { newestVersion } from '../../resources/packages/versioned_program.ts'
import { poolOverride } from '../../resources/services/overrides.ts'
import { appChecks } from '../app/checks.ts'
import { overrideCheck } from '../checks/overrides.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { nginxProgram } from '../web/nginx.ts'
import { fpmProgram, orPlain, packageOf, phpApp } from './php_app.ts'

export function checks(node: SiteNode, host: HostReader, roles: readonly string[]): HostCheck[] {
  const { app, fpm } = phpApp(node, newestVersion(host, fpmProgram))
  const config = orPlain(fpm.config, '')
  return [
    ...appChecks(node, host, app, { roles }),
    programCheck(host, nginxProgram, 'nginx'),
    programCheck(host, orPlain(fpm.program, fpmProgram), packageOf(fpm)),
    // The system's php-fpm is a service of its own, and needs no supervisor.
    ...(app.system
      ? [overrideCheck('pool of php-fpm', () => (config === '' ? null : poolOverride(host, config, app.name)))]
      : [supervisorCheck(host, app), shadowCheck(host, app, [orPlain(fpm.reload.name, '')])]),
  ]
}
