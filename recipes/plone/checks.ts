/** Lists the checks of `doctor` for a buildout app. */
import type { HostCheck } from '../../core/compile/inspection.ts'
import type { HostReader } from '../../core/host/types.ts'
import { appChecks } from '../app/checks.ts'
import { missing, warning } from '../checks/findings.ts'
import { programCheck } from '../checks/programs.ts'
import { shadowCheck, supervisorCheck } from '../checks/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { blobMountProblem } from './blob_mounts.ts'
import { type BuildoutApp, buildoutApp, sharedNames } from './buildout_app.ts'
import { buildoutChecks } from './buildout_check.ts'
import { compilerChecks } from './compiler_check.ts'
import { programs } from './programs.ts'
import { pythonChecks } from './python_check.ts'
import type { BuildoutRole } from './types.ts'
import { reachProblem } from './zeo_reach.ts'

export function checks(
  node: SiteNode,
  role: BuildoutRole,
  host: HostReader,
  roles: readonly string[],
): readonly HostCheck[] {
  const app = buildoutApp(node, role)
  return [
    ...appChecks(node, host, app, { names: sharedNames(node, app), roles }),
    ...pythonChecks(node, host, app),
    ...compilerChecks(host, app),
    ...(app.system ? [programCheck(host, 'supervisord', 'supervisor')] : []),
    ...(app.role === 'zeo-server' ? [programCheck(host, 'crontab', 'cron')] : []),
    ...(app.role === 'solr' ? [programCheck(host, 'java', 'default-jre-headless')] : []),
    supervisorCheck(host, app),
    ...buildoutChecks(node, role, host, app, roles),
    {
      what: 'mounted blobs',
      async run() {
        const problem = await blobMountProblem(node, app, host)
        return problem === null ? null : missing(...problem)
      },
    },
    ...(app.role === 'zeo-server' ? [reachCheck(node, app, host)] : []),
    shadowCheck(
      host,
      app,
      programs(node, role, { deployTo: app.deployTo }).map(({ name }) => name),
    ),
  ]
}

function reachCheck(node: SiteNode, app: BuildoutApp, host: HostReader): HostCheck {
  return {
    what: 'address of the ZEO server',
    run() {
      const problem = reachProblem(node, app, host)
      return problem === null ? null : warning(problem.message, problem.remedy)
    },
  }
}
