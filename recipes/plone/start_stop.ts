/** Starts, stops and restarts all programs of a buildout app. */
import type { Recipe } from '../../core/compile/role.ts'
import { seconds } from '../../core/model/units.ts'
import { service } from '../../resources/services/service.ts'
import { hasCurrentRelease } from '../app/app.ts'
import { endStop } from '../app/stopped.ts'
import { requireSupervisor } from '../app/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { localBalancer } from './balancing.ts'
import { requireBlobMount } from './blob_mounts.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { stopWaiter } from './mount_waiter.ts'
import type { Program } from './programs.ts'
import { readinessTest } from './readiness.ts'
import { balancerOptions, givenCurrentPrograms, logOf, restartPrograms } from './supervised_programs.ts'

/** Starts every program of the app that is down. */
export function startAll(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  requireBlobMount(r, node, app, { onlyIf: hasCurrentRelease(app) })
  endStop(r, app)
  requireSupervisor(r, node, app)
  const provider = { kind: 'supervisor' as const, socket: app.supervisor.socket }
  givenBalancedPrograms(r, node, app, (program, balancing) =>
    service(r, {
      name: program.name,
      action: 'running',
      provider,
      ready: readinessTest(node, app, program),
      log: logOf(app, program),
      deadline: seconds(node.converge.readiness.deadline_seconds),
      ...balancing,
      onlyIf: hasCurrentRelease(app),
    }),
  )
}

/** Stops the programs, the last one first, each after it is drained. */
export function stopAll(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  const provider = { kind: 'supervisor' as const, socket: app.supervisor.socket }
  // Longer than the minute that supervisor gives a program before it kills it.
  const deadline = seconds(90)
  stopWaiter(r, node, app)
  const stop = (program: Program, balancing: object) =>
    service(r, {
      name: program.name,
      action: 'stopped',
      provider,
      deadline,
      ...(node.converge.balancer.drain ? balancing : {}),
    })
  givenBalancedPrograms(r, node, app, stop, 'reverse')
}

/** Restarts every program, one after the other, with or without changes. */
export function restartAll(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  requireBlobMount(r, node, app, { onlyIf: hasCurrentRelease(app) })
  givenCurrentPrograms(r, node, app, (programs) =>
    restartPrograms(r, node, app, programs, { force: node.run.id, onlyIf: hasCurrentRelease(app) }),
  )
}

/** Declares a service for each program that runs now, with its options for the balancers. */
function givenBalancedPrograms(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: BuildoutApp,
  declare: (program: Program, balancing: ReturnType<typeof balancerOptions>) => void,
  order: 'forward' | 'reverse' = 'forward',
): void {
  givenCurrentPrograms(r, node, app, (programs) =>
    r.given(localBalancer(node), (local) => {
      for (const program of order === 'reverse' ? programs.toReversed() : programs)
        declare(program, balancerOptions(node, app, program, local))
    }),
  )
}
