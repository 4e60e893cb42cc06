/** Runs a command on hosts for an operator, several at once, and prints the output of hosts with the same output once. */
import pLimit from 'p-limit'
import picocolors from 'picocolors'
import type { AnswerTimes } from '../../fleet/host_clock.ts'
import { type Output, runCommand } from '../../fleet/operate/command.ts'
import {
  type CommandResult,
  describeGroup,
  groupResults,
  hasSucceeded,
  summarize,
  type TimeComparison,
} from '../../fleet/operate/results.ts'
import { storedSecrets } from '../../fleet/operate/stored_secrets.ts'
import { asConvergeError } from '../../model/errors.ts'
import { omitUndefined } from '../../model/omit_undefined.ts'
import { Secrets } from '../../model/secrets.ts'
import type { JsonObject } from '../../node/merge.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print, printError, printJson, useColor } from '../print.ts'
import { factsOf } from './host_check.ts'
import type { ReachableHost } from './hosts.ts'
import type { StackInputs } from './inputs.ts'
import { abortOnSignal } from './interrupts.ts'
import { OutputBuffer } from './limited_output.ts'
import { StackNodes } from './nodes.ts'
import { connectionTo } from './operate.ts'
import { parallelHosts } from './rollout_request.ts'
import type { SelectableHost } from './select.ts'
import type { StackCommand } from './stack_command.ts'

/** Maximum number of characters that a host may send; only the first of them are kept. */
const maxTransfer = 64 << 20

export interface CommandOnHosts {
  /** The command in the JSON output. */
  readonly displayedWords: readonly string[]
  words(host: ReachableHost<SelectableHost>): readonly string[]
  readonly asRoot: boolean
  /** Returns one line for the standard input of the command, from the attributes of the host; default: no input. */
  readonly input?: (attributes: JsonObject) => string
  /** Account to run it as; null: that of the login, or root. */
  readonly account: string | null
  /** Whether to print the output as it arrives. */
  readonly isStreaming?: boolean
  /** Changes a result for display; default: it is displayed unchanged. */
  readonly present?: (result: CommandResult) => CommandResult
  /** Changes the result when it arrives. */
  readonly amend?: (result: CommandResult, times: AnswerTimes) => CommandResult
  /** How to compare times when hosts with the same output are combined; default: `exact`. */
  readonly timeComparison?: TimeComparison
  /** Returns what the JSON output has instead of `stdout`; default: `stdout`. */
  readonly answer?: (result: CommandResult) => object
}

export async function runOnHosts<N>(
  call: StackCommand<N>,
  inputs: StackInputs<N>,
  hosts: readonly ReachableHost<SelectableHost>[],
  command: CommandOnHosts,
): Promise<ExitStatus> {
  const { args, secrets, endProcess } = call
  const { isStreaming = false, present = (result) => result, answer } = command
  const nodes = await StackNodes.of(call, inputs)
  const inputLines = new Map<string, string>()
  for (const { host } of hosts) {
    const attributes = await nodes.learnSecretsOf(host, factsOf(host))
    if (command.input !== undefined) inputLines.set(host.name, command.input(attributes))
  }
  const names = hosts.map(({ selectable }) => selectable.name)
  const printEvent = (event: object) => printJson(secrets.maskDeep({ time: new Date().toISOString(), ...event }))
  if (args.jsonOutput) printEvent({ event: 'start', hosts: names, command: command.displayedWords })
  const interrupts = abortOnSignal((signal) => {
    endProcess()
    printError(`${signal}: ending the command on the hosts. Press Ctrl-C again to leave without waiting\n`)
  })
  const progress = new Progress(names, !args.jsonOutput && !isStreaming)
  const run = new HostRun(call, interrupts.signal, command, inputLines)
  const limit = pLimit(parallelHosts(args))
  try {
    const work = limit.map(hosts, async (host) => {
      const result = await run.run(host)
      progress.endHost(result.host)
      if (args.jsonOutput)
        printEvent({
          event: 'done',
          ...(answer === undefined ? result : { ...withoutOutput(result), ...answer(result) }),
        })
      return result
    })
    const results = await Promise.race([work, interrupts.left])
    progress.clear()
    const failed = results.filter((result) => !hasSucceeded(result)).map(({ host }) => host)
    if (args.jsonOutput) printEvent({ event: 'end', hosts: results.length, failed })
    else show(call, results.map(present), command)
    return failed.length === 0 ? 0 : 1
  } finally {
    progress.clear()
    interrupts.close()
  }
}

