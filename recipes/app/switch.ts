/** Switches to another release, and records the switch. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { release_history } from '../../resources/releases/release_history.ts'
import type { SiteNode } from '../node.ts'
import { type App, readReleases } from './app.ts'

/** Makes a release current. */
export function switchCurrent(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: App,
  path: Input<string>,
  guard: CommonOptions = {},
): Handle {
  const isFirst = !readReleases(node, app).some((release) => release.current)
  // Record the first release: otherwise a host whose first run was killed would look like one of an earlier version.
  if (isFirst) recordSwitch(r, node, app, path, 'after', guard)
  const current = symlink(r, { path: app.current, target: path, ...app.owner, ...guard })
  if (!isFirst) recordSwitch(r, node, app, path, 'after', guard)
  return current
}

/** Removes later switches from the record before a rollback: a killed run must not roll back to an earlier release. */
export function removeLaterSwitches(r: Recipe<SiteNode>, node: SiteNode, app: App, path: string): void {
  recordSwitch(r, node, app, path, 'before')
}

function recordSwitch(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: App,
  release: Input<string>,
  step: 'before' | 'after',
  guard: CommonOptions = {},
): void {
  const from = readReleases(node, app).find(({ current }) => current)?.id
  const { releases: into, current } = app
  release_history(r, { into, current, release, step, ...(from ? { from } : {}), ...app.owner, ...guard })
}
