/** `converge stack logs`: the ends of logs on hosts, and their new lines as they come. */
import pLimit from 'p-limit'
import picocolors from 'picocolors'
import { runCommand } from '../../fleet/operate/command.ts'
import { type LogLine, LogReader, type LogSource, logLabel, logWords } from '../../fleet/operate/logs.ts'
import { describeNames } from '../../fleet/screen/names.ts'
import { oneLine } from '../../fleet/screen/text.ts'
import { asConvergeError, ConvergeError, throwProblems } from '../../model/errors.ts'
import { print, printError, printJson } from '../print.ts'
import { type ExitStatus, useColor } from '../process.ts'
import type { StackCall } from './call.ts'
import { compileHost } from './compiled.ts'
import type { ReachableHost } from './hosts.ts'
import { type StackInputs, stackInputs } from './inputs.ts'
import { abortOnSignal } from './interrupts.ts'
import { logSourcesOf } from './log_sources.ts'
import { StackNodes } from './nodes.ts'
import { linkTo, selectedHosts } from './operate.ts'
import { howMany } from './request.ts'
import { type Placed, wrongNames } from './select.ts'

interface Logged {
  readonly host: ReachableHost<Placed>
  readonly sources: readonly LogSource[]
}

export async function logs<N>(call: StackCall<N>): Promise<ExitStatus> {
  const { args, endProcess } = call
  const lines = linesOf(args.lines)
  const hosts = await loggedHosts(call, await stackInputs(call))
  const output = new LogOutput(
    call,
    hosts.map(({ host }) => host.placed.name),
  )
  const interrupts = abortOnSignal(endProcess)
  const limit = pLimit(howMany(args.parallel))
  const read = async (logged: Logged) => {
    const isDone = await new HostLogs(call, logged, output).read(lines, interrupts.signal, limit)
    output.done(logged.host.placed.name)
    return isDone
  }
  try {
    const all = Promise.all(hosts.map((logged) => (args.follow ? read(logged) : limit(() => read(logged)))))
    const ends = await Promise.race([all, interrupts.left])
    if (!args.follow && interrupts.signal.aborted) return 1
    return ends.every((isDone) => isDone) ? 0 : 1
  } finally {
    interrupts.close()
  }
}

function linesOf(given = '20'): number {
  if (/^\d{1,7}$/.test(given)) return Number(given)
  throw new ConvergeError(`invalid --lines "${given}": expected a whole number`, {
    code: 'USAGE',
    hint: 'for example --lines 100',
    usage: true,
  })
}

/** The hosts with those of their logs that --app and --program select. @throws NO_LOGS */
async function loggedHosts<N>(call: StackCall<N>, inputs: StackInputs<N>): Promise<readonly Logged[]> {
  const { app, program } = call.args
  throwProblems(wrongNames(inputs.stack, call.args))
  // A frontend has logs of an app that it does not deploy.
  const hosts = await selectedHosts({ ...call, args: { ...call.args, app: undefined } }, inputs)
  const nodes = await StackNodes.of(call, inputs)
  const programs = new Set<string>()
  const logged: Logged[] = []
  for (const host of hosts) {
    const all = await logSourcesOf(call, await compileHost(call, nodes, host.host))
    const ofApps = all.filter((source) => app === undefined || (source.app !== null && app.includes(source.app)))
    for (const source of ofApps) programs.add(source.program)
    const sources = ofApps.filter((source) => matches(source.program, program))
    if (sources.length > 0) logged.push({ host, sources })
  }
  if (logged.length > 0) return logged
  throw new ConvergeError(
    program === undefined || programs.size === 0
      ? 'the roles of these hosts declare no logs'
      : `these hosts have no program ${program}`,
    {
      code: 'NO_LOGS',
      hint:
        programs.size === 0
          ? 'select other hosts, or read a file with converge stack exec -- tail FILE'
          : `choose from: ${describeNames([...programs].sort())}`,
    },
  )
}

function matches(program: string, given: string | undefined): boolean {
  if (given === undefined) return true
  return given.split(',').some((pattern) => {
    const source = pattern
      .trim()
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
    return new RegExp(`^${source}$`).test(program)
  })
}

