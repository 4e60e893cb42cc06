/** Runs `converge stack ssh HOST`: starts OpenSSH's ssh with the settings of the host in the stack file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants, homedir, userInfo } from 'node:os'
import { sshArguments } from '../../fleet/operate/openssh.ts'
import { resolveTarget, type SshTarget } from '../../fleet/ssh/target.ts'
import { readUserConfig } from '../../fleet/ssh/user_config.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { ExitStatus } from '../exit_status.ts'
import { withHome } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { requestedHost } from './requested_host.ts'
import type { StackCommand } from './stack_command.ts'

export async function ssh<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args } = call
  const { stack } = await stackInputs(call)
  const { argument, command = [], acceptNew = false } = args
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const host = withHome(requestedHost(stack, argument))
  const target = resolveTarget(host, await readUserConfig())
  const hasOtherHome = homedir() !== userInfo().homedir
  const config = hasOtherHome ? ownConfig() : null
  return runSsh(sshArguments(host, withKeys(target), { command, terminal, acceptNew, hasOtherHome, config }))
}

/** Leaves out default keys that do not exist: ssh warns of a missing file in its options. */
function withKeys(target: SshTarget): SshTarget {
  const identities = target.identities.filter(({ file, from }) => from !== 'default' || existsSync(file))
  return { ...target, identities }
}

/** Finds a configuration below $HOME, which ssh ignores if the account has another home directory. */
function ownConfig(): string | null {
  const file = `${homedir()}/.ssh/config`
  return existsSync(file) ? file : null
}

/** Runs ssh. Ctrl-C reaches ssh through the terminal; a signal to this process alone is passed on. */
function runSsh(words: readonly string[]): Promise<number> {
  let child: ChildProcess | undefined
  const ignore = () => undefined
  const passOn = (signal: NodeJS.Signals) => child?.kill(signal)
  const listeners = { SIGINT: ignore, SIGQUIT: ignore, SIGTERM: passOn, SIGHUP: passOn }
  for (const [signal, listener] of Object.entries(listeners)) process.on(signal, listener)
  return new Promise<number>((resolve, reject) => {
    child = spawn('ssh', words, { stdio: 'inherit' })
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT'
      reject(
        new ConvergeError(isMissing ? 'ssh is not installed on this computer' : `cannot run ssh: ${error.message}`, {
          code: isMissing ? 'NO_SSH' : 'COMMAND_FAILED',
          hint: isMissing
            ? 'install the OpenSSH client, which is the package openssh-client on Debian and Ubuntu'
            : undefined,
          cause: error,
        }),
      )
    })
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  }).finally(() => {
    for (const [signal, listener] of Object.entries(listeners)) process.off(signal, listener)
  })
}
