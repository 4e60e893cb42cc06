/** Looks up the commits between two releases in a clone on the operator's computer. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { CommitRange } from '../../fleet/types.ts'

const run = promisify(execFile)
/** Number of subjects to display. */
const maxSubjects = 3
/** Time limit of a git command. */
const timeoutMs = 5_000
const isCommit = (text: string) => /^[0-9a-f]{40,64}$/i.test(text)

/**
 * @param directories each may be inside a clone of an app's repository
 * @returns null if none of them has both commits
 */
export async function commitsBetween(
  directories: readonly string[],
  from: string,
  to: string,
): Promise<CommitRange | null> {
  if (!isCommit(from) || !isCommit(to)) return null
  for (const directory of new Set(directories)) {
    const git = async (...words: readonly string[]) => {
      const { stdout } = await run(
        'git',
        ['-c', 'core.fsmonitor=false', '--no-optional-locks', '-C', directory, ...words],
        {
          timeout: timeoutMs,
          env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_NO_LAZY_FETCH: '1' },
        },
      )
      return stdout.trimEnd()
    }
    try {
      const counts = await git('rev-list', '--left-right', '--count', `${from}...${to}`, '--')
      const [removed = 0, added = 0] = counts.split('\t').map(Number)
      const range = added > 0 ? `${from}..${to}` : `${to}..${from}`
      const subjects = await git('log', `--max-count=${maxSubjects}`, '--format=%s', range, '--')
      return { added, removed, subjects: subjects === '' ? [] : subjects.split('\n') }
    } catch {
      // Try the next directory: this one is no clone, lacks these commits, or git is missing.
    }
  }
  return null
}
