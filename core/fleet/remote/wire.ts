/** What this room needs of a connection to a host, and one command on it, with sudo where the account is no root. */
import type { Readable, Writable } from 'node:stream'
import type { ConvergeError } from '../../model/errors.ts'
import { shellWords } from '../../text/shell.ts'
import { refusalIn, sudoRefused, withoutNoise } from './sudo_refusal.ts'

export interface Wire {
  exec(command: string): Promise<RemoteProcess>
  /** Null where we closed it ourselves. */
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

/** `password` is asked for when sudo asks for one. */
export type Sudo = 'none' | 'free' | { password(): Promise<string> }

export interface Started {
  readonly process: RemoteProcess
  /** Standard error so far. */
  errors(): string
}

const limit = 20_000

/**
 * Starts a script for sh with arguments; no secret may be among them, since everybody sees them in the process list.
 * @returns once the script runs: what is then written to its standard input is for the script, and never for sudo
 * @throws SUDO_REFUSED
 */
export async function startScriptOn(wire: Wire, script: string, args: readonly string[], sudo: Sudo): Promise<Started> {
  if (sudo === 'none' || sudo === 'free') {
    const command = sudo === 'free' ? bySudo(['-n'], script, args) : shellWords(['sh', '-c', script, 'sh', ...args])
    const process = await wire.exec(command)
    let errors = ''
    process.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-limit)
    })
    return { process, errors: () => errors }
  }
  return withPassword(wire, script, args, sudo)
}

/** What sudo says is looked at, so that it has to be in English; that is not for what it runs. */
function bySudo(options: readonly string[], script: string, args: readonly string[]): string {
  const words = ['env', 'LANGUAGE=en', 'sudo', ...options, '--', 'sh', '-c', `unset LANGUAGE\n${script}`, 'sh', ...args]
  return shellWords(words)
}

const ask = 'converge: password for sudo'
const go = 'converge: go'

/** sudo says on standard error when it wants the password, and the script when it has begun: neither gets what is the other's. */
async function withPassword(
  wire: Wire,
  script: string,
  args: readonly string[],
  sudo: { password(): Promise<string> },
): Promise<Started> {
  const process = await wire.exec(bySudo(['-k', '-S', '-p', `${ask}\n`], `echo '${go}' >&2\n${script}`, args))
  let errors = ''
  let asked = 0
  return new Promise((resolve, reject) => {
    const refuse = (why: string) => {
      process.close()
      reject(sudoRefused(why))
    }
    process.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-limit)
      if (errors.includes(go)) {
        errors = errors.slice(errors.indexOf(go) + go.length).trimStart()
        resolve({ process, errors: () => errors })
      } else if (errors.split(ask).length - 1 > asked) {
        asked++
        if (asked > 1) refuse('the password is wrong')
        else sudo.password().then((password) => process.stdin.write(`${password}\n`), reject)
      }
    })
    process.ended.then(() => {
      const said = errors.replaceAll(ask, '')
      refuse(refusalIn(said) ?? (withoutNoise(said).join('; ') || 'it ended without a word'))
    }, reject)
  })
}

/** Why sudo refused to run the script; null where the failure is the script's own. */
export function sudoRefusal(sudo: Sudo, code: number | null, errors: string): ConvergeError | null {
  if (sudo === 'none') return null
  if (code === 127 && /^env: .*\bsudo\b|\bsudo: (command )?not found/m.test(errors))
    return sudoRefused('there is no sudo on the host')
  if (code === 0) return null
  const why = refusalIn(errors)
  return why === null ? null : sudoRefused(why)
}

/** The last line that says how a command ended. */
export function lastLine(text: string): string {
  return withoutNoise(text).at(-1)?.trim() ?? ''
}
