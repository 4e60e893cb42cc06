/** Runs a short command of `converge stack` in its own process, so that the console never sees the secrets of a stack file. */
import { execFile } from 'node:child_process'
import * as z from 'zod'
import { ConvergeError } from '../../model/errors.ts'
import { parseEvent } from '../deployments/event_file.ts'

/** Where the stack file of a command is. */
export interface StackLocation {
  /** The directory in which commands run. */
  readonly directory: string
  /** Options of `converge stack` that select the stack. */
  readonly options: readonly string[]
}

/** A stack of the console. */
export interface StackSource extends StackLocation {
  /** The name in its stack file. */
  readonly name: string
}

export interface StackCommandOptions {
  /** Seconds. Default 120. */
  readonly timeout?: number
  /** Exit statuses with an answer on standard output. Default only 0. */
  readonly accept?: readonly number[]
}

/** Bytes. */
const maxOutput = 256 * 1024 * 1024

/**
 * Runs `converge stack`, and returns its standard output.
 * @throws STACK_UNREADABLE with the message of the command
 * @throws UNKNOWN_ATTRIBUTE, NO_HOSTS, NO_RUNNING_DEPLOYMENT if the command refuses the request
 */
export type StackCommand = (
  location: StackLocation,
  words: readonly string[],
  options?: StackCommandOptions,
) => Promise<string>

/** Returns the error for a stack whose command has failed, or whose answer is none. */
export function stackUnreadable({ directory, options }: StackLocation, reason: string): ConvergeError {
  return new ConvergeError(`the stack cannot be read: ${reason}`, {
    code: 'STACK_UNREADABLE',
    hint: `run converge stack check ${options.join(' ')} in ${directory}`,
    usage: true,
  })
}

/** @param program words that start converge */
export function stackCommand([program = '', ...startWords]: readonly string[]): StackCommand {
  return ({ directory, options }, [command = '', ...words], { timeout = 120, accept = [0] } = {}) => {
    const args = [...startWords, 'stack', command, ...options, ...words]
    const processOptions = {
      cwd: directory,
      timeout: timeout * 1000,
      maxBuffer: maxOutput,
      killSignal: 'SIGKILL',
    } as const
    return new Promise((resolve, reject) => {
      execFile(program, args, processOptions, (error, stdout, stderr) => {
        const status = error === null ? 0 : error.code
        if (typeof status === 'number' && accept.includes(status)) return resolve(stdout)
        const refusal = refusalIn(stdout)
        if (refusal !== null) return reject(refusal)
        const reason = error?.killed ? `no answer within ${timeout} s` : stderr.trim() || error?.message
        reject(stackUnreadable({ directory, options }, reason ?? 'it has failed'))
      })
    })
  }
}

/** Errors of a command that say that the request was wrong, not the stack. */
const refusals = ['UNKNOWN_ATTRIBUTE', 'NO_HOSTS', 'NO_RUNNING_DEPLOYMENT'] as const
const errorSchema = z.object({
  event: z.literal('error'),
  code: z.enum(refusals),
  message: z.string(),
  hint: z.string().optional(),
})

/** Returns why a command refused the request; null if it failed for another reason. */
function refusalIn(stdout: string): ConvergeError | null {
  const { data } = errorSchema.safeParse(parseEvent(stdout.trimEnd().split('\n').at(-1) ?? ''))
  return data === undefined ? null : new ConvergeError(data.message, { ...data, usage: true })
}
