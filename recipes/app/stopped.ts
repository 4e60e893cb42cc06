/** Keeps apps stopped: `stop` records the stop, `configure` respects the record, and a start or deploy removes it. */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import type { IntendedStop } from '../../core/model/app_status.ts'
import type { CommonOptions } from '../../core/model/resource.ts'
import { intendedStop, stop_record, stopOf } from '../../resources/services/stop_record.ts'
import { supervisor_autostart } from '../../resources/supervisor/supervisor_autostart.ts'
import { deploysOnlyOthers } from '../deployed_apps.ts'
import type { SiteNode } from '../node.ts'
import type { SupervisorLayout } from './app.ts'

export interface StoppableApp {
  /** Name in the record. */
  readonly name: string
  /** Owner of its programs in supervisord; default: `name`. */
  readonly programOwner?: string
  /** Further programs of supervisord to stop with it. */
  readonly programs?: readonly string[]
  /** Null for services of the system, which systemd enables and disables. */
  readonly supervisor: Pick<SupervisorLayout, 'confDir'> | null
}

/** Records the stop before any program stops, so that a run after an interrupted stop starts none. */
export function recordStop(r: Recipe<SiteNode>, node: SiteNode, app: StoppableApp, guard: CommonOptions = {}): void {
  stop_record(r, { app: app.name, by: node.run.by, ...guard })
  disableAutostart(r, app, guard)
}

/** Keeps the programs from starting with supervisord. */
export function disableAutostart(r: Recipe<SiteNode>, app: StoppableApp, guard: CommonOptions = {}): void {
  setAutostart(r, app, false, guard)
}

/** Removes the record of a stop, if there is one, and then declares `then`. */
export function endStop(r: Recipe<SiteNode>, app: StoppableApp, then: () => void = () => undefined): void {
  givenStop(r, app.name, (stop) => {
    if (stop === null) return
    // Remove the record last: a run that is interrupted in between leaves the app stopped.
    setAutostart(r, app, true)
    stop_record(r, { app: app.name, stopped: false })
    then()
  })
}

/** Removes the record of an app that is undeployed. */
export function removeStopRecord(r: Recipe<SiteNode>, app: string): void {
  givenStop(r, app, (stop) => {
    if (stop !== null) stop_record(r, { app, stopped: false })
  })
}

/** The resources of an event for an app that must stay stopped, and for any other app. */
interface Alternatives {
  readonly stopped: () => void
  readonly otherwise: () => void
}

/** Keeps a stopped app stopped in this event, and warns of that. */
export function unlessStopped(r: Recipe<SiteNode>, app: string, { stopped, otherwise }: Alternatives): void {
  givenStop(r, app, (stop) => {
    if (stop === null) return otherwise()
    const who = stop === 'in this run' ? '' : ` by ${stop.by}, ${stop.at}`
    r.warn(`${app} was stopped on purpose${who}, and stays stopped (a start or a deploy starts it)`)
    stopped()
  })
}

/** Does the same in a deploy: one that names other apps (`converge stack deploy --app`) leaves it stopped. */
export function unlessDeployLeavesStopped(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: string,
  alternatives: Alternatives,
): void {
  if (deploysOnlyOthers(node, app)) unlessStopped(r, app, alternatives)
  else alternatives.otherwise()
}

/** Returns the stop for `status`; null if this account cannot read the records, which `status` reports separately. */
export function readStop(host: HostReader, app: string): ReturnType<typeof intendedStop> {
  return orUnreadable(() => intendedStop(host, app))
}

/** Returns null for a record that this account cannot read. */
export function orUnreadable<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'EACCES') return null
    throw error
  }
}

/** Declares what depends on whether an app is stopped, by its record or by an earlier event of this run. */
function givenStop(
  r: Recipe<SiteNode>,
  app: string,
  declare: (stop: IntendedStop | 'in this run' | null) => void,
): void {
  r.given(stopOf(app), (recorded) => {
    if (r.has('stop_record', `${app} removed`)) return declare(null)
    declare(recorded ?? (r.has('stop_record', app) ? 'in this run' : null))
  })
}

function setAutostart(r: Recipe<SiteNode>, app: StoppableApp, enabled: boolean, guard: CommonOptions = {}): void {
  const { name, programOwner = name, programs = [], supervisor } = app
  if (supervisor === null) return
  const props = { app: programOwner, programs: [...programs], enabled, confDir: supervisor.confDir }
  const { type, key } = supervisor_autostart.definition
  // A stop and a configure in one run ask for the same.
  r.unlessDeclared(type, key(props), () => {
    supervisor_autostart(r, { ...props, ...guard })
  })
}
