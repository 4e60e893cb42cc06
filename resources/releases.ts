/** The model of a releases directory: which releases it holds, which of them counts, which may go. */
import { posix } from 'node:path'
import * as z from 'zod'
import type { HostReader } from '../core/host/types.ts'
import { ConvergeError } from '../core/model/errors.ts'
import { nearest } from '../core/model/nearest.ts'
import type { Json } from '../core/model/resource.ts'
import { readDisposable } from '../core/model/unreadable.ts'
import { failureOf } from './releases/failure.ts'
import { before, readHistory } from './releases/history.ts'

/** A directory under `releases/`. */
export interface Release {
  /** `000042-1a2b3c4d`: a counter and the start of the commit, so that the order of names is the order they were made in. */
  readonly id: string
  readonly path: string
  /** Full commit; for a copied directory the digest of its content. Null where another tool made it. */
  readonly commit: string | null
  /** Digest of the commit and all that was built into it. */
  readonly identity: string | null
  /** What was asked for: a branch, a tag, a commit. */
  readonly revision: string | null
  /** ISO 8601, by the host's clock; only to be shown, nothing is decided by it. */
  readonly created: string | null
  /** Who or what made it. */
  readonly by: string | null
  /** Whether all steps of its build are done. */
  readonly complete: boolean
  readonly current: boolean
  /** Whether a rollback goes to it: the one that was current before. */
  readonly previous: boolean
  /** Whether it has been current; recorded for servers only, and by the history for all. */
  readonly wasCurrent: boolean
  /** Why it failed its smoke test; null where it did not. */
  readonly failed: string | null
  /** False: another tool's, `current` points to it, nothing more is known; it is never touched. */
  readonly known: boolean
  /** What the recipe stored beside it. */
  readonly record: Json
  /** The boot of the machine it was checked out in: what was not complete at a power cut may be half on the disk. */
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

const nothingKnown = { commit: null, identity: null, revision: null, created: null, by: null, record: null, boot: null }

/**
 * The releases in `into`, oldest first. Directories of other tools are left out, but for the one `current` points to: it
 * comes first, with `known: false`.
 * @param current the path of the link to the live release
 */
export function listReleases(host: HostReader, into: string, current: string): Release[] {
  const target = linkTarget(host, current)
  const live = target === null ? null : posix.basename(target)
  const found: Release[] = []
  for (const id of host.list(into)) {
    if (!idPattern.test(id)) continue
    const path = `${into}/${id}`
    // Another tool's, or somebody's copy: it keeps its name from being given again, and is nobody's business else.
    if (host.lstat(`${path}/${metadataDirectory}`)?.kind !== 'directory') continue
    const complete = host.lstat(`${path}/${metadataDirectory}/complete`) !== null
    const marks = { wasCurrent: wasCurrent(host, path), failed: failureOf(host, path)?.reason ?? null }
    const current = id === live
    found.push({ ...readReleaseFile(host, path), ...marks, id, path, complete, current, known: true, previous: false })
  }
  found.sort((a, b) => (a.id < b.id ? -1 : 1))
  if (target !== null && live !== null && !found.some((release) => release.current)) {
    const marks = { complete: true, current: true, known: false, previous: false, wasCurrent: true, failed: null }
    if (host.stat(target)?.kind === 'directory') found.unshift({ ...nothingKnown, ...marks, id: live, path: target })
  }
  const previous = previousOf(found, readHistory(host, into))
  return found.map((release) => (release === previous ? { ...release, previous: true } : release))
}

/** Marks a release that has been current. */
export function wasCurrentMark(release: string): string {
  return `${release}/${metadataDirectory}/was-live`
}

function wasCurrent(host: HostReader, release: string): boolean {
  return host.lstat(wasCurrentMark(release)) !== null
}

/**
 * The complete release that was current before the current one.
 * @param history null where none is recorded, as by an earlier version: the numbers decide
 */
export function previousOf(releases: readonly Release[], history: readonly string[] | null): Release | undefined {
  const current = releases.find((release) => release.current)
  if (current === undefined) return undefined
  if (history === null) return wereCurrent(releases).at(-1)
  const usable = new Map(releases.flatMap((one) => (one.known && one.complete ? [[one.id, one]] : [])))
  return usable.get(before(history, current.id).findLast((id) => usable.has(id)) ?? '')
}

/**
 * The releases older than the current one that were current before it, as far as their marks and numbers tell. Servers
 * have marks: what failed on its way is nothing to go back to.
 */
export function wereCurrent(releases: readonly Release[]): readonly Release[] {
  const at = releases.findIndex((release) => release.current)
  const marked = releases[at]?.known === true && releases[at].wasCurrent
  return releases
    .slice(0, Math.max(at, 0))
    .filter((release) => release.known && release.complete && (release.wasCurrent || !marked))
}

function readReleaseFile(host: HostReader, path: string): Omit<ReleaseFile, 'id' | 'repository'> | typeof nothingKnown {
  const file = `${path}/${metadataDirectory}/release.json`
  const text = readDisposable(host, file)
  if (text === null) return nothingKnown
  try {
    const parsed = releaseFile.safeParse(JSON.parse(text))
    if (!parsed.success) return nothingKnown
    const { id: _, repository: __, ...rest } = parsed.data
    return rest
  } catch (error) {
    // Cut short by a crash of the machine: such a release is never complete, and never taken up again.
    if (!(error instanceof SyntaxError)) throw error
    return nothingKnown
  }
}

/** Where the link points, as an absolute path; null where there is no link. */
function linkTarget(host: HostReader, link: string): string | null {
  if (host.lstat(link)?.kind !== 'link') return null
  const target = host.readLink(link)
  return target === null ? null : posix.resolve(posix.dirname(link), target)
}

/** The id of the next release: above all that are there, finished or not. */
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

/**
 * The release that is the wanted one already: the newest with this identity, if it is live, or newer than what is live
 * (built ahead, half-finished, or rolled back from); else null, and a new one has to be made. What is not complete has to be
 * newer than all that is: else the next cleanup would take it away before its deploy.
 * @param always a new one for every run, unless the last was not finished
 * @param boot the boot of the machine now; what an earlier one left unfinished is not trusted
 */
export function releaseFor(
  releases: readonly Release[],
  identity: string,
  always: boolean,
  boot: string | null,
): Release | null {
  const newestFirst = releases.filter((release) => release.known).reverse()
  const lastComplete = newestFirst.find((release) => release.complete)?.id ?? ''
  const trusted = ({ boot: ofRelease, id }: Release) => ofRelease === boot && id > lastComplete
  const fits = (release: Release) =>
    release.identity === identity && (release.complete || release.current || trusted(release))
  if (always) {
    const newest = newestFirst[0]
    return newest !== undefined && !newest.complete && fits(newest) ? newest : null
  }
  const live = newestFirst.find((release) => release.current)
  const found = newestFirst.find(fits)
  if (found === undefined) return null
  return found.current || live === undefined || found.id > live.id ? found : null
}

/**
 * Names in `into` that may go: complete releases beyond the newest `keep`, unfinished ones older than the newest complete
 * one, and what killed runs left. Never the live one, the one a rollback goes to, or the newest complete one.
 */
export function surplusOf(host: HostReader, into: string, releases: readonly Release[], keep: number): string[] {
  const known = releases.filter((release) => release.known)
  const complete = known.filter((release) => release.complete)
  const newest = complete.at(-1)
  const kept = new Set<Release | undefined>([...complete.slice(-keep), newest, releaseBefore(releases)])
  const mayGo = (release: Release) =>
    !release.current && !kept.has(release) && (release.complete || (newest !== undefined && release.id < newest.id))
  const hidden = host.list(into).filter((name) => hiddenPattern.test(name))
  return [...hidden, ...known.filter(mayGo).map((release) => release.id)].sort()
}

/** What killed runs left in a releases directory: half checkouts, half removed releases. */
export function leftovers(host: HostReader, into: string): string[] {
  return host.list(into).filter((name) => hiddenPattern.test(name))
}

/** What a rollback goes to. */
export function releaseBefore(releases: readonly Release[]): Release | undefined {
  return releases.find((release) => release.previous)
}

/**
 * The release that an operator names for a rollback, which may be newer than the current one.
 * @param to an id, or the start of one or of its commit
 * @throws NO_SUCH_RELEASE, AMBIGUOUS_RELEASE, NOT_COMPLETE
 */
export function rollbackTarget(releases: readonly Release[], to: string): Release {
  const complete = releases.filter((release) => release.known && release.complete)
  const there =
    complete.length === 0
      ? 'deploy the app first: it has no complete release'
      : `choose one that is complete: ${names(complete)}`
  const known = releases.filter((release) => release.known)
  const exact = known.filter((release) => release.id === to)
  const fitting =
    exact.length > 0 ? exact : known.filter(({ id, commit }) => id.startsWith(to) || commit?.startsWith(to))
  const [found] = fitting
  if (found === undefined)
    throw new ConvergeError(`there is no release ${to}`, {
      code: 'NO_SUCH_RELEASE',
      hint:
        nearest(
          to,
          complete.map((release) => release.id),
        ) ?? there,
      usage: true,
    })
  if (fitting.length > 1)
    throw new ConvergeError(`${to} may be any of ${names(fitting)}`, {
      code: 'AMBIGUOUS_RELEASE',
      hint: 'give the whole id',
      usage: true,
    })
  if (!found.complete)
    throw new ConvergeError(`the release ${found.id} was never finished`, {
      code: 'NOT_COMPLETE',
      hint: there,
      usage: true,
    })
  return found
}

function names(releases: readonly Release[]): string {
  return releases.map((release) => release.id).join(', ')
}

/** Tells one boot of the machine from another; null where the system does not say. */
export function bootOf(host: HostReader): string | null {
  return host.readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null
}
