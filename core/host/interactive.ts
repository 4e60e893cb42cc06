/** Runs a command that reads from the terminal of the operator, such as a shell, as another account if asked. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { ConvergeError } from '../model/errors.ts'
import { shellWords } from '../text/shell.ts'
import { commandEnvironment, type Identity } from './process.ts'

export interface InteractiveOptions {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
}

/** Runs the command until it ends. @returns its exit status */
export function runInteractive(
  command: readonly string[],
  identity: Identity,
  { cwd, environment }: InteractiveOptions,
): Promise<number> {
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const { uid, gid } = identity
  const isOtherAccount = uid !== undefined && gid !== undefined
  // With the terminal of root, the other account could type for root. It gets a terminal of its own, or none.
  const [program = '', ...words] = isOtherAccount && isTerminal ? ownTerminal(command, uid, gid) : command
  const terminal = process.env.TERM === undefined ? {} : { TERM: process.env.TERM }
  const env = commandEnvironment(identity, { SHELL: '/bin/sh', ...terminal, ...environment })
  const hasOwnSession = isOtherAccount && !isTerminal
  return untilEnd(
    () => spawn(program, words, { cwd, env, stdio: 'inherit', ...(hasOwnSession ? { uid, gid, detached: true } : {}) }),
    program,
    hasOwnSession,
  )
}

function ownTerminal(command: readonly string[], uid: number, gid: number): string[] {
  const account = ['setpriv', '--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', '--']
  return ['script', '-q', '-e', '-f', '-c', shellWords([...account, ...command]), '/dev/null']
}

/**
 * Starts the command, and waits for its end. Ctrl-C reaches a command in the same session through the terminal; a signal to
 * this process alone is passed on.
 */
function untilEnd(start: () => ChildProcess, program: string, hasOwnSession: boolean): Promise<number> {
  let child: ChildProcess | undefined
  const passOn = (signal: NodeJS.Signals) => {
    if (child?.pid === undefined) return
    if (hasOwnSession) process.kill(-child.pid, signal)
    else child.kill(signal)
  }
  const onInterrupt = (signal: NodeJS.Signals) => {
    if (hasOwnSession) passOn(signal)
  }
  const listeners = { SIGINT: onInterrupt, SIGQUIT: onInterrupt, SIGTERM: passOn, SIGHUP: passOn }
  for (const [signal, listener] of Object.entries(listeners)) process.on(signal, listener)
  return new Promise<number>((resolve, reject) => {
    child = start()
    child.once('error', (error) =>
      reject(new ConvergeError(`cannot run ${program}: ${error.message}`, { code: 'COMMAND_FAILED', cause: error })),
    )
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  }).finally(() => {
    for (const [signal, listener] of Object.entries(listeners)) process.off(signal, listener)
  })
}
