/** Reads standard input as text, up to the limit of an input file. */
import { fstatSync } from 'node:fs'
import { inputFileLimit } from '../../host/input_file.ts'
import { ConvergeError, failureReason } from '../../model/errors.ts'
import { fileTooLarge } from '../../model/file_errors.ts'
import { utf8Text } from '../../model/utf8.ts'

const name = 'standard input'

/** @throws NO_INPUT, FILE_TOO_LARGE, NOT_UTF8 */
export async function standardInput(): Promise<string> {
  // Not by readFileSync, which fails for a pipe without data yet.
  const chunks: Buffer[] = []
  let length = 0
  try {
    // Node reads a directory as an empty file.
    if (fstatSync(0).isDirectory()) throw unreadable('it is a directory')
    for await (const chunk of process.stdin) {
      chunks.push(chunk as Buffer)
      length += (chunk as Buffer).length
      if (length > inputFileLimit) throw fileTooLarge(name, null, inputFileLimit)
    }
  } catch (error) {
    throw error instanceof ConvergeError ? error : unreadable(failureReason(error, name), error)
  }
  return utf8Text(Buffer.concat(chunks), name)
}

function unreadable(reason: string, cause?: unknown): ConvergeError {
  return new ConvergeError(`cannot read standard input: ${reason}`, {
    code: 'NO_INPUT',
    hint: 'redirect it from a file or a pipe that can be read',
    usage: true,
    cause,
  })
}
