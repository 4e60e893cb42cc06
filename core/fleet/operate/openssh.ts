/** Builds the command line of OpenSSH's ssh(1) that reaches a host of a stack the way converge does. */
import { shellWords } from '../../text/shell.ts'
import type { HostAddress, SshTarget } from '../ssh/target.ts'

export interface SshRequest {
  /**
   * The command to run instead of a login shell: one word is a shell command line, several are a program with its
   * arguments.
   */
  readonly command: readonly string[]
  /** Whether the command gets a terminal. */
  readonly terminal: boolean
  readonly acceptNew: boolean
  /** Whether $HOME is another directory than the account's: ssh then finds no key in it. */
  readonly hasOtherHome: boolean
  /** An ssh_config that ssh does not find itself, such as one below another $HOME; null: none. */
  readonly config: string | null
}

/**
 * Returns the arguments of ssh, without the settings that it finds in the same ssh_config as converge.
 * @param host as the stack file has it
 * @param target the resolved connection to it
 */
export function sshArguments(host: HostAddress, target: SshTarget, request: SshRequest): string[] {
  const { command, terminal, acceptNew, hasOtherHome, config } = request
  const { port, user, identities, knownHosts } = target
  const option = (name: string, value: string) => ['-o', `${name}=${value}`]
  return [
    ...(config === null ? [] : ['-F', config]),
    '-p',
    String(port),
    '-l',
    user,
    ...identities.flatMap(({ file, from }) => (from === 'default' && !hasOtherHome ? [] : ['-i', file])),
    ...(host.jump === undefined ? [] : ['-J', host.jump]),
    ...(knownHosts.user.length === 0 ? [] : option('UserKnownHostsFile', knownHosts.user.map(quoteFile).join(' '))),
    ...(acceptNew ? option('StrictHostKeyChecking', 'accept-new') : []),
    ...(command.length > 0 && terminal ? ['-t'] : []),
    '--',
    host.address,
    ...(command.length === 0 ? [] : [remoteCommandLine(command)]),
  ]
}

/** Quotes a file name in a list of ssh_config(5), where % begins a token. */
function quoteFile(file: string): string {
  return `"${file.replaceAll('%', '%%')}"`
}

function remoteCommandLine(command: readonly string[]): string {
  return command.length === 1 ? (command[0] ?? '') : shellWords(command)
}
