/** Runs `converge stack exec -- COMMAND`: runs a command on hosts, and prints its output. */
import pLimit from 'p-limit'
import picocolors from 'picocolors'
import { type Output, runCommand } from '../../fleet/operate/command.ts'
import {
  type CommandResult,
  describeGroup,
  groupResults,
  hasSucceeded,
  summarize,
} from '../../fleet/operate/results.ts'
import { asConvergeError } from '../../model/errors.ts'
import { print, printError, printJson } from '../print.ts'
import { type ExitStatus, useColor } from '../process.ts'
import type { StackCall } from './call.ts'
import { factsOf } from './host_check.ts'
import type { ReachableHost } from './hosts.ts'
import { stackInputs } from './inputs.ts'
import { abortOnSignal } from './interrupts.ts'
import { KeptOutput } from './kept_output.ts'
import { StackNodes } from './nodes.ts'
import { linkTo, selectedHosts } from './operate.ts'
import { howMany } from './request.ts'
import type { Placed } from './select.ts'

export async function exec<N>(call: StackCall<N>): Promise<ExitStatus> {
  const { args, secrets, endProcess } = call
  const inputs = await stackInputs(call)
  const hosts = await selectedHosts(call, inputs)
  const nodes = await StackNodes.of(call, inputs)
  for (const { host } of hosts) await nodes.learnSecretsOf(host, factsOf(host))
  const names = hosts.map(({ placed }) => placed.name)
  const isStreaming = hosts.length === 1 && !args.jsonOutput
  const tell = (event: object) => printJson(secrets.maskDeep({ time: new Date().toISOString(), ...event }))
  if (args.jsonOutput) tell({ event: 'start', hosts: names, command: args.command })
  const interrupts = abortOnSignal((signal) => {
    endProcess()
    printError(`${signal}: ending the command on the hosts; once more to leave at once\n`)
  })
  const progress = new Progress(names, !args.jsonOutput && !isStreaming)
  const run = new HostRun(call, interrupts.signal, isStreaming)
  const limit = pLimit(howMany(args.parallel))
  try {
    const work = limit.map(hosts, async (host) => {
      const result = await run.on(host)
      progress.ended(result.host)
      if (args.jsonOutput) tell({ event: 'done', ...result })
      return result
    })
    const results = await Promise.race([work, interrupts.left])
    progress.clear()
    const failed = results.filter((result) => !hasSucceeded(result)).map(({ host }) => host)
    if (args.jsonOutput) tell({ event: 'end', hosts: results.length, failed })
    else show(call, results, isStreaming)
    return failed.length === 0 ? 0 : 1
  } finally {
    progress.clear()
    interrupts.close()
  }
}

/** Runs the command on a host; a failure is part of the result. */
class HostRun<N> {
  constructor(
    private readonly call: StackCall<N>,
    private readonly interrupt: AbortSignal,
    private readonly isStreaming: boolean,
  ) {}

  async on(host: ReachableHost<Placed>): Promise<CommandResult> {
    const { args, secrets } = this.call
    const { name } = host.placed
    const started = performance.now()
    const write = (text: string, from: Output) => (from === 'stdout' ? print(text) : printError(text))
    const output = new KeptOutput(secrets, this.isStreaming ? write : null)
    const { command = [], user } = args
    const asRoot = args.sudo === true || user !== undefined
    const end = (status: number | null, failure: CommandResult['failure']): CommandResult => ({
      host: name,
      status,
      ...output.close(),
      failure,
      durationMs: Math.round(performance.now() - started),
    })
    try {
      const link = linkTo(host, asRoot)
      try {
        const status = await runCommand(link, {
          words: command.length === 1 ? ['sh', '-c', command[0] ?? ''] : command,
          account: user ?? null,
          timeout: args.timeout ?? 600,
          interrupt: this.interrupt,
          onOutput: (text, from) => output.add(text, from),
        })
        return end(status, null)
      } finally {
        link.close()
      }
    } catch (thrown) {
      const { code, message, hint } = asConvergeError(thrown).masked(
        (text) => secrets.mask(text),
        (text) => secrets.maskForeign(text),
      )
      return end(null, { code, message, ...(hint === undefined ? {} : { hint }) })
    }
  }
}

function show<N>({ args }: StackCall<N>, results: readonly CommandResult[], isStreaming: boolean): void {
  const color = args.color ?? useColor(process.stdout)
  const paint = picocolors.createColors(color)
  if (!isStreaming) {
    for (const group of groupResults(results)) print(describeGroup(group, paint), color)
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
  private readonly left: Set<string>
  private readonly timer: NodeJS.Timeout | null
  private isShown = false

  constructor(
    private readonly names: readonly string[],
    isWanted: boolean,
  ) {
    this.left = new Set(names)
    const isOn = isWanted && process.stderr.isTTY === true && process.env.TERM !== 'dumb'
    this.timer = isOn ? setInterval(() => this.draw(), 1000) : null
  }

  ended(name: string): void {
    this.left.delete(name)
  }

  clear(): void {
    if (this.timer !== null) clearInterval(this.timer)
    if (this.isShown) process.stderr.write('\r\x1b[K')
    this.isShown = false
  }

  private draw(): void {
    const done = this.names.length - this.left.size
    const some = [...this.left].slice(0, 5).join(', ')
    const line = `${done} of ${this.names.length} hosts done; waiting for ${some}${this.left.size > 5 ? ', …' : ''}`
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`)
    this.isShown = true
  }
}
