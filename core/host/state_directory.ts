/** Manages the state directory of the engine on a host, with the journals of its runs. */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { asConvergeError, ConvergeError } from '../model/errors.ts'
import { withPathInErrors } from '../model/file_errors.ts'
import { makeDirectories } from './directories.ts'

/** Creates the state directory, and those named in it, for this account only; missing parents are readable by everyone. */
export function makePrivateDirectories(path: string, ...names: readonly string[]): void {
  makeDirectories(dirname(path), 0o755)
  for (const directory of [path, ...names.map((name) => `${path}/${name}`)]) makeDirectories(directory, 0o700)
}

/** Errors that another directory may not avoid: their own hints are printed. */
const diskErrors: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE']

function otherDirectoryHint(): string {
  const hint = 'give --prefix DIR or --state-dir DIR for a directory of your own'
  return process.getuid?.() === 0 ? hint : `run as root, or ${hint}`
}

export class StateDirectory {
  constructor(readonly path: string) {}

  /**
   * Checks that an existing directory can be used; writes nothing.
   * @throws NO_STATE_DIRECTORY
   */
  check(): void {
    try {
      if (fs.statSync(this.path, { throwIfNoEntry: false }) !== undefined) this.checkAccess()
    } catch (error) {
      throw this.unusableError(error)
    }
  }

  /**
   * Creates the directory, for this account only.
   * @throws NO_STATE_DIRECTORY
   */
  prepare(): void {
    try {
      makePrivateDirectories(this.path, 'runs')
      this.checkAccess()
    } catch (error) {
      throw this.unusableError(error)
    }
  }

  private checkAccess(): void {
    fs.accessSync(this.path, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
  }

  private unusableError(error: unknown): ConvergeError {
    const { code, message, hint } = asConvergeError(error)
    const isInside = code === 'IN_THE_WAY' && message.startsWith(`${this.path}/`)
    return new ConvergeError(`cannot keep state in ${this.path}: ${message}`, {
      code: 'NO_STATE_DIRECTORY',
      hint: isInside || diskErrors.includes(code) ? hint : otherDirectoryHint(),
      // A full or broken disk is no mistake of the command line.
      usage: ['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'IN_THE_WAY', 'ELOOP', 'ENAMETOOLONG', 'EROFS'].includes(code),
      cause: error,
    })
  }

  /** Numbers of the runs that have a journal, oldest first. */
  runs(): string[] {
    try {
      return fs
        .readdirSync(`${this.path}/runs`)
        .flatMap((name) => (/^\d{6,15}\.jsonl$/.test(name) ? [name.slice(0, -6)] : []))
        .sort((a, b) => Number(a) - Number(b))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  /** Returns the number after that of the last run; leading zeros make names sort. */
  nextRun(): string {
    const last = this.runs().at(-1)
    return String(Number(last ?? 0) + 1).padStart(6, '0')
  }

  journalPath(run: string): string {
    return `${this.path}/runs/${run}.jsonl`
  }

  /** Opens the journal of a run; each text is written to the file at once. */
  openJournal(run: string): { write(text: string): void; close(): void } {
    const path = this.journalPath(run)
    const file = fs.openSync(path, 'a', 0o600)
    const write = (text: string) => withPathInErrors(path, () => fs.writeFileSync(file, text))
    return { write, close: () => fs.closeSync(file) }
  }

  /** @param kept number of the newest journals, which are not removed */
  removeOldRuns(kept: number): void {
    for (const run of this.runs().slice(0, -kept))
      try {
        fs.rmSync(this.journalPath(run), { force: true, recursive: true })
      } catch {
        // An old journal that cannot be removed must not fail a run; the next one tries again.
      }
  }

  /** The parsed lines of a journal, without a last line that a crash has truncated. */
  readJournal(run: string): unknown[] {
    const lines = fs.readFileSync(this.journalPath(run), 'utf8').split('\n')
    return lines.flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as unknown]
      } catch {
        return []
      }
    })
  }
}
