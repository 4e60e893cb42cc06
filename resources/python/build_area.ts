/**
 * Keeps the directories that builds share (eggs, downloads, extends) usable for the next build, however this build
 * ends.
 *
 * Measured with zc.buildout 6.0.1: it builds an egg in a temporary directory and renames it. After a power cut only the
 * order of disk writes ensures that an egg is complete, and buildout accepts one that has nothing but its metadata.
 * Older versions unpack in place. A download is written in place: a truncated one makes every later build fail. So the
 * names that existed before are recorded until a build succeeds, and whatever a failed build added is removed.
 */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { readDisposable, writeDisposable } from '../../core/model/file_errors.ts'
import { seconds } from '../../core/model/units.ts'

export interface BuildArea {
  /** The parent of eggs, downloads and extends. */
  readonly shared: string
  /** The directory in which the build runs. */
  readonly directory: string
  readonly user?: string | undefined
  readonly group?: string | undefined
}

const sharedDirectories = ['eggs', 'downloads', 'extends']
const ownDirectories = ['bin', 'parts', 'develop-eggs', 'src', '.installed.cfg']
/** eggs/v5/cp311/NAME.egg, downloads/dist/NAME.whl */
const sharedDepth = 3
const removalTries = 20

function notePath({ shared }: BuildArea): string {
  return `${shared}/.converge-building.json`
}

/** Decides whether a build is running there, or was killed: some of its eggs may be incomplete. */
export function isBuilding(host: HostReader, shared: string): boolean {
  return host.lstat(notePath({ shared, directory: shared })) !== null
}

/** Records the names that exist, to identify what the build adds. The record is on the disk before the build begins. */
export async function beginBuild(host: Host, area: BuildArea): Promise<void> {
  writeDisposable(
    host,
    notePath(area),
    JSON.stringify({ directory: area.directory, before: presentNames(host, area) }),
    {
      mode: '0644',
    },
  )
  await host.run(['sync', notePath(area)])
}

/** Ensures that everything that the build made is on the disk, and keeps it. */
export async function endBuild(host: Host, area: BuildArea): Promise<void> {
  await host.run(['sync', '-f', area.shared])
  host.remove(notePath(area))
}

/**
 * Cleans up after a build that failed: keeps complete eggs, removes incomplete ones and downloads.
 * @param interrupted whether the build was killed: its parts in the directory are removed as well
 */
export async function discardFailed(host: Host, area: BuildArea, interrupted: boolean): Promise<void> {
  await discard(host, area, ({ path, top, name }) => {
    if (top === 'eggs') return name.startsWith('tmp') && !path.endsWith('.egg')
    return sharedDirectories.includes(top) || interrupted
  })
  host.remove(notePath(area))
}

/**
 * Removes, before a build, everything that a killed build added and could not remove.
 * @returns whether there was such a build
 */
export async function recoverBuild(host: Host, area: BuildArea): Promise<boolean> {
  if (host.lstat(notePath(area)) === null) return false
  const begun = readNotedNames(host, area) !== null
  await discard(host, area, () => true)
  host.remove(notePath(area))
  return begun
}

interface Found {
  readonly path: string
  readonly name: string
  /** The first name below `shared` or the directory. */
  readonly top: string
}

async function discard(host: Host, area: BuildArea, isDiscarded: (found: Found) => boolean): Promise<void> {
  const known = readNotedNames(host, area)
  if (known === null) return
  const before = new Set(known)
  const surplus = () => {
    const added = listEntries(host, area).filter((found) => !before.has(found.path) && isDiscarded(found))
    return added.map(({ path }) => path)
  }
  for (let tries = 0; tries < removalTries; tries++) {
    const paths = surplus()
    if (paths.length === 0) return
    // As the account of the build: what this account may not remove, the build did not make.
    await host.run(['xargs', '-0', 'rm', '-rf', '--'], {
      ...ownerOptions(area),
      input: paths.join('\0'),
      accept: 'any',
    })
    // A process of the killed build may still be writing.
    if (surplus().length > 0) await host.sleep(seconds(1))
  }
  throw new ConvergeError(
    `what an unfinished build left behind cannot be removed: ${surplus().slice(0, 5).join(', ')}`,
    {
      code: 'BUILD_LEFTOVERS',
      hint: 'remove them as root (rm -rf), then run again',
    },
  )
}

/**
 * Reads the record of a build; null if a power cut truncated it. The record is on the disk before a build begins, so in
 * that case no build had begun.
 */
function readNotedNames(host: HostReader, area: BuildArea): string[] | null {
  try {
    const note: unknown = JSON.parse(readDisposable(host, notePath(area)) ?? '')
    if (typeof note === 'object' && note !== null && 'before' in note && Array.isArray(note.before)) {
      const before = note.before.map(String)
      // The killed build ran in another directory: it made nothing in this one.
      const isSameDirectory = 'directory' in note && note.directory === area.directory
      return isSameDirectory
        ? before
        : [
            ...before,
            ...listEntries(host, area).flatMap(({ path, top }) => (ownDirectories.includes(top) ? [path] : [])),
          ]
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return null
}

function presentNames(host: HostReader, area: BuildArea): string[] {
  return listEntries(host, area).map(({ path }) => path)
}

function listEntries(host: HostReader, { shared, directory }: BuildArea): Found[] {
  const entries: Found[] = []
  const visit = (path: string, top: string, depth: number) => {
    for (const child of host.list(path)) {
      const below = `${path}/${child}`
      entries.push({ path: below, name: child, top })
      if (depth > 1 && !child.endsWith('.egg') && host.lstat(below)?.kind === 'directory') visit(below, top, depth - 1)
    }
  }
  for (const [base, tops] of [
    [shared, sharedDirectories],
    [directory, ownDirectories],
  ] as const)
    for (const top of tops) {
      const path = `${base}/${top}`
      const kind = host.stat(path)?.kind
      if (kind === 'directory') visit(path, top, tops === sharedDirectories ? sharedDepth : 1)
      else if (kind === 'file') entries.push({ path, name: top, top })
    }
  return entries
}

function ownerOptions({ user, group }: BuildArea) {
  return { user, group }
}
