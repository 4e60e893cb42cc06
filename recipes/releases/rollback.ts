/** Which release a rollback goes to, remembered until it is over. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { file } from '../../resources/file.ts'
import { type Release, rollbackTarget } from '../../resources/releases.ts'
import { symlink } from '../../resources/symlink.ts'
import type { PloneNode } from '../node.ts'
import { type AppLayout, releasesOf } from './layout.ts'

/**
 * The complete release before the live one, or the one named, older or newer; that of a rollback that was interrupted,
 * which then does not go back further.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function goal(node: PloneNode, at: AppLayout): Release {
  const { to } = node.run.options
  const releases = releasesOf(node, at)
  const left = releases.find((release) => release.current)
  const begun = left !== undefined && node.run.host?.readLink(begunPath(at)) === left.id ? left.id : undefined
  return rollbackTarget(releases, typeof to === 'string' ? to : begun)
}

/** Once the link is switched, only this tells a rollback that was cut short from one that is to go back once more. */
function begunPath(at: AppLayout): string {
  return `${at.releases}/.rolling-back`
}

export function rollbackBegins(r: Recipe<PloneNode>, at: AppLayout, target: Release): void {
  if (!target.current) symlink(r, { path: begunPath(at), target: target.id, ...at.owner })
}

export function rollbackIsOver(r: Recipe<PloneNode>, at: AppLayout): void {
  file(r, { path: begunPath(at), absent: true })
}
