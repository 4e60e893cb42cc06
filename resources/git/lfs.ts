/** Fetches the files that a commit stores in Git LFS into the mirror, where checkouts find them. */
import type { Host, HostReader } from '../../core/host/types.ts'
import type { Context } from '../../core/model/resource.ts'
import { runGit } from './checkout_git.ts'
import type { CheckoutOptions } from './checkout_options.ts'
import { sharedPath } from './contained_paths.ts'
import { asWriting, gitFailure, remoteExtension } from './remote.ts'

/** The first words of a pointer, the text that replaces a file in the repository. */
const pointerStart = 'version https://git-lfs.github.com/spec/'

/** The longest pointer, in bytes. */
const pointerSize = 1024

/**
 * The settings of each command that calls git-lfs: all files, whatever /etc/gitconfig and the .lfsconfig of the
 * repository say.
 */
export const lfsSettings = [
  'filter.lfs.process=git-lfs filter-process',
  'filter.lfs.smudge=git-lfs smudge -- %f',
  'filter.lfs.clean=git-lfs clean -- %f',
  'filter.lfs.required=true',
  'lfs.fetchinclude=',
  'lfs.fetchexclude=',
  'lfs.fetchrecentalways=false',
  'lfs.skipdownloaderrors=false',
  // A shared connection would outlive the command, and the key of the connection.
  'lfs.ssh.automultiplex=false',
]

/**
 * Lets all releases share the LFS files as they share objects. The setting is in the release's own configuration: on
 * the command line it would also apply to a remote that is a repository on this host.
 */
export async function shareLfsStore(host: Host, { directory, mirror }: CheckoutOptions): Promise<void> {
  const git = `${directory}/.git`
  const store = sharedPath(host, git, `${mirror.path}/lfs`)
  await runGit(host, mirror.remote, ['-C', directory, 'config', 'lfs.storage', store], `cannot configure ${git}`)
}

/** Fetches the LFS files of the commit that the mirror lacks. */
export async function fetchLfs(
  host: Host,
  { directory, mirror, commit }: CheckoutOptions,
  context: Context,
): Promise<void> {
  const { remote } = mirror
  const settings = [...lfsSettings, `remote.origin.url=${remote.url}`]
  const args = [...settings.flatMap((setting) => ['-c', setting]), '-C', directory, 'lfs', 'fetch', 'origin', commit]
  const { argv, options } = asWriting(remoteExtension(host, remote, args))
  context.progress(`fetching Git LFS files of ${remote.url}`)
  // git-lfs does not understand the relative path in objects/info/alternates.
  const environment = { ...options.environment, GIT_ALTERNATE_OBJECT_DIRECTORIES: `${mirror.path}/objects` }
  try {
    await host.run(argv, { ...options, environment })
  } catch (error) {
    throw gitFailure(error, `cannot fetch the Git LFS files of ${commit} from ${remote.url}`)
  }
  // git-lfs does not flush its files, and trusts every existing file of the right size.
  if (host.lstat(`${mirror.path}/lfs`) !== null) await host.run(['sync', '-f', `${mirror.path}/lfs`])
}

/** Returns the paths that still contain a pointer. */
export function leftPointers(host: HostReader, directory: string, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const file = `${directory}/${path}`
    const stat = host.lstat(file)
    if (stat?.kind !== 'file' || stat.size > pointerSize) return false
    return host.readBytes(file, { limit: pointerSize })?.toString('latin1').startsWith(pointerStart) ?? false
  })
}