/** Reads the logs of one host. */
class HostLogs<N> {
  constructor(
    private readonly call: StackCall<N>,
    private readonly logged: Logged,
    private readonly output: LogOutput<N>,
  ) {}

  /** @returns whether it went well; Ctrl-C is the usual end of --follow */
  async read(lines: number, interrupt: AbortSignal, limit: ReturnType<typeof pLimit>): Promise<boolean> {
    const { args } = this.call
    const { host, sources } = this.logged
    const { name } = host.placed
    const reader = new LogReader(sources, (line) => this.output.line(name, line))
    let problems = ''
    try {
      const link = linkTo(host, host.sudo !== 'none')
      try {
        if (args.follow) await limit(() => link.connect(false))
        const status = await runCommand(link, {
          words: logWords(sources, lines, args.follow === true),
          ...{ account: null, timeout: args.follow ? 0 : readingSeconds, interrupt },
          onOutput: (text, from) => {
            if (from === 'stdout') reader.add(text)
            else problems = (problems + text).slice(-4000)
          },
        })
        reader.end()
        if (problems.trim() === '' && status === 0) return true
        throw new ConvergeError(problems.trim() || `exit status ${status}`, { code: 'LOGS_NOT_READ' })
      } finally {
        link.close()
      }
    } catch (thrown) {
      reader.end()
      const error = asConvergeError(thrown)
      if (error.code === 'INTERRUPTED' && args.follow) return true
      this.output.failed(name, error)
      return false
    }
  }
}

/** For all that is there now. Seconds. */
const readingSeconds = 120

const hues = ['cyan', 'yellow', 'green', 'magenta', 'blue'] as const

/** Writes lines with their host and program; without --follow the hosts one after the other. */
class LogOutput<N> {
  private readonly width: number
  private readonly color: boolean
  private readonly masks = new Map<string, (line: string) => string>()
  /** Lines of hosts whose turn has not come. */
  private readonly waiting = new Map<string, (() => void)[]>()
  private readonly ended = new Set<string>()
  private turn = 0

  constructor(
    private readonly call: StackCall<N>,
    private readonly names: readonly string[],
  ) {
    this.width = Math.max(...names.map((name) => name.length))
    this.color = call.args.color ?? useColor(process.stdout)
  }

  line(host: string, { program, file, line }: LogLine): void {
    const key = JSON.stringify([host, program, file])
    const mask = this.masks.get(key) ?? this.call.secrets.foreignLineMask()
    this.masks.set(key, mask)
    const text = mask(line)
    this.inTurn(host, () => {
      if (this.call.args.jsonOutput) return printJson({ event: 'line', host, program, file, line: text })
      const paint = picocolors.createColors(this.color)
      const hue = hues[this.names.indexOf(host) % hues.length] ?? 'cyan'
      const label = oneLine(logLabel({ program, file }))
      print(`${paint[hue](host.padEnd(this.width))} ${paint.bold(label)} | `, this.color)
      print(`${text}\n`)
    })
  }

  failed(host: string, error: ConvergeError): void {
    const { secrets, args } = this.call
    const { code, message, hint } = error.masked(
      (text) => secrets.mask(text),
      (text) => secrets.maskForeign(text),
    )
    this.inTurn(host, () => {
      if (args.jsonOutput) return printJson({ event: 'failed', host, failure: { code, message, hint } })
      const lines = [`${host}: ${oneLine(message)}`, ...(hint === undefined ? [] : [`  hint: ${oneLine(hint)}`])]
      printError(`${lines.join('\n')}\n`)
    })
  }

  done(host: string): void {
    this.ended.add(host)
    for (;;) {
      const name = this.names[this.turn]
      if (name === undefined) return
      for (const write of this.waiting.get(name) ?? []) write()
      this.waiting.delete(name)
      if (!this.ended.has(name)) return
      this.turn++
    }
  }

  private inTurn(host: string, write: () => void): void {
    if (this.call.args.follow || this.names[this.turn] === host) return write()
    const list = this.waiting.get(host)
    if (list === undefined) this.waiting.set(host, [write])
    else list.push(write)
  }
}
