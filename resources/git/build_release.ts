/** Builds a release in a hidden directory, and renames it when it is complete. */
import { posix } from 'node:path'
import type { Host, HostReader } from '../../core/host/types.ts'
import { asConvergeError, ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { fileOwner } from '../files/ownership.ts'
import { bootId, leftovers, metadataDirectory, type ReleaseFile } from '../releases/releases.ts'
import { checkOut, forgetFiles } from './checkout.ts'
import { makeDirectoryInside, removeInside } from './contained_paths.ts'
import { copyDirectory } from './directory_source.ts'
import {
  ensureCommit,
  fetchAll,
  hasCommit,
  type Mirror,
  missingCommitError,
  noteCommit,
  notedCommit,
} from './mirror.ts'
import type { GitReleaseProps } from './props.ts'
import { createRemote } from './remote.ts'
import { withMirror } from './repair_mirror.ts'
import { resolveShort } from './resolve_revision.ts'
import { createMirror, type DesiredRelease, requireDirectories, sourceDirectory } from './source.ts'

interface CreatedRelease {
  readonly id: string
  readonly commit: string
  readonly identity: string
}

/**
 * Creates the desired release.
 * @param asked whether the remote itself named the commit, which is then recorded for a time when the remote cannot be
 * reached
 * @param settle computes the release for a commit that only a fetch can determine
 */
export async function buildRelease(
  host: Host,
  props: GitReleaseProps,
  desired: DesiredRelease & { readonly asked: boolean },
  settle: (commit: string) => DesiredRelease,
  context: Context,
): Promise<void> {
  requireDirectories(host, props)
  if (props.scmType === 'directory')
    return build(host, props, completeDescription(desired), context, (to) =>
      copySource(host, props, completeDescription(desired), to),
    )
  const mirror = createMirror(host, props, context)
  await withMirror(host, mirror, { mayFetch: props.pin === 'remote' }, context, () =>
    buildFromMirror(host, mirror, props, desired, settle, context),
  )
}

async function buildFromMirror(
  host: Host,
  mirror: Mirror,
  props: GitReleaseProps,
  desired: DesiredRelease & { readonly asked: boolean },
  settle: (commit: string) => DesiredRelease,
  context: Context,
): Promise<void> {
  const release = completeDescription(
    desired.commit === null ? settle(await fetchShort(host, mirror, props, context)) : desired,
  )
  const exists = host.lstat(`${props.into}/${release.id}`) !== null
  if (!exists) await fetchCommit(host, mirror, release.commit, props, context)
  if (desired.asked && notedCommit(host, mirror, props.revision) !== release.commit)
    noteCommit(host, mirror, props.revision, release.commit)
  if (exists) return
  await build(host, props, release, context, async (directory) => {
    const exclude = [`/${metadataDirectory}/`, ...Object.values(props.links).map((path) => `/${escapePattern(path)}`)]
    context.progress(`checking out ${release.commit.slice(0, 8)} as ${release.id}`)
    const { submodules } = props
    const fetch = props.pin === 'remote'
    const dirs = await checkOut(
      host,
      { directory, mirror, commit: release.commit, submodules, fetch, exclude },
      context,
    )
    const purged = props.purge.filter((path) => removeInside(host, directory, path))
    if (purged.length > 0 && props.keepGit) await forgetFiles(host, mirror, directory, purged)
    if (!props.keepGit) for (const path of dirs) host.remove(path)
  })
}

/** Predicts the known effects on the releases directory: all except the files of the repository. */
export function predictRelease(host: Host, props: GitReleaseProps, release: CreatedRelease): void {
  requireDirectories(host, props)
  const directory = `${props.into}/${release.id}`
  host.makeDirectory(directory, fileOwner(host, props))
  if (props.scmType === 'directory') copySource(host, props, release, directory)
  addReleaseFiles(host, props, release, directory)
}

function completeDescription({ id, commit, identity }: DesiredRelease): CreatedRelease {
  if (id !== null && commit !== null && identity !== null) return { id, commit, identity }
  throw new ConvergeError('the commit of the desired release is unknown', { code: 'INTERNAL' })
}

async function fetchShort(
  host: Host,
  mirror: Mirror,
  { revision }: GitReleaseProps,
  context: Context,
): Promise<string> {
  await fetchAll(host, mirror, context)
  const commit = await resolveShort(host, mirror, revision, [])
  if (commit === null) throw missingCommitError(mirror.remote, revision)
  return commit
}

async function fetchCommit(
  host: Host,
  mirror: Mirror,
  commit: string,
  props: GitReleaseProps,
  context: Context,
): Promise<void> {
  if (props.pin === 'remote')
    return ensureCommit(host, mirror, commit, context, props.revision.startsWith('refs/') ? [props.revision] : [])
  if (await hasCommit(host, mirror, commit)) return
  throw new ConvergeError(`the current release is at ${commit}, which is no longer in ${mirror.path}`, {
    code: 'NOT_HERE',
    hint: 'run a deploy: it may ask the remote',
  })
}

async function build(
  host: Host,
  props: GitReleaseProps,
  release: CreatedRelease,
  context: Context,
  fill: (directory: string) => void | Promise<void>,
): Promise<void> {
  const { into } = props
  removeLeftovers(host, into, context)
  const hidden = `${into}/.${release.id}.checkout`
  host.makeDirectory(hidden, fileOwner(host, props))
  try {
    await fill(hidden)
    addReleaseFiles(host, props, release, hidden)
  } catch (error) {
    // The disk may be full: a failed build is removed. The next run removes what a killed run left.
    if (error instanceof Error && 'code' in error) host.remove(hidden)
    throw error
  }
  host.rename(hidden, `${into}/${release.id}`)
}

/** Removes the rest of earlier builds. Renames what cannot be removed if its name is needed for the new release. */
function removeLeftovers(host: Host, into: string, { warn }: Context): void {
  for (const name of leftovers(host, into)) {
    const path = `${into}/${name}`
    try {
      host.remove(path)
    } catch (thrown) {
      const { code, message, hint } = asConvergeError(thrown)
      if (code === 'INTERNAL') throw thrown
      warn(`${message}${hint === undefined ? '' : ` (${hint})`}`)
      if (name.endsWith('.checkout') && host.lstat(path) !== null) host.rename(path, freeName(host, into, name))
    }
  }
}

function freeName(host: HostReader, into: string, name: string): string {
  const commit = name.slice('.000000-'.length, -'.checkout'.length)
  for (let number = 999_999; ; number--) {
    const path = `${into}/.${String(number).padStart(6, '0')}-${commit}.removing`
    if (host.lstat(path) === null) return path
  }
}

function copySource(host: Host, props: GitReleaseProps, { commit }: CreatedRelease, to: string): void {
  const source = sourceDirectory(props)
  if (copyDirectory(host, source, to, fileOwner(host, props)) !== commit)
    throw new ConvergeError(`${source} has changed since the run read it`, {
      code: 'SOURCE_CHANGED',
      hint:
        props.pin === 'current'
          ? 'run a deploy: it copies the current files'
          : `stop what writes to ${source}, then run again`,
    })
  for (const path of props.purge) removeInside(host, to, path)
}

/** Adds converge's own files to the code: the links to shared files, and the description of the release. */
function addReleaseFiles(host: Host, props: GitReleaseProps, release: CreatedRelease, directory: string): void {
  const owner = fileOwner(host, props)
  for (const [name, path] of Object.entries(props.links)) {
    makeDirectoryInside(host, directory, posix.dirname(path), owner)
    const kind = host.lstat(`${directory}/${path}`)?.kind
    if (kind !== undefined)
      throw new ConvergeError(
        `the repository has a ${kind} ${path}, where the release needs a link to ${props.shared}/${name}`,
        {
          code: 'IN_THE_WAY',
          hint: `if it is not needed, list it in purge_before_symlink of the app: ["${path}"] (purge of git_release)`,
        },
      )
    host.replaceLink(`${directory}/${path}`, `${props.shared}/${name}`, owner)
  }
  const metadata = `${directory}/${metadataDirectory}`
  if (host.lstat(metadata) !== null)
    throw new ConvergeError(`the repository has a ${metadataDirectory} of its own`, {
      code: 'IN_THE_WAY',
      hint: 'rename it in the repository: records of the release have that name',
    })
  host.makeDirectory(metadata, owner)
  const text: ReleaseFile = {
    ...release,
    revision: props.scmType === 'git' ? props.revision : null,
    repository: createRemote(props, () => undefined).url,
    created: new Date(host.now() * 1000).toISOString(),
    by: props.by ?? null,
    boot: bootId(host),
    record: props.record,
  }
  host.writeFile(`${metadata}/release.json`, `${JSON.stringify(text, null, 2)}\n`, { ...owner, mode: '0600' })
}

function escapePattern(path: string): string {
  return path.replace(/[\\*?[\]!# ]/g, '\\$&')
}
