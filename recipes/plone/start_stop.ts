/** Starts, stops and restarts all programs of a buildout app. */
import type { Recipe } from '../../core/compile/role.ts'
import { seconds } from '../../core/model/units.ts'
import { service } from '../../resources/services/service.ts'
import { hasCurrentRelease } from '../app/app.ts'
import { endStop } from '../app/stopped.ts'
import { requireSupervisor } from '../app/supervisor.ts'
import type { SiteNode } from '../node.ts'
import { requireBlobMount } from './blob_mounts.ts'
import type { BuildoutApp } from './buildout_app.ts'
import { stopWaiter } from './mount_waiter.ts'
import { readinessOf } from './readiness.ts'
import { balanced, currentPrograms, logOf, restartPrograms } from './supervised_programs.ts'

/** Starts every program of the app that is down. */
export function startAll(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  requireBlobMount(r, node, app, { onlyIf: hasCurrentRelease(app) })
  endStop(r, node, app)
  requireSupervisor(r, node, app)
  const provider = { kind: 'supervisor' as const, socket: app.supervisor.socket }
  for (const one of currentPrograms(r, node, app))
    service(r, {
      name: one.name,
      action: 'running',
      provider,
      ready: readinessOf(node, app, one),
      log: logOf(app, one),
      deadline: seconds(node.converge.readiness.deadline_seconds),
      ...balanced(node, app, one),
      onlyIf: hasCurrentRelease(app),
    })
}

/** Stops the programs, the last one first, each after it is drained. */
export function stopAll(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  const provider = { kind: 'supervisor' as const, socket: app.supervisor.socket }
  // Longer than the minute that supervisor gives a program before it kills it.
  const deadline = seconds(90)
  stopWaiter(r, node, app)
  for (const one of [...currentPrograms(r, node, app)].reverse())
    service(r, {
      name: one.name,
      action: 'stopped',
      provider,
      deadline,
      ...(node.converge.balancer.drain ? balanced(node, app, one) : {}),
    })
}

/** Restarts every program, one after the other, with or without changes. */
export function restartAll(r: Recipe<SiteNode>, node: SiteNode, app: BuildoutApp): void {
  requireBlobMount(r, node, app, { onlyIf: hasCurrentRelease(app) })
  restartPrograms(r, node, app, currentPrograms(r, node, app), { force: node.run.id, onlyIf: hasCurrentRelease(app) })
}
