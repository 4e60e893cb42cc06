/** A host over SSH: what it lacks is brought to it, runs are started there and followed, also across connections. */
import { randomBytes } from 'node:crypto'
import { asConvergeError, ConvergeError } from '../../model/errors.ts'
import type { FailureReport } from '../../report/events.ts'
import { isFailure, isRunReport } from '../../report/replay.ts'
import type { FleetHost, RunEvent, RunRequest, RunResult } from '../rollout/fleet_host.ts'
import { type Kept, keptWords, ownCommand } from './by_itself.ts'
import type { Files, Item } from './items.ts'
import { itemOf } from './items.ts'
import { hostFacts, type Runtimes, recentEnough, runtimeFor } from './runtime.ts'
import {
  askScript,
  bringScript,
  errorsScript,
  followScript,
  holdScript,
  interruptScript,
  nodeScript,
  probeScript,
  startScript,
} from './scripts.ts'
import { lastLine, type RemoteProcess, type Sudo, startScriptOn, sudoRefusal, type Wire } from './wire.ts'

export interface RemoteHostOptions {
  readonly name: string
  open(): Promise<Wire>
  readonly sudo: Sudo
  /** Where the account converges below a directory of its own; null for the whole system. */
  readonly prefix: string | null
  readonly engine: Files
  /** The user's recipes as they travel; null without. */
  readonly recipes: Files | null
  readonly runtimes: Runtimes
  /** Name of the rollout, and who is behind it. */
  readonly rollout: string
  readonly by: string
  /** What takes a while, for people. */
  readonly step: (text: string) => void
  readonly connection: (state: 'lost' | 'back', detail: string) => void
  /** How long a connection that was lost is tried to be made again. Seconds. */
  readonly patience: number
}

/** How often the host hears that its operator is still there. Milliseconds. */
const heartbeat = 10_000
const retryAfter = 1_000

export class RemoteHost implements FleetHost {
  private wire: Wire | null = null
  private connecting: Promise<Wire> | null = null
  private holder: { readonly process: RemoteProcess; readonly timer: NodeJS.Timeout } | null = null
  private wantsHold = false
  private running: string | null = null
  private ended = false
  private readonly library: string
  private readonly state: string
  private readonly engine: Item
  private readonly recipes: Item | null

  constructor(private readonly options: RemoteHostOptions) {
    const prefix = options.prefix ?? ''
    this.library = `${prefix}/usr/local/lib/converge`
    this.state = `${prefix}/var/lib/converge/fleet`
    this.engine = itemOf(this.library, 'engine', options.engine, { what: 'the engine', secret: false })
    this.recipes =
      options.recipes && itemOf(this.library, 'recipes', options.recipes, { what: 'your recipes', secret: false })
  }

  get name(): string {
    return this.options.name
  }

  async connect(hold: boolean): Promise<void> {
    this.wantsHold = hold
    await this.connected()
  }

  async run(request: RunRequest, hear: (event: RunEvent) => void): Promise<RunResult> {
    const run = `${this.options.rollout}-${randomBytes(4).toString('hex')}`
    this.running = run
    try {
      return await this.runNamed(run, request, hear)
    } finally {
      this.running = null
    }
  }

  /** Until the run has started, losing the connection is a failure; afterwards it is followed again from where it was. */
  private async runNamed(run: string, request: RunRequest, hear: (event: RunEvent) => void): Promise<RunResult> {
    const inputs = this.inputsOf(request)
    const needs = this.needs(inputs)
    const heard = new Heard(hear)
    const call = [
      ...this.command(commandOf(request), request, inputs),
      // The host's own scheduler may be at work: what it has begun may take its time.
      ...(request.dry ? [] : ['--wait', '600', '--by', this.options.by]),
      ...['--json-output', ...request.options],
      ...(request.events.includes('hooks_install') ? ['--program', ownCommand(this.library), '--bare'] : []),
    ]
    for (let brought = false; ; brought = true) {
      const { process, errors } = await this.script(startScript, [
        this.library,
        `${this.state}/runs`,
        run,
        needs.map(({ directory }) => directory).join('\n'),
        ...keptWords(this.kept(request, inputs, needs)),
        ...call,
      ])
      const missing = await this.listen(process, heard, run)
      if (missing === null) break
      if (missing === 'silent') throw await this.failed(process, errors(), 'the run could not be started')
      if (brought) throw this.stillMissing(missing)
      await this.bring(missing, needs)
    }
    return this.resultOf(run, heard)
  }

