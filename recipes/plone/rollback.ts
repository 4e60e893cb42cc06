/** Rolls a buildout app back to another release, and keeps configure from undoing it. */
import type { Recipe } from '../../core/compile/role.ts'
import { file } from '../../resources/files/file.ts'
import type { Release } from '../../resources/releases/releases.ts'
import type { PloneNode } from '../node.ts'
import { rollbackBegins, rollbackGoal, rollbackIsOver } from '../releases/rollback.ts'
import { switchCurrent } from '../releases/switch.ts'
import { blobMount } from './blob_mounts.ts'
import { jobs } from './jobs.ts'
import { type Layout, layout } from './layout.ts'
import { goLive } from './moments.ts'
import { programsOf, releasesOf } from './running.ts'
import type { BuildoutRole } from './types.ts'

/**
 * Makes another complete release the current release: the previous one, or the named one, older or newer. Finishes an
 * interrupted rollback, instead of rolling back once more.
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function rollback(r: Recipe<PloneNode>, node: PloneNode, role: BuildoutRole): void {
  const at = layout(node, role)
  const left = releasesOf(node, at).find((release) => release.current)
  const target = rollbackGoal(r, node, at)
  if (target === null) return
  if (!target.current) {
    const held = heldFrom(node, at)
    const back = left !== undefined && target.id < left.id && inputsOf(left) !== inputsOf(target)
    if (back && (held === null || held < left.id)) hold(r, at, left.id)
    // The target is at least as new as the release that was rolled back: unpin the configuration.
    else if (held !== null && target.id >= held) hold(r, at, null)
  }
  blobMount(r, node, at)
  rollbackBegins(r, node, at, target)
  stay(r, node, at, target)
  rollbackIsOver(r, at)
}

/** Makes a release the current release, or keeps it so, with its recorded programs. */
export function stay(r: Recipe<PloneNode>, node: PloneNode, at: Layout, release: Release): void {
  blobMount(r, node, at)
  const current = switchCurrent(r, node, at, release.path)
  const { path, commit } = release
  goLive(
    r,
    node,
    at,
    programsOf(node, at, release, r),
    { path, commit: commit ?? '' },
    { when: [current], goesBack: false },
  )
  jobs(r, node, at, release.path)
}

/**
 * Records that a rollback left another configuration, and of which release, so that no configure applies it again;
 * null removes the record. Until then, the site keeps the configuration of its release, with the addresses in it.
 * Otherwise any change of the stack, such as a new host online, would restore the bad configuration with the new
 * addresses, because both are in one file.
 */
export function hold(r: Recipe<PloneNode>, at: Layout, from: string | null): void {
  const content = from === null ? { absent: true } : { content: `${from}\n`, mode: '0644' }
  file(r, { path: holdPath(at), ...content, ...(from === null ? {} : at.owner) })
}

function holdPath(at: Layout): string {
  return `${at.releases}/.held`
}

/** Returns the release whose configuration a rollback has left; null for none. */
export function heldFrom(node: PloneNode, at: Layout): string | null {
  return node.run.host?.readText(holdPath(at))?.trim() ?? null
}

/** Returns the digest of the configuration of a release; null if it is unknown. */
function inputsOf({ record }: Release): string | null {
  return typeof record === 'object' && record !== null && 'inputs' in record && typeof record.inputs === 'string'
    ? record.inputs
    : null
}
