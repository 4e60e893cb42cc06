/** Reads and writes crontabs of accounts, and finds converge's block of one job in them. */
import type { Host, HostReader } from '../../core/host/types.ts'
import { ConvergeError } from '../../core/model/errors.ts'

export const begin = (name: string) => `# BEGIN converge ${name}`
export const end = (name: string) => `# END converge ${name}`

export interface Crontab {
  /** The blocks of the job, one after the other; null if there is none. */
  readonly blocks: string | null
  /** All other lines, including those that someone has added inside a block. */
  readonly rest: string
}

/**
 * Splits a crontab into the blocks of a job and the other lines.
 * @throws ConvergeError CRONTAB_DAMAGED if a block has lost its first or last line: its lines cannot be distinguished
 * from others
 */
export function parseCrontab(text: string, name: string): Crontab {
  const lines = text.split('\n')
  // An editor may have left blanks around a marker.
  const marks = lines.map((line) => line.trim())
  const [rest, blocks]: [string[], string[]] = [[], []]
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (marks[at] === end(name)) throw damagedBlockError(end(name), begin(name), 'before')
    if (marks[at] !== begin(name)) {
      rest.push(line)
      continue
    }
    const last = marks.findIndex((mark, index) => index > at && /^# (BEGIN|END) converge /.test(mark))
    if (last === -1 || marks[last] !== end(name)) throw damagedBlockError(begin(name), end(name), 'after')
    blocks.push(`${lines.slice(at, last + 1).join('\n')}\n`)
    rest.push(...linesOfOthers(lines.slice(at + 1, last)))
    at = last
  }
  return { blocks: blocks.length === 0 ? null : blocks.join(''), rest: rest.join('\n') }
}

/** The minute or a word such as `@daily`. Names of variables in quotes may contain blanks. */
const jobLine = /^\s*[\d*@]/

/** Returns the lines in a block that others have added: only the first job is converge's. */
function linesOfOthers(inside: readonly string[]): string[] {
  const jobIndex = inside.findIndex((line) => jobLine.test(line))
  return inside.filter((line, index) => index !== jobIndex && line.trim() !== '')
}

function damagedBlockError(line: string, missing: string, where: 'before' | 'after'): ConvergeError {
  return new ConvergeError(`the crontab has a line '${line}', and none '${missing}' ${where} it`, {
    code: 'CRONTAB_DAMAGED',
    hint: 'add that line, or remove the lines of the job, with crontab -e',
  })
}

/**
 * Reads the crontab of an account; empty if there is none. Null if this host has no cron, or the account may not use
 * it.
 */
export async function readAccountCrontab(host: HostReader, user: string | undefined): Promise<string | null> {
  if (host.which('crontab') === null) return null
  const { status, stdout, stderr } = await host.query(['crontab', ...userArguments(host, user), '-l'], {
    accept: 'any',
  })
  if (status === 0) return stdout
  return /no crontab for/i.test(stderr) ? '' : null
}

export async function writeAccountCrontab(host: Host, user: string | undefined, text: string): Promise<void> {
  await host.run(['crontab', ...userArguments(host, user), '-'], { input: text })
}

function userArguments(host: HostReader, user: string | undefined): string[] {
  return user === undefined || user === host.self.name ? [] : ['-u', user]
}
