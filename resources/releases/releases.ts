/** Lists the releases in a directory, and creates their ids. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import { readDisposable } from '../../core/model/file_errors.ts'
import type { Json } from '../../core/model/resource.ts'
import { readFailure } from './failure_mark.ts'
import { readHistory, releasesBefore } from './history.ts'

/** A directory under `releases/`. */
export interface Release {
  /** `000042-1a2b3c4d`: a counter and the start of the commit, so that names sort in the order of creation. */
  readonly id: string
  readonly path: string
  /** Full commit; for a copied directory the digest of its content. Null if another tool made it. */
  readonly commit: string | null
  /** Digest of the commit and of everything that was built into the release. */
  readonly identity: string | null
  /** The requested revision: a branch, a tag, a commit. */
  readonly revision: string | null
  /** ISO 8601, by the host's clock; for display only, nothing depends on it. */
  readonly created: string | null
  /** The person or command that created it. */
  readonly by: string | null
  /** Whether all steps of its build are done. */
  readonly complete: boolean
  readonly current: boolean
  /** Whether a rollback selects it: the release that was current before. */
  readonly previous: boolean
  /** Whether it has been current; marked on servers only, and in the history on all hosts. */
  readonly wasCurrent: boolean
  /** Why it failed its smoke test; null if it did not. */
  readonly failed: string | null
  /** False for the target of `current` that another tool made: nothing more is known, and converge never changes it. */
  readonly isManaged: boolean
  /** The data that the recipe stored with the release. */
  readonly record: Json
  /**
   * The boot of the host during the checkout: a release that was incomplete at a power cut may be damaged on the disk.
   */
  readonly boot: string | null
}

export const metadataDirectory = '.converge'
const idPattern = /^(\d{6})-[0-9a-f]{8}$/
const hiddenPattern = /^\.\d{6}-[0-9a-f]{8}\.(checkout|removing)$/
const lastCounter = 999_999

export const releaseFile = z.object({
  id: z.string(),
  commit: z.string(),
  identity: z.string(),
  revision: z.string().nullable(),
  repository: z.string().nullable(),
  created: z.string().nullable(),
  by: z.string().nullable(),
  boot: z.string().nullable(),
  record: z.json(),
})
export type ReleaseFile = z.output<typeof releaseFile>

const unknownMetadata = {
  commit: null,
  identity: null,
  revision: null,
  created: null,
  by: null,
  record: null,
  boot: null,
}

/**
 * Lists the releases in `into`, oldest first. Leaves out directories of other tools, except the target of `current`: it
 * comes first, with `isManaged: false`.
 * @param current the path of the link to the current release
 */
export function listReleases(host: HostReader, into: string, current: string): Release[] {
  const target = linkTarget(host, current)
  const currentId = target === null ? null : posix.basename(target)
  const releases: Release[] = []
  for (const id of host.list(into)) {
    if (!idPattern.test(id)) continue
    const path = `${into}/${id}`
    // Another tool's directory, or a copy: its name is not reused, and it is otherwise ignored.
    if (host.lstat(`${path}/${metadataDirectory}`)?.kind !== 'directory') continue
    const complete = host.lstat(`${path}/${metadataDirectory}/complete`) !== null
    const marks = { wasCurrent: wasCurrent(host, path), failed: readFailure(host, path)?.reason ?? null }
    const current = id === currentId
    releases.push({
      ...readReleaseFile(host, path),
      ...marks,
      id,
      path,
      complete,
      current,
      isManaged: true,
      previous: false,
    })
  }
  releases.sort((a, b) => (a.id < b.id ? -1 : 1))
  if (target !== null && currentId !== null && !releases.some((release) => release.current)) {
    const marks = { complete: true, current: true, isManaged: false, previous: false, wasCurrent: true, failed: null }
    if (host.stat(target)?.kind === 'directory')
      releases.unshift({ ...unknownMetadata, ...marks, id: currentId, path: target })
  }
  const previous = previousRelease(releases, readHistory(host, into))
  return releases.map((release) => (release === previous ? { ...release, previous: true } : release))
}

