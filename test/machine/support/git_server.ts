/** Serves git repositories to test hosts, which reach only the operator's end of their network. */
import { spawn } from 'node:child_process'
import type { Owner } from '../../support/machine.ts'
import { waitUntil } from '../../support/wait_until.ts'
import { script } from './host_network.ts'
import type { TestNetwork } from './hosts.ts'

/** Runs git in a repository, and returns its output. */
export function git(repository: string, ...args: readonly string[]): Promise<string> {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
  return script('git -C "$@"', repository, ...identity, ...args).then((text) => text.trim())
}

/** Makes a repository of the files of a directory. */
export async function newRepository(directory: string): Promise<void> {
  await git(directory, 'init', '-q', '-b', 'main')
  await git(directory, 'add', '.')
  await git(directory, 'commit', '-q', '-m', 'version 1')
}

/** Serves repositories below the directory of the network at git://GATEWAY/NAME, until the end of the test. */
export async function serveGit(
  t: Owner,
  { directory, gateway }: TestNetwork,
  ...names: readonly string[]
): Promise<void> {
  const where = [`--listen=${gateway}`, `--base-path=${directory}`, ...names.map((name) => `${directory}/${name}`)]
  const daemon = spawn('git', ['daemon', '--export-all', '--reuseaddr', ...where], { stdio: 'ignore', detached: true })
  t.teardown(() => {
    try {
      if (daemon.pid) process.kill(-daemon.pid, 'SIGKILL')
    } catch (error) {
      // The process has already exited.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  })
  const listRemote = () => script('git ls-remote --exit-code "$1"', `git://${gateway}/${names[0]}`)
  await waitUntil(() => listRemote().then(Boolean, () => false), 'the git server is up')
}
