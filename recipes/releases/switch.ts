/** Switches to another release, and records the switch. */
import type { Recipe } from '../../core/compile/role.ts'
import type { Input } from '../../core/model/reference.ts'
import type { CommonOptions, Handle } from '../../core/model/resource.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { release_history } from '../../resources/releases/release_history.ts'
import type { PloneNode } from '../node.ts'
import { type AppLayout, releasesOf } from './layout.ts'

/** Makes a release current. */
export function switchCurrent(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: AppLayout,
  path: Input<string>,
  guard: CommonOptions = {},
): Handle {
  const isFirst = !releasesOf(node, at).some((release) => release.current)
  // Record the first release: otherwise a host whose first run was killed would look like one of an earlier version.
  if (isFirst) recordSwitch(r, node, at, path, 'after', guard)
  const current = symlink(r, { path: at.current, target: path, ...at.owner, ...guard })
  if (!isFirst) recordSwitch(r, node, at, path, 'after', guard)
  return current
}

/** Removes later switches from the record before a rollback: a killed run must not roll back to an earlier release. */
export function forgetLater(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout, path: string): void {
  recordSwitch(r, node, at, path, 'before')
}

function recordSwitch(
  r: Recipe<PloneNode>,
  node: PloneNode,
  at: AppLayout,
  release: Input<string>,
  step: 'before' | 'after',
  guard: CommonOptions = {},
): void {
  const from = releasesOf(node, at).find(({ current }) => current)?.id
  const { releases: into, current } = at
  release_history(r, { into, current, release, step, ...(from ? { from } : {}), ...at.owner, ...guard })
}
