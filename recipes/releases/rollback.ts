/** Chooses the target of a rollback, and records it until the rollback is done. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { nearest } from '../../core/model/nearest.ts'
import { derived, type Input } from '../../core/model/reference.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { type Release, releaseBefore, rollbackTarget, wasCurrentMark } from '../../resources/releases/releases.ts'
import type { PloneNode } from '../node.ts'
import { type AppLayout, releasesOf } from './layout.ts'
import { forgetLater } from './switch.ts'

/** Marks a release as one that has been current, for versions that keep no history. */
export function wasLive(r: Recipe<PloneNode>, at: AppLayout, path: Input<string>): void {
  const mark = derived(path as string, wasCurrentMark)
  file(r, { path: mark, content: '', mode: '0644', ...at.owner })
}

/**
 * Returns the previous release, or the named one, older or newer. After an interrupted rollback, it is the target of
 * that rollback. Null if the app stays unchanged: --to names other apps only, or there is no earlier release.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE, NO_SUCH_APP
 */
export function rollbackGoal(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout): Release | null {
  const releases = releasesOf(node, at)
  const to = named(node)
  if (to !== null && typeof to === 'object') {
    const own = to.get(at.app)
    return own === undefined ? null : rollbackTarget(releases, own)
  }
  if (to !== null) return rollbackTarget(releases, to)
  const current = releases.find((release) => release.current)
  const begun = current !== undefined && node.run.host?.readLink(begunPath(at)) === current.id
  const target = begun ? current : releaseBefore(releases)
  if (target === undefined) r.leaveOut('rollback', staying(at, current))
  else r.takePart('rollback')
  return target ?? null
}

/** Explains why an app stays unchanged. */
function staying({ app }: AppLayout, current: Release | undefined): ConvergeError {
  const message = current
    ? `${app} stays on ${current.id}: there is no complete release before ${current.id}`
    : `${app} stays as it is: there is no current release`
  return new ConvergeError(message, {
    code: 'NO_SUCH_RELEASE',
    hint: 'name another release with --to; converge releases lists them',
  })
}

/** Parses --to: one release, or one for each app (`site=000007,shop=000003`); null without it. */
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

/** Returns the path of the record that distinguishes an interrupted rollback from a second one after the switch. */
function begunPath(at: AppLayout): string {
  return `${at.releases}/.rolling-back`
}

export function rollbackBegins(r: Recipe<PloneNode>, node: PloneNode, at: AppLayout, target: Release): void {
  if (target.current) return
  symlink(r, { path: begunPath(at), target: target.id, ...at.owner })
  forgetLater(r, node, at, target.path)
}

export function rollbackIsOver(r: Recipe<PloneNode>, at: AppLayout): void {
  file(r, { path: begunPath(at), absent: true })
}
