/** Lists the checks of `doctor` for a buildout app. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { missing } from '../checks/findings.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { PloneNode } from '../node.ts'
import { appChecks } from '../releases/checks.ts'
import { blobMountProblem } from './blob_mounts.ts'
import { buildoutChecks } from './buildout_check.ts'
import { compilerChecks } from './compiler_check.ts'
import { layout, sharedNames } from './layout.ts'
import { programs } from './programs.ts'
import { pythonChecks } from './python_check.ts'
import type { BuildoutRole } from './types.ts'

export function checks(
  node: PloneNode,
  role: BuildoutRole,
  host: HostReader,
  roles: readonly string[],
): readonly HostCheck[] {
  const at = layout(node, role)
  return [
    ...appChecks(node, host, at, { names: sharedNames(node, at), roles }),
    ...pythonChecks(node, host, at),
    ...compilerChecks(host, at),
    ...(at.system ? [programCheck(host, 'supervisord', 'supervisor')] : []),
    ...(at.role === 'zeo-server' ? [programCheck(host, 'crontab', 'cron')] : []),
    ...(at.role === 'solr' ? [programCheck(host, 'java', 'default-jre-headless')] : []),
    supervisorCheck(host, at),
    ...buildoutChecks(node, role, host, at, roles),
    {
      what: 'mounted blobs',
      run() {
        const problem = blobMountProblem(node, at, host)
        return problem === null ? null : missing(...problem)
      },
    },
    shadowCheck(
      host,
      at,
      programs(node, role, { deployTo: at.deployTo }).map(({ name }) => name),
    ),
  ]
}
