/** Defines the events of a buildout app other than setup, deploy and rollback. */
import type { Recipe } from '../../core/compile/role.ts'
import { seconds } from '../../core/model/units.ts'
import { file } from '../../resources/files/file.ts'
import { service } from '../../resources/services/service.ts'
import type { PloneNode } from '../node.ts'
import { hasCurrent } from '../releases/layout.ts'
import { removeReleases } from '../releases/setup.ts'
import { endStop, keepDown, recordStop, removeRecord } from '../releases/stopped.ts'
import { blobMount } from './blob_mounts.ts'
import { noJobs } from './jobs.ts'
import { type Layout, layout } from './layout.ts'
import { stopWaiter } from './mount_waiter.ts'
import { readinessOf } from './readiness.ts'
import { balanced, cleanUp, currentPrograms, logOf, run } from './running.ts'
import { supervisorRuns } from './supervisor.ts'
import type { BuildoutRole } from './types.ts'

/** Stops the programs and removes the app, but not `shared` unless --purge is given. */
export function undeploy(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  stopPrograms(r, node, at)
  cleanUp(r, at, [])
  noJobs(r, node, at)
  if (at.system) file(r, { path: `/etc/logrotate.d/converge-${at.app}`, absent: true })
  removeReleases(r, node, at)
  removeRecord(r, node, at.app)
}

/** Starts every program of the app that is down. */
export function start(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  blobMount(r, node, at, { onlyIf: hasCurrent(at) })
  endStop(r, node, at)
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
      onlyIf: hasCurrent(at),
    })
}

/** Stops the app until `start` or a deploy. */
export function stop(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  recordStop(r, node, at, { onlyIf: hasCurrent(at) })
  stopPrograms(r, node, at)
}

/** Stops the app before the host goes down; it starts again with the host. */
export function shutdown(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  stopPrograms(r, node, layout(node, role))
}

/** Finishes an interrupted stop, and stops programs that were started by hand. */
export function stayStopped(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  keepDown(r, at)
  stopPrograms(r, node, at)
}

/** Stops the programs, the last one first, each after it is drained. */
function stopPrograms(r: Recipe<PloneNode>, node: PloneNode, at: Layout): void {
  const provider = { kind: 'supervisor' as const, socket: at.supervisor.socket }
  // Longer than the minute that supervisor gives a program before it kills it.
  const deadline = seconds(90)
  stopWaiter(r, node, at)
  for (const one of [...currentPrograms(r, node, at)].reverse())
    service(r, {
      name: one.name,
      action: 'stopped',
      provider,
      deadline,
      ...(node.converge.balancer.drain ? balanced(node, at, one) : {}),
    })
}

/** Restarts every program, one after the other, with or without changes. */
export function restart(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  blobMount(r, node, at, { onlyIf: hasCurrent(at) })
  run(r, node, at, currentPrograms(r, node, at), { force: node.run.id, onlyIf: hasCurrent(at) })
}
