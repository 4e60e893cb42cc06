/** Answers commands, requests and connections of a virtual host with the functions of a test. */
import { ConvergeError } from '../model/errors.ts'
import { knownFailure } from '../model/known_failures.ts'
import { endpointName } from './request.ts'
import type { CommandOptions, CommandResult, ExchangeOptions, RequestOptions, Response } from './types.ts'

/** Answers a command of the tests' host; null: no such program. */
export type ScriptedCommand<H> = (
  argv: readonly string[],
  options: CommandOptions,
  host: H,
) => Partial<CommandResult> | null
export type ScriptedRequest<H> = (options: RequestOptions, host: H) => Response | null

/** Answers a text sent over a connection; null: nobody listens there. */
export type ScriptedExchange<H> = (options: ExchangeOptions, host: H) => string | null

export interface Scripts<H> {
  readonly commands?: ScriptedCommand<H> | undefined
  readonly requests?: ScriptedRequest<H> | undefined
  readonly exchanges?: ScriptedExchange<H> | undefined
}

export class ScriptedAnswers<H> {
  constructor(
    private readonly scripts: Scripts<H>,
    private readonly host: H,
  ) {}

  async command(argv: readonly string[], options: CommandOptions): Promise<CommandResult> {
    const result = this.scripts.commands?.(argv, options, this.host) ?? null
    if (result === null) throw new ConvergeError(`cannot run ${argv[0]}: no such program`, { code: 'NO_PROGRAM' })
    const complete = { status: 0, stdout: '', stderr: '', ...result }
    const accepted = options.accept ?? [0]
    if (accepted === 'any' || accepted.includes(complete.status)) return complete
    const output = complete.stdout + complete.stderr
    const known = knownFailure({ output, status: complete.status })
    const reason = known === null ? '' : `: ${known.reason}`
    throw new ConvergeError(`${argv.join(' ')} exited with status ${complete.status}${reason}`, {
      code: 'COMMAND_FAILED',
      output,
      hint: known?.hint,
    })
  }

  async response(options: RequestOptions): Promise<Response> {
    return this.scripts.requests?.(options, this.host) ?? refuseConnection(options)
  }

  exchange(options: ExchangeOptions): string {
    return this.scripts.exchanges?.(options, this.host) ?? refuseConnection(options)
  }
}

function refuseConnection(options: RequestOptions): never {
  throw new ConvergeError(`cannot talk to ${endpointName(options)}`, { code: 'ECONNREFUSED' })
}
