/** Declares the connection to a host, and starts scripts on it, with sudo where the account is not root. */
import type { Readable, Writable } from 'node:stream'
import type { ConvergeError } from '../../model/errors.ts'
import { shortLine } from '../../model/excerpt.ts'
import { shellWords } from '../../text/shell.ts'
import { findRefusal, sudoRefused, withoutNoise } from './sudo_refusal.ts'

export interface SshTransport {
  exec(command: string): Promise<RemoteProcess>
  /** Called when this side has locked the host: from now on, the host refuses commands of earlier lock holders. */
  fence?(): void
  /** Null where this side closed it. */
  readonly closed: Promise<ConvergeError | null>
  close(): void
}

export interface RemoteProcess {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** @throws CONNECTION_LOST */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  close(): void
}

/** The operator's `password` is requested only when sudo requires one. */
export type Sudo = 'none' | 'free' | { password(): Promise<string> }

export interface StartedScript {
  readonly process: RemoteProcess
  /** Standard error of the script so far; before it begins, that of sudo. */
  errors(): string
  /** Whether the script has begun: a later failure is not a refusal of sudo. */
  hasBegun(): boolean
}

const maxErrorLength = 20_000

/**
 * Starts a script for sh with arguments; no secret may be among them, because every account sees them in the process
 * list.
 * @returns once the script runs: later input goes to the script, and never to sudo
 * @throws SUDO_REFUSED
 */
export async function startScript(
  transport: SshTransport,
  script: string,
  args: readonly string[],
  sudo: Sudo,
): Promise<StartedScript> {
  if (sudo === 'none') {
    const process = await transport.exec(shellWords(['sh', '-c', script, 'sh', ...args]))
    return { process, ...collectErrors(process, true) }
  }
  if (sudo === 'free') {
    const process = await transport.exec(sudoCommand(['-n'], withAnnouncement(script), args))
    return { process, ...collectErrors(process, false) }
  }
  return startWithPassword(transport, script, args, sudo)
}

/** @param begun whether all of it is the script's; otherwise the script announces itself */
function collectErrors({ stderr }: RemoteProcess, begun: boolean): Pick<StartedScript, 'errors' | 'hasBegun'> {
  let errors = ''
  let hasBegun = begun
  stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
    const errorsOfCommand = hasBegun ? null : textAfterAnnouncement(errors)
    hasBegun ||= errorsOfCommand !== null
    errors = (errorsOfCommand ?? errors).slice(-maxErrorLength)
  })
  return { errors: () => errors, hasBegun: () => hasBegun }
}

/** Builds the command with sudo. The output of sudo is parsed, so it must be English; the script is not affected. */
function sudoCommand(options: readonly string[], script: string, args: readonly string[]): string {
  const words = ['env', 'LANGUAGE=en', 'sudo', ...options, '--', 'sh', '-c', `unset LANGUAGE\n${script}`, 'sh', ...args]
  return shellWords(words)
}

const passwordPrompt = 'converge: password for sudo'
const announcement = 'converge: go'

/** Returns the text after the announcement, else null. A refusal quotes the script, but not on its own line. */
function textAfterAnnouncement(errors: string): string | null {
  const found = /^converge: go\n/m.exec(errors)
  return found && errors.slice(found.index + found[0].length)
}

/** Prints the announcement on its own line, even where a prompt has left a line open. */
const withAnnouncement = (script: string) => `printf '\\n%s\\n' '${announcement}' >&2\n${script}`

/**
 * Starts a script with a password. sudo prints a prompt on standard error, and the script an announcement: so the
 * password goes only to sudo, and the input only to the script.
 */
async function startWithPassword(
  transport: SshTransport,
  script: string,
  args: readonly string[],
  sudo: { password(): Promise<string> },
): Promise<StartedScript> {
  const process = await transport.exec(
    sudoCommand(['-k', '-S', '-p', `${passwordPrompt}\n`], withAnnouncement(script), args),
  )
  let errors = ''
  let promptCount = 0
  let begun = false
  return new Promise((resolve, reject) => {
    const refuse = (why: string) => {
      process.close()
      reject(sudoRefused(why))
    }
    process.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-maxErrorLength)
      const errorsOfCommand = textAfterAnnouncement(errors)
      if (begun || errorsOfCommand !== null) {
        begun = true
        errors = errorsOfCommand ?? errors
        resolve({ process, errors: () => errors, hasBegun: () => true })
      } else if (errors.split(passwordPrompt).length - 1 > promptCount) {
        promptCount++
        if (promptCount > 1) refuse('the password is wrong')
        else sudo.password().then((password) => process.stdin.write(`${password}\n`), reject)
      }
    })
    process.ended.then(() => {
      const refusalText = errors.replaceAll(passwordPrompt, '')
      refuse(findRefusal(refusalText) ?? (withoutNoise(refusalText).join('; ') || 'it ended without a word'))
    }, reject)
  })
}

/** Returns the refusal of sudo; null where the failure is the script's own. */
export function sudoRefusal(
  sudo: Sudo,
  code: number | null,
  { errors, hasBegun }: Pick<StartedScript, 'errors' | 'hasBegun'>,
): ConvergeError | null {
  return sudo === 'none' || hasBegun() ? null : sudoErrorIn(code, errors())
}

function sudoErrorIn(code: number | null, errors: string): ConvergeError | null {
  if (code === 127 && /^env: .*\bsudo\b|\bsudo: (command )?not found/m.test(errors))
    return sudoRefused('there is no sudo on the host')
  if (code === 0) return null
  const why = findRefusal(errors)
  return why === null ? null : sudoRefused(why)
}

/** Characters of a line in a message: the host decides how long it is. */
const longestReason = 300

/** Returns the last line that explains how a command ended, shortened for a message. */
export function lastLine(text: string): string {
  return shortLine(withoutNoise(text).at(-1)?.trim() ?? '', longestReason)
}
