/** Runs the command of a password manager or key store that prints a secret. */
import { type ExecFileException, execFile } from 'node:child_process'
import { type CommandStart, startFailure } from '../host/start_failure.ts'
import { ConvergeError } from '../model/errors.ts'
import { seconds } from '../model/units.ts'
import { utf8Text } from '../model/utf8.ts'
import { shellWords } from '../text/shell.ts'
import type { Environment } from './age_identities.ts'

const deadline = seconds(60)

/** Bytes; far more than a key or certificate has. */
const outputLimit = 1 << 20

/**
 * Returns what a command prints to its standard output; a single line loses its line end.
 *
 * The command runs without a shell and without standard input, so it cannot ask for a password.
 * @param argv program and arguments
 * @param directory that it runs in
 * @throws ConvergeError COMMAND_FAILED, COMMAND_TIMEOUT, EMPTY_SECRET, NOT_UTF8
 */
export function secretOfCommand(argv: readonly string[], directory: string, environment: Environment): Promise<string> {
  const [program = '', ...words] = argv
  const command = shellWords(argv)
  const start = { program, cwd: directory, searchPath: environment.PATH ?? '' }
  return new Promise((resolve, reject) => {
    const options = {
      cwd: directory,
      env: environment as NodeJS.ProcessEnv,
      timeout: deadline.ms,
      killSignal: 'SIGKILL' as const,
      maxBuffer: outputLimit,
      encoding: 'buffer' as const,
    }
    const child = execFile(program, words, options, (error, stdout, stderr) => {
      if (error !== null) return reject(commandFailure(error, { command, start }, stderr))
      try {
        const text = utf8Text(stdout, `the output of ${command}`)
        const line = text.replace(/\r?\n$/, '')
        if (line !== '') return resolve(line.includes('\n') ? text : line)
        reject(failure(`${command} printed nothing`, 'EMPTY_SECRET', 'run the command by hand'))
      } catch (failed) {
        reject(failed)
      }
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end()
  })
}

function commandFailure(
  error: ExecFileException,
  { command, start }: { readonly command: string; readonly start: CommandStart },
  stderr: Buffer,
) {
  const output = stderr.toString('utf8').trim().slice(-2000)
  const hint = 'run the command by hand; log in to the password manager first, since the command cannot ask'
  if (error.syscall?.startsWith('spawn')) {
    const { reason, isMissing } = startFailure(start, error as NodeJS.ErrnoException)
    const remedy = isMissing ? 'install it, or name it by its path' : hint
    return failure(`cannot run ${command}: ${reason}`, 'COMMAND_FAILED', remedy)
  }
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return failure(`${command} printed more than ${outputLimit} bytes`, 'COMMAND_FAILED', hint)
  if (error.killed === true)
    return failure(`${command} did not end within ${deadline}`, 'COMMAND_TIMEOUT', hint, output)
  const reason =
    typeof error.code === 'number' ? `exited with status ${error.code}` : `was ended by ${error.signal ?? error.code}`
  return failure(`${command} ${reason}`, 'COMMAND_FAILED', hint, output)
}

function failure(message: string, code: string, hint: string, output?: string): ConvergeError {
  return new ConvergeError(message, { code, hint, output: output === '' ? undefined : output, usage: true })
}
