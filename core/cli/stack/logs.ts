/** Runs `converge stack logs`: prints the ends of logs on hosts, and follows them. */
import pLimit from 'p-limit'
import picocolors from 'picocolors'
import { type LogLine, logLabel } from '../../fleet/operate/logs.ts'
import { describeNames } from '../../fleet/screen/host_name_list.ts'
import { oneLine } from '../../fleet/screen/text.ts'
import { ConvergeError, throwProblems } from '../../model/errors.ts'
import { Secrets } from '../../model/secrets.ts'
import type { ExitStatus } from '../exit_status.ts'
import { print, printError, printJson, useColor } from '../print.ts'
import { compileStackHost } from './host_check.ts'
import { HostLogs, type LoggedHost, type LogListener } from './host_logs.ts'
import { type StackInputs, stackInputs } from './inputs.ts'
import { abortOnSignal } from './interrupts.ts'
import { logSourcesOf } from './log_sources.ts'
import { StackNodes } from './nodes.ts'
import { selectedHosts } from './operate.ts'
import { parallelHosts } from './rollout_request.ts'
import { selectionProblems } from './select.ts'
import type { StackCommand } from './stack_command.ts'

export async function logs<N>(call: StackCommand<N>): Promise<ExitStatus> {
  const { args, endProcess } = call
  const lines = parseLineCount(args.lines)
  const hosts = await loggedHosts(call, await stackInputs(call))
  const output = new LogOutput(
    call,
    hosts.map(({ host }) => host.selectable.name),
  )
  const interrupts = abortOnSignal(endProcess)
  const limit = pLimit(parallelHosts(args))
  const { signal: interrupt } = interrupts
  const request = { lines, follow: args.follow === true, interrupt, limit }
  const read = async (logged: LoggedHost) => {
    const isDone = await new HostLogs(logged, request, output).read()
    output.done(logged.host.selectable.name)
    return isDone
  }
  try {
    const all = Promise.all(hosts.map((logged) => (args.follow ? read(logged) : limit(() => read(logged)))))
    const ends = await Promise.race([all, interrupts.left])
    if (!args.follow && interrupt.aborted) return 1
    return ends.every((isDone) => isDone) ? 0 : 1
  } finally {
    interrupts.close()
  }
}

function parseLineCount(text = '20'): number {
  if (/^\d{1,7}$/.test(text)) return Number(text)
  throw new ConvergeError(`invalid --lines "${text}": expected a whole number`, {
    code: 'USAGE',
    hint: 'for example --lines 100',
    usage: true,
  })
}

/** Returns the hosts with the logs that --app and --program select. @throws NO_LOGS */
async function loggedHosts<N>(call: StackCommand<N>, inputs: StackInputs<N>): Promise<readonly LoggedHost[]> {
  const { app, program } = call.args
  throwProblems(selectionProblems(inputs.stack, call.args))
  // Select hosts without --app: a frontend has logs of an app that it does not deploy.
  const hosts = await selectedHosts({ ...call, args: { ...call.args, app: undefined } }, inputs)
  const nodes = await StackNodes.of(call, inputs)
  const programs = new Set<string>()
  const logged: LoggedHost[] = []
  for (const host of hosts) {
    const declaredSources = await logSourcesOf(call, await compileStackHost(call, nodes, host.host))
    const ofApps = declaredSources.filter(
      (source) => app === undefined || (source.app !== null && app.includes(source.app)),
    )
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

function matches(program: string, patterns: string | undefined): boolean {
  if (patterns === undefined) return true
  return patterns.split(',').some((pattern) => {
    const source = pattern
      .trim()
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
    return new RegExp(`^${source}$`).test(program)
  })
}

const hues = ['cyan', 'yellow', 'green', 'magenta', 'blue'] as const

/** Writes lines with their host and program; without --follow, one host after the other. */
class LogOutput<N> implements LogListener {
  private readonly width: number
  private readonly color: boolean
  private readonly masks = new Map<string, (line: string) => string>()
  private readonly secretsOf = new Map<string, Secrets>()
  /** Lines of hosts that wait for an earlier host. */
  private readonly waiting = new Map<string, (() => void)[]>()
  private readonly ended = new Set<string>()
  private turn = 0

  constructor(
    private readonly call: StackCommand<N>,
    private readonly names: readonly string[],
  ) {
    this.width = Math.max(...names.map((name) => name.length))
    this.color = call.args.color ?? useColor(process.stdout)
  }

  secrets(host: string, texts: readonly string[]): void {
    const secrets = new Secrets(this.call.secrets)
    for (const text of texts) secrets.add(text)
    this.secretsOf.set(host, secrets)
  }

  line(host: string, { program, file, line }: LogLine): void {
    const key = JSON.stringify([host, program, file])
    const mask = this.masks.get(key) ?? this.secretsFor(host).foreignLineMask()
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
    const { args } = this.call
    const secrets = this.secretsFor(host)
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

  connection(host: string, state: 'lost' | 'back', detail: string): void {
    const { args } = this.call
    const why = this.secretsFor(host).maskForeign(detail)
    if (args.jsonOutput) return printJson({ event: 'connection', host, state, ...(why === '' ? {} : { detail: why }) })
    const paint = picocolors.createColors(args.color ?? useColor(process.stderr))
    const text =
      state === 'lost' ? `${paint.yellow('connection lost')}, reconnecting: ${oneLine(why)}` : 'the connection is back'
    printError(`${host}: ${text}\n`)
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

  private secretsFor(host: string): Secrets {
    return this.secretsOf.get(host) ?? this.call.secrets
  }

  private inTurn(host: string, write: () => void): void {
    if (this.call.args.follow || this.names[this.turn] === host) return write()
    const list = this.waiting.get(host)
    if (list === undefined) this.waiting.set(host, [write])
    else list.push(write)
  }
}
