/** Which release a rollback goes to, remembered until it is over. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { type Input, under } from '../../core/model/reference.ts'
import { file } from '../../resources/file.ts'
import { type Release, rollbackTarget } from '../../resources/releases.ts'
import { symlink } from '../../resources/symlink.ts'
import type { PloneNode } from '../node.ts'
import { type AppLayout, releasesOf } from './layout.ts'

/** Marks a release as one that has been live: only to such a one a rollback goes by itself. */
export function wasLive(r: Recipe<PloneNode>, at: AppLayout, path: Input<string>): void {
  file(r, { path: under(path as string, liveMark), content: '', mode: '0644', ...at.owner })
}

const liveMark = '.converge/was-live'

/**
 * The release that was live before this one, or the one named, older or newer; that of a rollback that was interrupted,
 * which then does not go back further.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function goal(node: PloneNode, at: AppLayout): Release {
  const { to } = node.run.options
  const releases = releasesOf(node, at)
  const known = releases.filter(({ path, current }) => current || node.run.host?.lstat(`${path}/${liveMark}`) !== null)
  const left = releases.find((release) => release.current)
  const begun = left !== undefined && node.run.host?.readLink(begunPath(at)) === left.id ? left.id : undefined
  return typeof to === 'string' || begun !== undefined
    ? rollbackTarget(releases, typeof to === 'string' ? to : begun)
    : rollbackTarget(known)
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