  async ask(words: readonly string[], request: Pick<RunRequest, 'roles' | 'documents'>): Promise<unknown> {
    const inputs = this.inputsOf(request)
    const needs = this.needs(inputs)
    const run = `look-${randomBytes(4).toString('hex')}`
    const lines: string[] = []
    for (let brought = false; ; brought = true) {
      const { process, errors } = await this.script(askScript, [
        this.library,
        needs.map(({ directory }) => directory).join('\n'),
        ...this.command(words, request, inputs),
        '--json-output',
      ])
      const output = await textOf(process)
      const { code } = await process.ended
      const first = parsed(output.split('\n', 1)[0] ?? '')
      if (Array.isArray(first?.missing)) {
        if (brought) throw this.stillMissing(first.missing as string[])
        await this.bring(first.missing as string[], needs)
        continue
      }
      lines.push(output)
      const value = answerOf(output)
      if (value !== undefined) return value
      // JSON lines, and none to tell.
      if (code === 0 && output === '') return []
      throw (
        this.refusal(code, errors()) ??
        new ConvergeError(`converge ${words.join(' ')} gave no answer on the host`, {
          code: 'REMOTE_FAILED',
          output: tail(errors() || output),
          resource: run,
        })
      )
    }
  }

  async interrupt(): Promise<void> {
    if (this.running === null || this.wire === null) return
    const { process } = await this.script(interruptScript, [`${this.state}/runs`, this.running])
    await process.ended
  }

  close(): void {
    this.ended = true
    this.letGo()
    this.wire?.close()
    this.wire = null
  }

  /** Reads what the run tells until it has ended; a lost connection is made again meanwhile. */
  private async listen(process: RemoteProcess, heard: Heard, run: string): Promise<null | 'silent' | string[]> {
    let following = process
    for (;;) {
      try {
        const first = await heard.listen(following)
        if (first !== undefined) return first
        if (heard.status !== undefined || !heard.started) return heard.started ? null : 'silent'
        // The end of the stream without the exit status: the run died, or the connection did.
        const { code } = await following.ended
        if (code === 0 || code === 4) return null
        throw new ConvergeError('what follows the run was ended', { code: 'CONNECTION_LOST' })
      } catch (thrown) {
        const error = asConvergeError(thrown)
        if (!heard.started || error.code !== 'CONNECTION_LOST') throw error
        this.options.connection('lost', error.message)
        following = await this.followAgain(run, heard, error)
        this.options.connection('back', '')
      }
    }
  }

  private async followAgain(run: string, heard: Heard, lost: ConvergeError): Promise<RemoteProcess> {
    const until = Date.now() + this.options.patience * 1000
    let last = lost
    while (Date.now() < until && !this.ended) {
      await new Promise((resolve) => setTimeout(resolve, retryAfter))
      try {
        heard.follow()
        return (await this.script(followScript, [`${this.state}/runs`, run, String(heard.bytes)])).process
      } catch (thrown) {
        last = asConvergeError(thrown)
        if (last.code !== 'CONNECT_FAILED' && last.code !== 'CONNECTION_LOST') throw last
      }
    }
    throw new ConvergeError(`the connection was lost while a run was under way: ${last.message}`, {
      code: 'HOST_LOST',
      hint: 'the run goes on there, or was ended with the host; the next run finds out, and finishes what is left',
      cause: last,
    })
  }

  private async resultOf(run: string, heard: Heard): Promise<RunResult> {
    const { status, report, error } = heard
    if (status === undefined) {
      const said = await this.output(errorsScript, [`${this.state}/runs`, run]).catch(() => '')
      const failure: FailureReport = {
        code: 'RUN_DIED',
        message: 'the run was killed, or its host was',
        ...(said.trim() === '' ? {} : { output: tail(said) }),
        hint: 'run again: what was not finished is done then',
      }
      return { status: null, report: null, failure }
    }
    const failed = report?.resources.find(({ failure, ignored }) => failure !== undefined && ignored !== true)?.failure
    const failure = failed ?? error ?? (status === 0 || report !== null ? null : await this.unexplained(run, status))
    return { status, report, failure }
  }

  private async unexplained(run: string, status: number): Promise<FailureReport> {
    const said = await this.output(errorsScript, [`${this.state}/runs`, run])
    return { code: 'REMOTE_FAILED', message: `converge ended with exit status ${status}`, output: tail(said) }
  }

  private async bring(missing: readonly string[], needs: readonly Item[]): Promise<void> {
    if (missing.includes('node')) await this.bringNode()
    for (const item of needs) if (missing.includes(item.directory)) await this.bringItem(item)
  }

  private async bringNode(): Promise<void> {
    const facts = hostFacts(await this.output(probeScript, [this.library, this.state]))
    if (facts.lacks.length > 0)
      throw new ConvergeError(`the host lacks ${facts.lacks.join(', ')}`, {
        code: 'HOST_UNSUPPORTED',
        hint: 'install coreutils, tar, gzip and util-linux there',
      })
    if (facts.node !== null && recentEnough(facts.node.version)) {
      await this.output(nodeScript, [this.library, facts.node.path])
      return
    }
    const runtime = await runtimeFor(facts, this.library, this.options.runtimes)
    await this.bringItem(runtime)
    await this.output(nodeScript, [this.library, `${runtime.directory}/node`])
  }