/**
 * Returns the newest release that a rollback left, for a report; null for none. A rollback removes later releases from
 * the history, and a deploy of an older commit does not.
 */
export function releaseLeftByRollback(host: HostReader, into: string, releases: readonly Release[]): string | null {
  const current = releases.find((release) => release.current)
  const history = readHistory(host, into)
  if (current === undefined || history === null || history.some((id) => id > current.id)) return null
  return releases.findLast(({ id, complete }) => complete && id > current.id)?.id ?? null
}

/** Returns the path of the mark for a release that has been current. */
export function wasCurrentMark(release: string): string {
  return `${release}/${metadataDirectory}/was-live`
}

function wasCurrent(host: HostReader, release: string): boolean {
  return host.lstat(wasCurrentMark(release)) !== null
}

/**
 * Returns the complete release that was current before the current one.
 * @param history null if none is recorded, as by an earlier version: then the numbers decide
 */
export function previousRelease(releases: readonly Release[], history: readonly string[] | null): Release | undefined {
  const current = releases.find((release) => release.current)
  if (current === undefined) return undefined
  if (history === null) return wereCurrent(releases).at(-1)
  const usable = new Map(
    releases.flatMap((release) => (release.isManaged && release.complete ? [[release.id, release]] : [])),
  )
  return usable.get(releasesBefore(history, current.id).findLast((id) => usable.has(id)) ?? '')
}

/**
 * Returns the releases older than the current one that were current before it, by their marks and numbers. Servers have
 * marks: a release that failed before its switch is no target for a rollback.
 */
export function wereCurrent(releases: readonly Release[]): readonly Release[] {
  const at = releases.findIndex((release) => release.current)
  const marked = releases[at]?.isManaged === true && releases[at].wasCurrent
  return releases
    .slice(0, Math.max(at, 0))
    .filter((release) => release.isManaged && release.complete && (release.wasCurrent || !marked))
}

function readReleaseFile(
  host: HostReader,
  path: string,
): Omit<ReleaseFile, 'id' | 'repository'> | typeof unknownMetadata {
  const file = `${path}/${metadataDirectory}/release.json`
  const text = readDisposable(host, file)
  if (text === null) return unknownMetadata
  try {
    const parsed = releaseFile.safeParse(JSON.parse(text))
    if (!parsed.success) return unknownMetadata
    const { id: _, repository: __, ...rest } = parsed.data
    return rest
  } catch (error) {
    // A crash of the host truncated it: such a release is never complete, and never reused.
    if (!(error instanceof SyntaxError)) throw error
    return unknownMetadata
  }
}

/** Returns the target of a link as an absolute path; null if there is no link. */
function linkTarget(host: HostReader, link: string): string | null {
  if (host.lstat(link)?.kind !== 'link') return null
  const target = host.readLink(link)
  return target === null ? null : posix.resolve(posix.dirname(link), target)
}

/** Returns the id of the next release: its number is above those of all existing releases, complete or not. */
export function nextId(host: HostReader, into: string, commit: string): string {
  let counter = 0
  for (const name of host.list(into)) counter = Math.max(counter, Number(idPattern.exec(name)?.[1] ?? 0))
  if (counter >= lastCounter)
    throw new ConvergeError(`${into} has no number left for a release: the last one is ${lastCounter}`, {
      code: 'TOO_MANY_RELEASES',
      hint: 'remove the directory with that number if it is not a release, else start with a new releases directory',
    })
  return `${String(counter + 1).padStart(6, '0')}-${commit.slice(0, 8)}`
}

/** Returns what killed runs left in a releases directory: incomplete checkouts and partly removed releases. */
export function leftovers(host: HostReader, into: string): string[] {
  return host.list(into).filter((name) => hiddenPattern.test(name))
}

/** Returns an identifier of the current boot of the host; null if the system has none. */
export function bootId(host: HostReader): string | null {
  return host.readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null
}
