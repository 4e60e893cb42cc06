/** The events of a buildout app beside setup, deploy and rollback. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { seconds } from '../../core/model/units.ts'
import { file } from '../../resources/file.ts'
import { service } from '../../resources/service.ts'
import type { PloneNode } from '../node.ts'
import { removeReleases } from '../releases/setup.ts'
import { noJobs } from './jobs.ts'
import { layout } from './layout.ts'
import { readinessOf } from './readiness.ts'
import { balanced, cleanUp, currentPrograms, deployed, logOf, run } from './running.ts'
import { supervisorRuns } from './supervisor.ts'
import type { BuildoutRole } from './types.ts'

/** Stops what runs and removes the app; what is below `shared` stays, unless --purge says otherwise. */
export function undeploy(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  stop(r, node, role)
  cleanUp(r, at, [])
  noJobs(r, at)
  if (at.system) file(r, { path: `/etc/logrotate.d/converge-${at.app}`, absent: true })
  removeReleases(r, node, at)
}

/** Starts every program of the app that is down. */
export function start(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  supervisorRuns(r, node, at)
  const provider = { kind: 'supervisor' as const, socket: at.supervisor.socket }
  for (const one of currentPrograms(r, node, at))
    service(r, {
      name: one.name,
      action: 'running',
      provider,
      ready: readinessOf(node, at, one),
      log: logOf(at, one),
      deadline: seconds(node.converge.readiness.deadline_seconds),
      ...balanced(node, at, one),
      onlyIf: deployed(at),
    })
}

/** Stops them, the last one first, each without a visitor. */
export function stop(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  const provider = { kind: 'supervisor' as const, socket: at.supervisor.socket }
  // Longer than the minute that supervisor gives a program before it kills it.
  const deadline = seconds(90)
  for (const one of [...currentPrograms(r, node, at)].reverse())
    service(r, {
      name: one.name,
      action: 'stopped',
      provider,
      deadline,
      ...(node.converge.balancer.drain ? balanced(node, at, one) : {}),
    })
}

/** Restarts every program, one after the other, whether something has changed or not. */
export function restart(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  run(r, node, at, currentPrograms(r, node, at), { force: node.run.id, onlyIf: deployed(at) })
}