  private async bringItem({ directory, what, secret, archive }: Item): Promise<void> {
    const content = await archive()
    if (content.length > 100_000) this.options.step(`${what} (${(content.length / 1e6).toFixed(1)} MB)`)
    await this.output(bringScript, [directory, secret ? '077' : '022'], content)
  }

  private stillMissing(missing: readonly string[]): ConvergeError {
    return new ConvergeError(`what was brought is gone again: ${missing.join(', ')}`, {
      code: 'REMOTE_FAILED',
      hint: 'something else removes files there, or the disk is full',
    })
  }

  private inputsOf({ documents }: Pick<RunRequest, 'documents'>): Item {
    const files = documents.map(({ name, value }, at) => {
      const path = at === 0 ? 'node.json' : `custom/${String(at).padStart(2, '0')}-${slug(name)}.json`
      return [path, { content: Buffer.from(`${JSON.stringify(value, null, 1)}\n`), mode: 0o600 }] as const
    })
    return itemOf(`${this.state}/inputs`, this.name, new Map(files), { what: 'its node', secret: true })
  }

  private needs(inputs: Item): Item[] {
    return [this.engine, ...(this.recipes ? [this.recipes] : []), inputs]
  }

  private command(
    words: readonly string[],
    { roles, documents }: Pick<RunRequest, 'roles' | 'documents'>,
    inputs: Item,
  ): string[] {
    return [...this.program(), ...words, ...this.inputWords({ roles, documents }, inputs)]
  }

  private kept(request: RunRequest, inputs: Item, needs: readonly Item[]): Kept | null {
    const { keeps, dry } = request
    if (keeps === undefined || dry) return null
    const [program, words] = [this.program(), this.inputWords(request, inputs)]
    return { keeps, engine: this.engine, needs, program, inputs: words }
  }

  private program(): string[] {
    return [`${this.library}/node`, `${this.engine.directory}/start.cjs`]
  }

  private inputWords({ roles, documents }: Pick<RunRequest, 'roles' | 'documents'>, inputs: Item): string[] {
    const { prefix } = this.options
    return [
      ...(roles.length > 0 ? ['--role', roles.join(',')] : []),
      ...['--node-json', `${inputs.directory}/node.json`],
      ...(documents.length > 1 ? ['--config-dir', `${inputs.directory}/custom`] : []),
      ...(this.recipes ? ['--recipes', this.recipes.directory] : []),
      ...(prefix === null ? [] : ['--prefix', prefix]),
    ]
  }

  /** One command's standard output. @throws where it fails */
  private async output(script: string, args: readonly string[], input?: Uint8Array): Promise<string> {
    const { process, errors } = await this.script(script, args)
    // What ended early no longer reads; why is in its exit status.
    process.stdin.on('error', () => undefined)
    process.stdin.end(input)
    const output = await textOf(process)
    const { code } = await process.ended
    if (code === 0) return output
    throw this.refusal(code, errors()) ?? this.scriptFailure(code, errors())
  }

  private async failed(process: RemoteProcess, errors: string, what: string): Promise<ConvergeError> {
    const { code } = await process.ended
    return (
      this.refusal(code, errors) ??
      new ConvergeError(`${what}: ${lastLine(errors) || `exit status ${code}`}`, {
        code: 'REMOTE_FAILED',
        hint: spaceHint(errors),
      })
    )
  }

  private scriptFailure(code: number | null, errors: string): ConvergeError {
    return new ConvergeError(`the host could not be prepared: ${lastLine(errors) || `exit status ${code}`}`, {
      code: /No space left/.test(errors) ? 'ENOSPC' : 'REMOTE_FAILED',
      output: tail(errors),
      hint: spaceHint(errors),
    })
  }

  private refusal(code: number | null, errors: string): ConvergeError | null {
    return sudoRefusal(this.options.sudo, code, errors)
  }

  private async script(script: string, args: readonly string[]) {
    return startScriptOn(await this.connected(), script, args, this.options.sudo)
  }

  private connected(): Promise<Wire> {
    if (this.wire !== null) return Promise.resolve(this.wire)
    this.connecting ??= this.opened().finally(() => {
      this.connecting = null
    })
    return this.connecting
  }

  private async opened(): Promise<Wire> {
    const wire = await this.options.open()
    void wire.closed.then(() => {
      if (this.wire === wire) this.wire = null
      this.letGo()
    })
    try {
      if (this.wantsHold) await this.hold(wire)
    } catch (error) {
      wire.close()
      throw error
    }
    this.wire = wire
    return wire
  }

