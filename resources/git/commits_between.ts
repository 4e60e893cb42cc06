/** Lists the commits between the current release and a new one, from the mirror or from the repository. */
import type { HostReader } from '../../core/host/types.ts'
import { type CommitRange, maxListedCommits } from '../../core/model/commit_range.ts'
import { asConvergeError } from '../../core/model/errors.ts'
import type { Context } from '../../core/model/resource.ts'
import { seconds } from '../../core/model/units.ts'
import { hasCommit, type Mirror, mirrorExists } from './mirror.ts'
import { localGit, remoteGit } from './remote.ts'

/** The longest subject and author, in characters. */
const longest = 200

/**
 * Prints the counts of both sides and the newest commits of one of them, with a word in front of each line. The shell runs
 * both commands of git in the directory `$1`, so that one call serves a temporary copy too.
 */
const listing = [
  'counts=$(git --git-dir="$1" rev-list --left-right --count "$2...$3" --) || exit',
  'printf "count %s\\n" "$counts"',
  'case $counts in *"\t0") range="$3..$2" ;; *) range="$2..$3" ;; esac',
  `git --git-dir="$1" log --max-count=${maxListedCommits} --format="commit %H%x09%an%x09%s" "$range" --`,
].join('\n')

/**
 * Lists the commits; null if the two are the same or git cannot list them, with a note about the reason.
 * @param from full commit of the current release
 * @param to full commit of the new release
 */
export async function commitsBetween(
  host: HostReader,
  mirror: Mirror,
  { from, to }: { readonly from: string; readonly to: string },
  { note }: Pick<Context, 'note'>,
): Promise<CommitRange | null> {
  if (from === to || ![from, to].every((commit) => /^[0-9a-f]{40,64}$/.test(commit))) return null
  try {
    const output = await readListing(host, mirror, from, to)
    return output === null ? null : parse(output, from, to)
  } catch (error) {
    note(
      `the commits between ${from.slice(0, 8)} and ${to.slice(0, 8)} are not listed: ${asConvergeError(error).message}`,
    )
    return null
  }
}

async function readListing(host: HostReader, mirror: Mirror, from: string, to: string): Promise<string | null> {
  if (await hasCommit(host, mirror, to)) return listIn(host, mirror, mirror.path, from, to)
  const { local } = mirror.remote
  if (local !== null) {
    const directory = [`${local}/.git`, local, `${local}.git`].find((path) => host.stat(`${path}/HEAD`) !== null)
    return directory === undefined ? null : listIn(host, mirror, directory, from, to)
  }
  return mirrorExists(host, mirror) ? listFetched(host, mirror, from, to) : null
}

async function listIn(host: HostReader, { remote }: Mirror, directory: string, from: string, to: string) {
  const { options } = localGit(remote, [])
  const environment = { ...options.environment, ...trustingEnvironment }
  const { stdout } = await host.query(['sh', '-c', listing, 'sh', directory, from, to], { ...options, environment })
  return stdout
}

/** Reads a repository of another account too, whose hooks and filters these commands do not run. */
const trustingEnvironment = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }

/** Fetches the new commits, without their files, into a temporary repository that borrows the objects of the mirror. */
async function listFetched(host: HostReader, { path, remote }: Mirror, from: string, to: string): Promise<string> {
  const { argv, options } = remoteGit(host, remote, [
    ...['fetch', '--quiet', '--no-tags', '--filter=blob:none', '--', remote.url, to],
  ])
  const script = [
    'at=$(mktemp -d) && trap \'rm -rf "$at"\' EXIT && cd "$at" && git init --quiet --bare . || exit',
    'printf "%s\\n" "$1/objects" > objects/info/alternates; from=$2; to=$3; shift 3',
    '"$@" || exit',
    'set -- . "$from" "$to"',
    listing,
  ].join('\n')
  const environment = { ...options.environment, ...trustingEnvironment }
  const { stdout } = await host.query(['sh', '-c', script, 'sh', path, from, to, ...argv], {
    ...options,
    environment,
    timeout: seconds(20),
  })
  return stdout
}

function parse(output: string, from: string, to: string): CommitRange | null {
  const [, removed, added] = /^count (\d+)\t(\d+)$/m.exec(output) ?? []
  if (removed === undefined || added === undefined) return null
  const newest = [...output.matchAll(/^commit ([0-9a-f]{40,64})\t(.*?)\t(.*)$/gm)].map(
    ([, commit = '', author = '', subject = '']) => ({
      commit,
      author: author.slice(0, longest),
      subject: subject.slice(0, longest),
    }),
  )
  return { from, to, added: Number(added), removed: Number(removed), newest }
}
