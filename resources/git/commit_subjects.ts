/** Reads the subjects of commits from a mirror: the first line of each message. */
import type { HostReader } from '../../core/host/types.ts'
import { irregularEntry } from './irregular_entries.ts'
import { localGit } from './remote.ts'

/** The longest subject on a screen, in characters. */
const longest = 200

/**
 * Returns the subjects of commits.
 * @param path of the mirror
 * @param account that owns it
 * @returns the subjects by commit; none if there is no mirror, or git cannot read it
 */
export async function readCommitSubjects(
  host: HostReader,
  path: string,
  account: { readonly user?: string | undefined; readonly group?: string | undefined },
  commits: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const known = [...new Set(commits)].filter((commit) => /^[0-9a-f]{40,64}$/.test(commit))
  if (known.length === 0 || host.lstat(`${path}/HEAD`)?.kind !== 'file' || irregularEntry(host, path) !== null)
    return new Map()
  const words = ['log', '--ignore-missing', '--no-walk=unsorted', '--format=%H %s', ...known]
  const { argv, options } = localGit(account, [`--git-dir=${path}`, ...words])
  try {
    const { stdout } = await host.query(argv, { ...options, accept: 'any' })
    return new Map(
      stdout.split('\n').flatMap((line) => {
        const [, commit, subject] = /^([0-9a-f]+) (.+)$/.exec(line) ?? []
        return commit === undefined || subject === undefined ? [] : [[commit, subject.slice(0, longest)] as const]
      }),
    )
  } catch {
    // Without git there are no subjects; the list of releases does not depend on them.
    return new Map()
  }
}