  /** @throws HOST_HELD */
  private async hold(wire: Wire): Promise<void> {
    const { rollout, by, sudo } = this.options
    const who = `${by} since ${new Date().toISOString()}, converge stack ${rollout}`
    const { process, errors } = await startScriptOn(wire, holdScript, [this.state, rollout, who], sudo)
    process.stdin.on('error', () => undefined)
    const said = await firstLines(process, (text) => text.startsWith('held\n') || /^busy\n.*\n/.test(text))
    if (said.startsWith('held')) {
      const timer = setInterval(() => process.stdin.write('\n'), heartbeat)
      this.holder = { process, timer }
      return
    }
    if (!said.startsWith('busy')) throw await this.failed(process, errors(), 'the host could not be held')
    process.close()
    throw new ConvergeError(`another rollout is at work on it: ${said.split('\n')[1]}`, {
      code: 'HOST_HELD',
      hint: 'wait for it to end; a rollout whose operator is gone lets go within a minute',
    })
  }

  private letGo(): void {
    if (this.holder === null) return
    clearInterval(this.holder.timer)
    this.holder.process.stdin.end()
    this.holder = null
  }
}

/** Events that a command is named for; it takes options that the others do not. */
const commands = 'setup configure build deploy undeploy shutdown rollback rebuild start stop restart'.split(' ')

function commandOf({ events, dry }: Pick<RunRequest, 'events' | 'dry'>): string[] {
  const [only] = events
  if (only?.startsWith('hooks_')) return only.split('_')
  if (!dry && events.length === 1 && only !== undefined && commands.includes(only)) return [only]
  return [dry ? 'plan' : 'apply', '--event', events.join(',')]
}

/** What a run has told: its events, and how far its file has been read. */
class Heard {
  started = false
  bytes = 0
  status: number | undefined
  report: RunResult['report'] = null
  error: FailureReport | null = null
  private rest: Buffer = Buffer.alloc(0)
  private header = true

  constructor(private readonly hear: (event: RunEvent) => void) {}

  /** Another stream begins: with a line of its own, and with what is not known yet. */
  follow(): void {
    this.header = true
    this.rest = Buffer.alloc(0)
  }

  /** @returns what is missing, where the run was not started; undefined at the end */
  async listen(process: RemoteProcess): Promise<string[] | undefined> {
    for await (const chunk of process.stdout) {
      this.rest = Buffer.concat([this.rest, Buffer.from(chunk as Uint8Array)])
      for (let end = this.rest.indexOf(10); end >= 0; end = this.rest.indexOf(10)) {
        const line = this.rest.subarray(0, end).toString('utf8')
        this.rest = this.rest.subarray(end + 1)
        const missing = this.line(line, end + 1)
        if (missing !== undefined) return missing
        if (this.status !== undefined) {
          process.close()
          return undefined
        }
      }
    }
    return undefined
  }

  private line(line: string, bytes: number): string[] | undefined {
    const event = parsed(line)
    if (this.header) {
      if (Array.isArray(event?.missing)) return event.missing as string[]
      this.started ||= event?.started !== undefined
      this.header = event?.started === undefined
      return undefined
    }
    this.bytes += bytes
    if (event === null || typeof event.event !== 'string') return undefined
    if (event.event === 'exit') this.status = Number(event.status)
    else {
      if (event.event === 'end') this.report = isRunReport(event.report) ? event.report : null
      if (event.event === 'error') this.error = isFailure(event) ? event : null
      this.hear(event as unknown as RunEvent)
    }
    return undefined
  }
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(line) as unknown
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    // A line that was cut short by a crash, or what a login shell says of its own.
    return null
  }
}

/** What a command that looks has printed: one JSON document, or JSON lines. */
function answerOf(output: string): unknown {
  try {
    return JSON.parse(output) as unknown
  } catch {
    const lines = output.split('\n').filter((line) => line !== '')
    const values = lines.map(parsed)
    return lines.length > 0 && values.every((value) => value !== null) ? values : undefined
  }
}

async function textOf({ stdout }: RemoteProcess): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stdout) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString('utf8')
}

/** Reads until it is enough, and leaves the rest of the stream alone. */
function firstLines({ stdout }: RemoteProcess, enough: (text: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      if (enough(text)) resolve(text)
    })
    stdout.on('close', () => resolve(text))
  })
}

function tail(text: string): string {
  return text.trim().split('\n').slice(-20).join('\n')
}

function spaceHint(errors: string): string | undefined {
  return /No space left/.test(errors) ? 'free some space on the host (df -h shows where), then run again' : undefined
}

function slug(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40) || 'document'
  )
}
