/** Chooses the target of a rollback, and records it until the rollback is done. */
import type { Recipe } from '../../core/compile/role.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { nearest } from '../../core/model/nearest.ts'
import { derived, type Input } from '../../core/model/reference.ts'
import { file } from '../../resources/files/file.ts'
import { symlink } from '../../resources/files/symlink.ts'
import { rollbackStateOf } from '../../resources/releases/queries.ts'
import { releaseBefore, rollbackTarget } from '../../resources/releases/release_selection.ts'
import { type Release, wasCurrentMark } from '../../resources/releases/releases.ts'
import type { SiteNode } from '../node.ts'
import type { App } from './app.ts'
import { removeLaterSwitches } from './switch.ts'

/** Marks a release as one that has been current, for versions that keep no history. */
export function markAsCurrent(r: Recipe<SiteNode>, app: App, path: Input<string>): void {
  const mark = derived(path as string, wasCurrentMark)
  file(r, { path: mark, content: '', mode: '0644', ...app.owner })
}

/**
 * Declares a rollback to the previous release, or to the named one, older or newer. After an interrupted rollback, the
 * target is that of the rollback. Declares nothing if the app stays unchanged: --to names other apps only, or there is no
 * earlier release.
 * @throws NO_SUCH_APP; when the host is known, NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function givenRollbackTarget(
  r: Recipe<SiteNode>,
  node: SiteNode,
  app: App,
  declare: (target: Release, current: Release | undefined) => void,
): void {
  const to = requestedRelease(node, app.name)
  if (to === null) return
  r.given(rollbackStateOf(app, rollbackRecordPath(app)), ({ releases, unfinished }) => {
    const current = releases.find((release) => release.current)
    if (to !== undefined) return declare(rollbackTarget(releases, to), current)
    const target = current !== undefined && unfinished === current.id ? current : releaseBefore(releases)
    if (target === undefined) return r.leaveOut('rollback', reasonToKeepRelease(app, current))
    r.takePart('rollback')
    declare(target, current)
  })
}

/** Explains why an app stays unchanged. */
function reasonToKeepRelease({ name: app, current: link }: App, current: Release | undefined): ConvergeError {
  const message = current
    ? `${app} stays on ${current.id}: there is no complete release before ${current.id}`
    : `${app} stays as it is: ${link} leads to no release`
  return new ConvergeError(message, {
    code: 'NO_SUCH_RELEASE',
    hint: 'name another release with --to; converge releases lists them, or converge stack log for the hosts of a stack',
  })
}

/**
 * Parses --to: one release, or one for each app (`site=000007,shop=000003`).
 * @returns undefined without it; null if it names other apps only
 */
function requestedRelease({ run, deploy }: SiteNode, appName: string): string | null | undefined {
  const { to } = run.options
  if (typeof to !== 'string') return undefined
  if (!to.includes('=')) return to
  const parts = to.split(',').map((part) => part.split('=', 2) as [string, string?])
  const apps = Object.keys(deploy)
  for (const [app, release] of parts)
    if (!apps.includes(app) || !release)
      throw new ConvergeError(
        release ? `--to: there is no app ${app}` : `invalid --to ${to}: expected one release, or APP=ID for each app`,
        {
          code: 'NO_SUCH_APP',
          hint: nearest(app, apps) ?? `there are: ${apps.join(', ') || 'none'}`,
          usage: true,
        },
      )
  return parts.find(([app]) => app === appName)?.[1] ?? null
}

/** Returns the path of the record that distinguishes an interrupted rollback from a second one after the switch. */
function rollbackRecordPath(app: App): string {
  return `${app.releases}/.rolling-back`
}

export function recordRollback(r: Recipe<SiteNode>, app: App, target: Release, current: Release | undefined): void {
  if (target.current) return
  symlink(r, { path: rollbackRecordPath(app), target: target.id, ...app.owner })
  removeLaterSwitches(r, app, target.path, current)
}

export function finishRollback(r: Recipe<SiteNode>, app: App): void {
  file(r, { path: rollbackRecordPath(app), absent: true })
}
