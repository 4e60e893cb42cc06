/** Runs local git commands in the directory of a checkout. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { asWriting, gitFailure, localGit, type Remote } from './remote.ts'

type Account = Pick<Remote, 'user' | 'group'>

/** Runs a git command that only reads. */
export function queryGit(host: HostReader, account: Account, directory: string, args: readonly string[], input = '') {
  const { argv, options } = localGit(account, ['-C', directory, ...args])
  return host.query(argv, { ...options, input }).catch((error: unknown) => {
    throw gitFailure(error, `git cannot read ${directory}`)
  })
}

/** Runs a git command that writes; `message` describes its failure. */
export async function runGit(host: Host, account: Account, args: readonly string[], message: string, input?: string) {
  const { argv, options } = asWriting(localGit(account, args))
  try {
    await host.run(argv, { ...options, input })
  } catch (error) {
    throw gitFailure(error, message)
  }
}
