/** Looks up the commits between two releases in a clone on the operator's machine. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { CommitRange } from '../../fleet/types.ts'

const run = promisify(execFile)
/** Subjects that are shown. */
const newest = 3
/** Milliseconds. */
const patience = 5_000
const isCommit = (text: string) => /^[0-9a-f]{40,64}$/i.test(text)

/**
 * @param directories each may lie in a clone of an app's repository
 * @returns null where none of them has both commits
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
          timeout: patience,
          env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_NO_LAZY_FETCH: '1' },
        },
      )
      return stdout.trimEnd()
    }
    try {
      const counts = await git('rev-list', '--left-right', '--count', `${from}...${to}`, '--')
      const [removed = 0, added = 0] = counts.split('\t').map(Number)
      const range = added > 0 ? `${from}..${to}` : `${to}..${from}`
      const subjects = await git('log', `--max-count=${newest}`, '--format=%s', range, '--')
      return { added, removed, subjects: subjects === '' ? [] : subjects.split('\n') }
    } catch {
      // No clone, no git, or a clone without these commits.
    }
  }
  return null
}
