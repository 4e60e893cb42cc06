/** Switches to another release, and records the switch. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { currentReleaseOf } from '../../resources/releases/queries.ts'
import { release_history } from '../../resources/releases/release_history.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'

/** Makes a release current. */
export function switchCurrent(r: Recipe<SiteNode>, app: App, path: Input<string>, guard: CommonOptions = {}): Handle {
  return r.given(currentReleaseOf(app), (from) => {
    // Record the first release: otherwise a host whose first run was killed would look like one of an earlier version.
    if (from === undefined) recordSwitch(r, app, path, { step: 'after', ...guard })
    const current = symlink(r, { path: app.current, target: path, ...app.owner, ...guard })
    if (from !== undefined) recordSwitch(r, app, path, { step: 'after', from: from.id, ...guard })
    return current
  })
}

/** Removes later switches from the record before a rollback: a killed run must not roll back to an earlier release. */
export function removeLaterSwitches(r: Recipe<SiteNode>, app: App, path: string, from: Release | undefined): void {
  recordSwitch(r, app, path, { step: 'before', ...(from && { from: from.id }) })
}

interface Switch extends CommonOptions {
  readonly step: 'before' | 'after'
  /** Id of the release that was current before. */
  readonly from?: string
}

function recordSwitch(r: Recipe<SiteNode>, app: App, release: Input<string>, options: Switch): void {
  release_history(r, { into: app.releases, current: app.current, release, ...app.owner, ...options })
}
