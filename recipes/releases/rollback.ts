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
 * The complete release before the live one, or the one named, older or newer; that of a rollback that was interrupted,
 * which then does not go back further.
 * @param candidates those to go back to where none is named; default: all
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function goal(node: PloneNode, at: AppLayout, candidates = releasesOf(node, at)): Release {
  const { to } = node.run.options
  if (typeof to === 'string') return rollbackTarget(releasesOf(node, at), to)
  const left = candidates.find((release) => release.current)
  const begun = left !== undefined && node.run.host?.readLink(begunPath(at)) === left.id
  return begun ? rollbackTarget(candidates, left.id) : rollbackTarget(candidates)
}

/** The live release, and those that were live before: what failed on its way there is nothing to go back to. */
export function onceLive(node: PloneNode, at: AppLayout): readonly Release[] {
  const wasOnce = ({ path }: Release) => node.run.host?.lstat(`${path}/${liveMark}`) !== null
  return releasesOf(node, at).filter((release) => release.current || wasOnce(release))
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
