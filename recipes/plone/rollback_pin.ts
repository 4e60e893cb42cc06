/**
 * Keeps `configure` from undoing a rollback. The configuration of a buildout app is part of its release, with the
 * addresses of other hosts in it. Without a pin, any change of the stack, such as a new host online, would build the
 * bad configuration again with the new addresses.
 */
import type { Recipe } from '../../core/compile/role.ts'
import type { HostReader } from '../../core/host/types.ts'
import { isRefusal } from '../../core/model/file_errors.ts'
import { file } from '../../resources/files/file.ts'
import { textOf } from '../../resources/files/queries.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { SiteNode } from '../node.ts'
import type { BuildoutApp } from './buildout_app.ts'

/** Pins the configuration at a rollback to an older one, and clears the pin at a rollback to a newer one. */
export function pinConfiguration(
  r: Recipe<SiteNode>,
  app: BuildoutApp,
  target: Release,
  current: Release | undefined,
): void {
  if (target.current) return
  givenPin(r, app, (pinned) => {
    const isOlder = current !== undefined && target.id < current.id && inputsOf(current) !== inputsOf(target)
    if (isOlder && (pinned === null || pinned < current.id)) pinRelease(r, app, current.id)
    // The target is at least as new as the release that was rolled back.
    else if (pinned !== null && target.id >= pinned) clearRollbackPin(r, app)
  })
}

/** Records the release whose configuration a rollback has left. */
function pinRelease(r: Recipe<SiteNode>, app: BuildoutApp, id: string): void {
  file(r, { path: pinPath(app), content: `${id}\n`, mode: '0644', ...app.owner })
}

export function clearRollbackPin(r: Recipe<SiteNode>, app: BuildoutApp): void {
  file(r, { path: pinPath(app), absent: true })
}

function pinPath(app: Pick<BuildoutApp, 'releases'>): string {
  return `${app.releases}/.held`
}

/**
 * Returns the release whose configuration a rollback has left, for a report; null for none. The account of the app can
 * replace the file, so other text is not shown: a link may lead to a file of root. A run reports such a file.
 */
export function readPin(host: HostReader, app: Pick<BuildoutApp, 'releases'>): string | null {
  try {
    const text = host.readText(pinPath(app), { limit: longestId })?.trim() ?? ''
    return /^\d{6}-[0-9a-f]{8}$/.test(text) ? text : null
  } catch (error) {
    if (isRefusal(error)) return null
    throw error
  }
}

/** In bytes. */
const longestId = 64

/** Declares what depends on the release whose configuration a rollback has left; null for none. */
export function givenPin(r: Recipe<SiteNode>, app: BuildoutApp, declare: (pinned: string | null) => void): void {
  r.given(textOf(pinPath(app)), (text) => declare(text?.trim() ?? null))
}

/** Returns the digest of the configuration of a release; null if it is unknown. */
function inputsOf({ record }: Release): string | null {
  return typeof record === 'object' && record !== null && 'inputs' in record && typeof record.inputs === 'string'
    ? record.inputs
    : null
}
