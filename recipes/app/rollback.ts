/** Chooses the target of a rollback, and records it until the rollback is done. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { nearest } from '../../core/model/nearest.ts'
import { derived, type Input } from '../../core/model/reference.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { type Release, releaseBefore, rollbackTarget, wasCurrentMark } from '../../resources/releases/releases.ts'
import type { SiteNode } from '../node.ts'
import { type App, readReleases } from './app.ts'
import { removeLaterSwitches } from './switch.ts'

/** Marks a release as one that has been current, for versions that keep no history. */
export function markAsCurrent(r: Recipe<SiteNode>, app: App, path: Input<string>): void {
  const mark = derived(path as string, wasCurrentMark)
  file(r, { path: mark, content: '', mode: '0644', ...app.owner })
}

/**
 * Returns the previous release, or the named one, older or newer. After an interrupted rollback, it is the target of
 * that rollback. Null if the app stays unchanged: --to names other apps only, or there is no earlier release.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE, NO_SUCH_APP
 */
export function chooseRollbackTarget(r: Recipe<SiteNode>, node: SiteNode, app: App): Release | null {
  const releases = readReleases(node, app)
  const to = requestedReleases(node)
  if (to !== null && typeof to === 'object') {
    const own = to.get(app.name)
    return own === undefined ? null : rollbackTarget(releases, own)
  }
  if (to !== null) return rollbackTarget(releases, to)
  const current = releases.find((release) => release.current)
  const begun = current !== undefined && node.run.host?.readLink(rollbackRecordPath(app)) === current.id
  const target = begun ? current : releaseBefore(releases)
  if (target === undefined) r.leaveOut('rollback', reasonToStay(app, current))
  else r.takePart('rollback')
  return target ?? null
}

/** Explains why an app stays unchanged. */
function reasonToStay({ name: app }: App, current: Release | undefined): ConvergeError {
  const message = current
    ? `${app} stays on ${current.id}: there is no complete release before ${current.id}`
    : `${app} stays as it is: there is no current release`
  return new ConvergeError(message, {
    code: 'NO_SUCH_RELEASE',
    hint: 'name another release with --to; converge releases lists them',
  })
}

/** Parses --to: one release, or one for each app (`site=000007,shop=000003`); null without it. */
function requestedReleases({ run, deploy }: SiteNode): string | ReadonlyMap<string, string> | null {
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
function rollbackRecordPath(app: App): string {
  return `${app.releases}/.rolling-back`
}

export function recordRollback(r: Recipe<SiteNode>, node: SiteNode, app: App, target: Release): void {
  if (target.current) return
  symlink(r, { path: rollbackRecordPath(app), target: target.id, ...app.owner })
  removeLaterSwitches(r, node, app, target.path)
}

export function finishRollback(r: Recipe<SiteNode>, app: App): void {
  file(r, { path: rollbackRecordPath(app), absent: true })
}