function withoutOutput({ stdout: _, ...result }: CommandResult): Omit<CommandResult, 'stdout'> {
  return result
}

/** Runs the command on a host; a failure is part of the result. */
class HostRun<N> {
  constructor(
    private readonly call: StackCommand<N>,
    private readonly interrupt: AbortSignal,
    private readonly command: CommandOnHosts,
    /** By host. */
    private readonly inputLines: ReadonlyMap<string, string>,
  ) {}

  async run(host: ReachableHost<SelectableHost>): Promise<CommandResult> {
    const { args } = this.call
    const { name } = host.selectable
    // Other hosts have other secrets, and no host decides what is hidden of another one.
    const secrets = new Secrets(this.call.secrets)
    const started = performance.now()
    const write = (text: string, from: Output) => (from === 'stdout' ? print(text) : printError(text))
    const output = new OutputBuffer(secrets, this.command.isStreaming ? write : null)
    const { words, asRoot, account, amend = (result) => result } = this.command
    const end = (status: number | null, failure: CommandResult['failure']): CommandResult => ({
      host: name,
      status,
      ...output.close(),
      failure,
      durationMs: Math.round(performance.now() - started),
    })
    try {
      const connection = connectionTo(host, asRoot)
      try {
        for (const secret of await storedSecrets(connection, this.interrupt)) secrets.add(secret)
        const askedAt = Date.now()
        const status = await runCommand(connection, {
          words: words(host),
          account,
          input: this.inputLines.get(name),
          timeout: args.timeout ?? 600,
          ...(this.command.isStreaming ? {} : { maxOutput: maxTransfer }),
          interrupt: this.interrupt,
          onOutput: (text, from) => output.add(text, from),
        })
        return amend(end(status, null), { askedAt, answeredAt: Date.now() })
      } finally {
        connection.close()
      }
    } catch (thrown) {
      const { code, message, hint } = asConvergeError(thrown).masked(
        (text) => secrets.mask(text),
        (text) => secrets.maskForeign(text),
      )
      return end(null, { code, message, ...omitUndefined({ hint }) })
    }
  }
}

function show<N>({ args }: StackCommand<N>, results: readonly CommandResult[], command: CommandOnHosts): void {
  const { isStreaming = false, timeComparison } = command
  const color = args.color ?? useColor(process.stdout)
  const paint = picocolors.createColors(color)
  if (!isStreaming) {
    for (const group of groupResults(results, timeComparison)) print(describeGroup(group, paint), color)
    print(`${summarize(results)}\n`, color)
    return
  }
  const [only] = results
  if (only !== undefined && !hasSucceeded(only)) {
    const isColored = args.color ?? useColor(process.stderr)
    printError(describeGroup([only], picocolors.createColors(isColored)), isColored)
  }
}

/** Draws a line on the terminal that counts the finished hosts, and names some of the others. */
class Progress {
  private readonly remaining: Set<string>
  private readonly timer: NodeJS.Timeout | null
  private isShown = false

  constructor(
    private readonly names: readonly string[],
    isRequested: boolean,
  ) {
    this.remaining = new Set(names)
    const isOn = isRequested && process.stderr.isTTY === true && process.env.TERM !== 'dumb'
    this.timer = isOn ? setInterval(() => this.draw(), 1000) : null
  }

  endHost(name: string): void {
    this.remaining.delete(name)
  }

  clear(): void {
    if (this.timer !== null) clearInterval(this.timer)
    if (this.isShown) process.stderr.write('\r\x1b[K')
    this.isShown = false
  }

  private draw(): void {
    const done = this.names.length - this.remaining.size
    const some = [...this.remaining].slice(0, 5).join(', ')
    const line = `${done} of ${this.names.length} hosts done; waiting for ${some}${this.remaining.size > 5 ? ', …' : ''}`
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`)
    this.isShown = true
  }
}
