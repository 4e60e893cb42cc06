/** Finds the files of a commit that git passes through a filter (.gitattributes), and ensures that the filter works. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { queryGit, runGit } from './checkout_git.ts'
import type { CheckoutOptions } from './checkout_options.ts'
import { fetchLfs, leftPointers, lfsSettings, shareLfsStore } from './lfs.ts'

/** Paths by the name of their filter. */
type Filtered = ReadonlyMap<string, readonly string[]>

export interface Filters {
  readonly files: Filtered
  /** Settings for `git checkout`, each `key=value`. */
  readonly settings: readonly string[]
}

/**
 * Fetches the content that the filters need. Without this, git silently deploys the unfiltered content if a filter is
 * not configured, or fails without being `required`.
 * @throws FILTER_MISSING for a filter that this host does not have
 */
export async function prepareFilters(host: Host, options: CheckoutOptions, context: Context): Promise<Filters> {
  const files = await filteredFiles(host, options)
  const settings: string[] = []
  const configured = files.size === 0 ? null : await configuredFilters(host, options)
  for (const [name, paths] of files) {
    const commands = configured?.get(name)
    if (name === 'lfs') {
      await requireLfs(host, options, paths)
      await shareLfsStore(host, options)
      if (options.fetch) await fetchLfs(host, options, context)
      settings.push(...lfsSettings)
    } else if (commands === undefined) throw missingFilterError(name, paths)
    // A filter that has only a `clean` command does not change a checkout.
    else if (commands.has('smudge') || commands.has('process')) settings.push(`filter.${name}.required=true`)
  }
  return { files, settings }
}

/** Explains a checkout that failed because of a filter; returns other errors unchanged. */
export function filterFailure(error: unknown, { fetch, commit, mirror }: CheckoutOptions, { files }: Filters): unknown {
  if (!(error instanceof ConvergeError) || error.code !== 'GIT_FAILED') return error
  const name = /: smudge filter (.+) failed$/m.exec(error.output ?? '')?.[1]
  if (name === undefined) return error
  const { output } = error
  if (name === 'lfs' && !fetch)
    return new ConvergeError(`the Git LFS files of ${commit} (${mirror.remote.url}) are not on this host`, {
      code: 'NOT_HERE',
      hint: 'run a deploy: it fetches them',
      output,
      cause: error,
    })
  return new ConvergeError(`the git filter "${name}" failed; it converts ${listPaths(files.get(name) ?? [])}`, {
    code: 'FILTER_FAILED',
    hint: `check that the program of filter.${name} is installed (git config --system --get-regexp filter)`,
    output,
    cause: error,
  })
}

/**
 * Ensures that git-lfs replaced every pointer with its file.
 * @throws FILTER_FAILED if the checkout still contains a pointer
 */
export function requireNoPointers(host: HostReader, { directory }: CheckoutOptions, { files }: Filters): void {
  const pointers = leftPointers(host, directory, files.get('lfs') ?? [])
  if (pointers.length === 0) return
  throw new ConvergeError(`git-lfs did not replace the pointers of ${listPaths(pointers)}`, {
    code: 'FILTER_FAILED',
    hint: 'run git lfs fsck --pointers in a clone to list the damaged pointers, then commit these files again',
  })
}

/**
 * Returns the filtered files by the attributes of the commit; git reads them from the index, before the files exist.
 */
async function filteredFiles(host: Host, { directory, mirror, commit }: CheckoutOptions): Promise<Filtered> {
  const { remote } = mirror
  const files = new Map<string, string[]>()
  const tree = (await queryGit(host, remote, directory, ['ls-tree', '-r', '-z', '--full-tree', commit])).stdout
  const entries = tree.split('\0').flatMap((entry) => {
    const [, path] = /^100\d+ blob [0-9a-f]+\t(.*)$/s.exec(entry) ?? []
    return path === undefined ? [] : [path]
  })
  if (!entries.some((path) => path.split('/').at(-1) === '.gitattributes')) return files
  await runGit(host, remote, ['-C', directory, 'read-tree', commit], `cannot read ${commit} of ${remote.url}`)
  const args = ['check-attr', '--cached', '-z', '--stdin', 'filter']
  const answer = (await queryGit(host, remote, directory, args, entries.map((path) => `${path}\0`).join(''))).stdout
  const words = answer.split('\0')
  for (let at = 0; at + 2 < words.length; at += 3) {
    const [path = '', , name = ''] = words.slice(at, at + 3)
    // `set` is a filter without a name, which git ignores.
    if (['unspecified', 'unset', 'set', ''].includes(name)) continue
    const paths = files.get(name) ?? []
    paths.push(path)
    files.set(name, paths)
  }
  return files
}

/** Returns the filters that git knows, each with its configured commands: smudge, clean, process. */
async function configuredFilters(
  host: HostReader,
  { directory, mirror }: CheckoutOptions,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const list = (await queryGit(host, mirror.remote, directory, ['config', '-z', '--list'])).stdout
  const filters = new Map<string, Set<string>>()
  for (const entry of list.split('\0')) {
    const [, name, command] = /^filter\.(.+)\.(smudge|process|clean)\n./s.exec(entry) ?? []
    if (name !== undefined && command !== undefined) filters.set(name, (filters.get(name) ?? new Set()).add(command))
  }
  return filters
}

async function requireLfs(
  host: HostReader,
  { directory, mirror }: CheckoutOptions,
  paths: readonly string[],
): Promise<void> {
  try {
    await queryGit(host, mirror.remote, directory, ['lfs', 'version'])
  } catch (error) {
    const isMissing = error instanceof ConvergeError && /'lfs' is not a git command/.test(error.output ?? '')
    if (!isMissing) throw error
    throw new ConvergeError(`git-lfs is not installed, and Git LFS stores ${listPaths(paths)}`, {
      code: 'FILTER_MISSING',
      hint: 'install it: apt-get install git-lfs, or list git-lfs in os_packages of the app',
      cause: error,
    })
  }
}

function missingFilterError(name: string, paths: readonly string[]): ConvergeError {
  return new ConvergeError(
    `git has no filter "${name}" on this host, which .gitattributes sets for ${listPaths(paths)}`,
    {
      code: 'FILTER_MISSING',
      hint: `install its program and run: git config --system filter.${name}.smudge COMMAND; "cat" as the command deploys these files as they are in the repository`,
    },
  )
}

function listPaths(paths: readonly string[]): string {
  const more = paths.length - 5
  return `${paths.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
