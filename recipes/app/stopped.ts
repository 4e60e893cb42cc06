/** Keeps apps stopped: `stop` records the stop, `configure` respects the record, and a start or deploy removes it. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { intendedStop, stop_record } from '../../resources/services/stop_record.ts'
import { supervisor_autostart } from '../../resources/supervisor/supervisor_autostart.ts'
import type { SiteNode } from '../node.ts'
import type { SupervisorLayout } from './app.ts'

export interface StoppableApp {
  /** Name in the record. */
  readonly name: string
  /** Owner of its programs in supervisord; default: `name`. */
  readonly programOwner?: string
  /** Further programs of supervisord to stop with it. */
  readonly programs?: readonly string[]
  readonly supervisor: Pick<SupervisorLayout, 'confDir'>
}

/** Records the stop before any program stops, so that a run after an interrupted stop starts none. */
export function recordStop(r: Recipe<SiteNode>, node: SiteNode, one: StoppableApp, guard: CommonOptions = {}): void {
  stop_record(r, { app: one.name, by: node.run.by, ...guard })
  disableAutostart(r, one, guard)
}

/** Keeps the programs from starting with supervisord. */
export function disableAutostart(r: Recipe<SiteNode>, one: StoppableApp, guard: CommonOptions = {}): void {
  autostart(r, one, false, guard)
}

/** Removes the record of a stop. @returns whether there was one */
export function endStop(r: Recipe<SiteNode>, node: SiteNode, one: StoppableApp): boolean {
  if (!isStopped(r, node, one.name)) return false
  // Remove the record last: a run that is interrupted in between leaves the app stopped.
  autostart(r, one, true)
  removeStopRecord(r, node, one.name)
  return true
}

/** Removes the record of an app that is undeployed. */
export function removeStopRecord(r: Recipe<SiteNode>, node: SiteNode, app: string): void {
  if (isStopped(r, node, app)) stop_record(r, { app, stopped: false })
}

/** Decides whether a stopped app must stay stopped in this event, and warns of that. */
export function mustStayStopped(r: Recipe<SiteNode>, node: SiteNode, app: string): boolean {
  if (!isStopped(r, node, app)) return false
  const record = node.run.host && intendedStop(node.run.host, app)
  const who = record ? ` by ${record.by}, ${record.at}` : ''
  r.warn(`${app} was stopped on purpose${who}, and stays stopped (run converge start or converge deploy to start it)`)
  return true
}

/** Decides the same for a deploy: one that names other apps (`converge stack deploy --app`) leaves it stopped. */
export function deployLeavesStopped(r: Recipe<SiteNode>, node: SiteNode, app: string): boolean {
  const { deployed_apps } = node.converge
  return deployed_apps !== null && !deployed_apps.includes(app) && mustStayStopped(r, node, app)
}

/** Returns the stop for `status`; null if this account cannot read the records, which `status` reports separately. */
export function readStop(host: HostReader, app: string): ReturnType<typeof intendedStop> {
  try {
    return intendedStop(host, app)
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'EACCES') return null
    throw error
  }
}

/** Decides whether an app is stopped, including by earlier events of this run. */
function isStopped(r: Recipe<SiteNode>, { run }: SiteNode, app: string): boolean {
  if (r.has('stop_record', `${app} removed`)) return false
  return r.has('stop_record', app) || (run.host !== null && intendedStop(run.host, app) !== null)
}

function autostart(r: Recipe<SiteNode>, one: StoppableApp, enabled: boolean, guard: CommonOptions = {}): void {
  const { name, programOwner = name, programs = [], supervisor } = one
  supervisor_autostart(r, {
    app: programOwner,
    programs: [...programs],
    enabled,
    confDir: supervisor.confDir,
    ...guard,
  })
}
