/** Writes a file that an option names, such as --out: completely or not at all, and never in place of a device. */
import * as fs from 'node:fs'
import { replaceFile } from '../host/replace_file.ts'
import { ConvergeError, failureReason } from '../model/errors.ts'
import { describeFileMode } from '../model/file_errors.ts'

export interface OutputFile {
  /** Start of the message of a failure, such as `cannot write the plan to FILE`. */
  readonly failure: string
  readonly code: string
  readonly hint: string
}

/**
 * Writes a file that only this account can read.
 * @throws ConvergeError with the given code
 */
export function writeOutputFile(path: string, content: string, { failure, code, hint }: OutputFile): void {
  const fail = (reason: string, cause?: unknown) =>
    new ConvergeError(`${failure}: ${reason}`, { code, hint, usage: true, cause })
  try {
    // A rename would replace a device such as /dev/null for all accounts, and a write to a pipe without a reader waits.
    const existing = fs.statSync(path, { throwIfNoEntry: false })
    if (existing !== undefined && !existing.isFile())
      throw fail(`it is ${describeFileMode(existing)}, not a regular file`)
    replaceFile(path, content)
  } catch (error) {
    throw error instanceof ConvergeError ? error : fail(failureReason(error, path), error)
  }
}
