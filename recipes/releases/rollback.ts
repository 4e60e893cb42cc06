/** Which release a rollback goes to, remembered until it is over. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { nearest } from '../../core/model/nearest.ts'
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
 * which then does not go back further. Null where only other apps of the host are named.
 * @param candidates those to go back to where none is named; default: all
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE, NO_SUCH_APP
 */
export function goal(node: PloneNode, at: AppLayout, candidates = releasesOf(node, at)): Release | null {
  const to = named(node)
  if (to !== null && typeof to === 'object') {
    const own = to.get(at.app)
    return own === undefined ? null : rollbackTarget(releasesOf(node, at), own)
  }
  if (to !== null) return rollbackTarget(releasesOf(node, at), to)
  const left = candidates.find((release) => release.current)
  const begun = left !== undefined && node.run.host?.readLink(begunPath(at)) === left.id
  return begun ? rollbackTarget(candidates, left.id) : rollbackTarget(candidates)
}

/** The live release, and those that were live before: what failed on its way there is nothing to go back to. */
export function onceLive(node: PloneNode, at: AppLayout): readonly Release[] {
  const wasOnce = ({ path }: Release) => node.run.host?.lstat(`${path}/${liveMark}`) !== null
  return releasesOf(node, at).filter((release) => release.current || wasOnce(release))
}

/** What --to names: one release, or one of each app (`site=000007,shop=000003`). Null without it. */
function named({ run, deploy }: PloneNode): string | ReadonlyMap<string, string> | null {
  const { to } = run.options
  if (typeof to !== 'string') return null
  if (!to.includes('=')) return to
  const parts = to.split(',').map((part) => part.split('=', 2) as [string, string?])
  const known = Object.keys(deploy)
  for (const [app, release] of parts)
    if (!known.includes(app) || !release)
      throw new ConvergeError(release ? `--to: there is no app ${app}` : `--to ${to}: of each app, as APP=ID`, {
        code: 'NO_SUCH_APP',
        hint: nearest(app, known) ?? `there are: ${known.join(', ') || 'none'}`,
        usage: true,
      })
  return new Map(parts.map(([app, release = '']) => [app, release]))
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
