/** Going back to another release, and staying there. */
import type { Recipe } from '../../core/compile/recipe.ts'
import { file } from '../../resources/file.ts'
import type { Release } from '../../resources/releases.ts'
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
 * Makes another complete release current: the one that was current before, or the one named, older or newer. One that was interrupted is
 * finished, and does not go back further.
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
    // As far forward again, nothing is to be kept from coming back.
    else if (held !== null && target.id >= held) hold(r, at, null)
  }
  blobMount(r, node, at)
  rollbackBegins(r, node, at, target)
  stay(r, node, at, target)
  rollbackIsOver(r, at)
}

/** Makes a release live with the programs it had, or keeps it so. */
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
 * Remembers that a rollback went back from another configuration, and from which release, so that no configure brings it
 * back by itself; null forgets it. Until then the site keeps the configuration it went back to, with the addresses it
 * has in it: whatever changes in the stack, such as a host that comes online, would else bring back what was bad together
 * with the new addresses, as they are built into one file.
 */
export function hold(r: Recipe<PloneNode>, at: Layout, from: string | null): void {
  const content = from === null ? { absent: true } : { content: `${from}\n`, mode: '0644' }
  file(r, { path: holdPath(at), ...content, ...(from === null ? {} : at.owner) })
}

function holdPath(at: Layout): string {
  return `${at.releases}/.held`
}

/** The release whose configuration was rolled back from; null for none. */
export function heldFrom(node: PloneNode, at: Layout): string | null {
  return node.run.host?.readText(holdPath(at))?.trim() ?? null
}

/** Digest of the configuration a release was built with; null where it is not known. */
function inputsOf({ record }: Release): string | null {
  return typeof record === 'object' && record !== null && 'inputs' in record && typeof record.inputs === 'string'
    ? record.inputs
    : null
}
