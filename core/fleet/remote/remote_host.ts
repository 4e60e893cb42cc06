/** Runs converge on a host over SSH: uploads what it lacks, starts runs, and follows them across connections. */
import { randomBytes } from 'node:crypto'
import { ConvergeError } from '../../model/errors.ts'
import type { FailureReport } from '../../report/events.ts'
import { shortFailure } from '../../report/replay.ts'
import type { FleetHost, RunEvent, RunRequest, RunResult } from '../rollout/fleet_host.ts'
import { outputOf } from './answer_deadline.ts'
import { Bringing, stillMissing } from './bringing.ts'
import { type Kept, keptWords, ownCommand } from './by_itself.ts'
import { answerOf, askedOf, Heard, tail } from './heard.ts'
import { inputFiles, inputFileWords } from './inputs.ts'
import { type Files, type Item, itemOf } from './items.ts'
import { Link, type LinkOptions } from './link.ts'
import { died, notBegun, silent, unproven } from './run_failures.ts'
import { RunFollower } from './run_follower.ts'
import type { Runtimes } from './runtime.ts'
import { askScript, errorsScript, interruptScript, startScript } from './scripts.ts'

export interface RemoteHostOptions extends LinkOptions {
  readonly name: string
  /** Prefix directory below which the account converges; null for the whole system. */
  readonly prefix: string | null
  readonly engine: Files
  /** The user's recipes as files to upload; null without. */
  readonly recipes: Files | null
  /** Texts to mask everywhere; the host receives those that occur in its documents. */
  readonly secrets: readonly string[]
  readonly runtimes: Runtimes
  /** Reports an upload that takes a while, for the screen. */
  readonly step: (text: string) => void
  readonly connection: (state: 'lost' | 'back', detail: string) => void
  /** How long to retry a lost connection. Seconds. */
  readonly patience: number
}

export class RemoteHost implements FleetHost {
  private readonly link: Link
  private readonly bringing: Bringing
  private running: Running | null = null
  private readonly library: string
  private readonly state: string
  private readonly engine: Item
  private readonly recipes: Item | null

  constructor(private readonly options: RemoteHostOptions) {
    const prefix = options.prefix ?? ''
    this.library = `${prefix}/usr/local/lib/converge`
    this.state = `${prefix}/var/lib/converge/fleet`
    this.link = new Link(options, this.state)
    const { runtimes, step } = options
    this.bringing = new Bringing(this.link, { library: this.library, state: this.state, runtimes, step })
    this.engine = itemOf(this.library, 'engine', options.engine, { what: 'the engine', secret: false })
    this.recipes =
      options.recipes && itemOf(this.library, 'recipes', options.recipes, { what: 'your recipes', secret: false })
  }

  get name(): string {
    return this.options.name
  }

  async connect(hold: boolean): Promise<void> {
    await this.link.connect(hold)
  }

  async run(request: RunRequest, hear: (event: RunEvent) => void): Promise<RunResult> {
    const run = `${this.options.rollout}-${randomBytes(4).toString('hex')}`
    const running = new Running(run)
    this.running = running
    try {
      return await this.runNamed(running, request, (event) => {
        if (event.event === 'start') running.begins()
        hear(event)
      })
    } finally {
      this.running = null
      running.begins()
    }
  }

  /** Runs the request. A lost connection is a failure before the run has started; later, the run is followed again. */
  private async runNamed(running: Running, request: RunRequest, hear: (event: RunEvent) => void): Promise<RunResult> {
    const { run } = running
    const inputs = this.inputsOf(request)
    const needs = this.needs(inputs)
    const heard = new Heard(hear)
    const { patience, connection } = this.options
    const follower = new RunFollower(this.link, heard, { runs: `${this.state}/runs`, run, patience, connection })
    const call = [
      ...this.command(commandOf(request), request, inputs),
      // The host's own scheduler may be running: its run may take this many seconds to finish.
      ...(request.dry ? [] : ['--wait', '600', '--by', this.options.by, '--coordinated']),
      ...['--json-output', ...request.options],
      ...(request.events.includes('hooks_install') ? ['--program', ownCommand(this.library), '--bare'] : []),
    ]
    for (let brought = false; ; brought = true) {
      if (running.isOver) throw notBegun()
      const started = await this.link.script(startScript, [
        this.library,
        `${this.state}/runs`,
        run,
        needs.map(({ directory }) => directory).join('\n'),
        ...keptWords(this.kept(request, inputs, needs)),
        ...call,
      ])
      const missing = await follower.follow(started.process)
      if (missing === null) break
      if (missing === 'silent') throw await this.link.failed(started, 'the run could not be started')
      if (brought) throw stillMissing(missing)
      await this.bringing.bring(missing, needs, () => running.isOver)
    }
    return this.resultOf(run, heard)
  }

  async ask(words: readonly string[], request: Pick<RunRequest, 'roles' | 'documents'>): Promise<unknown> {
    const inputs = this.inputsOf(request)
    const needs = this.needs(inputs)
    for (let brought = false; ; brought = true) {
      const started = await this.link.script(askScript, [
        this.library,
        needs.map(({ directory }) => directory).join('\n'),
        ...this.command(words, request, inputs),
        '--json-output',
      ])
      const { output, code } = await outputOf(started.process, this.link.limits)
      const asked = askedOf(output)
      if ('missing' in asked) {
        if (brought) throw stillMissing(asked.missing)
        await this.bringing.bring(asked.missing, needs)
        continue
      }
      const { said } = asked
      const value = answerOf(said)
      if (value !== undefined) return value
      // JSON lines, without any.
      if (code === 0 && said === '') return []
      throw (
        this.link.refusal(code, started) ??
        new ConvergeError(`converge ${words.join(' ')} gave no answer on the host`, {
          code: 'REMOTE_FAILED',
          output: tail(started.errors() || said),
          hint:
            code === 0
              ? 'remove what your recipes print to standard output, or print it to standard error: console.error'
              : undefined,
        })
      )
    }
  }

  async interrupt(): Promise<void> {
    const { running } = this
    if (running === null) return
    running.isOver = true
    if (!this.link.connectedNow || (await this.hasHeard(running.run))) return
    // The run is being started: interrupt it when its engine has begun.
    await running.begun
    if (this.running === running) await this.hasHeard(running.run)
  }

  private async hasHeard(run: string): Promise<boolean> {
    return (await this.link.output(interruptScript, [`${this.state}/runs`, run])) !== ''
  }

  close(): void {
    this.link.close()
  }

  private async resultOf(run: string, heard: Heard): Promise<RunResult> {
    const { status, report, error } = heard
    if (status === undefined) {
      const said = await this.link.output(errorsScript, [`${this.state}/runs`, run]).catch(() => '')
      return { status: null, report: null, failure: died('the run was killed, or its host was', said) }
    }
    if (status === 0 && (report === null || isFailed(report)))
      return { status, report, failure: error ?? (heard.told ? unproven(report) : silent) }
    const failed = report?.resources.find(({ failure, ignored }) => failure !== undefined && ignored !== true)?.failure
    const failure =
      (failed && shortFailure(failed)) ??
      error ??
      (status === 0 || isFailed(report) ? null : await this.unexplained(run, status))
    return { status, report, failure }
  }

  private async unexplained(run: string, status: number): Promise<FailureReport> {
    const said = await this.link.output(errorsScript, [`${this.state}/runs`, run])
    // A shell adds 128 to the signal; out of memory, the kernel sends signal 9.
    if (status > 128) return died(`the run was killed by signal ${status - 128}`, said)
    return { code: 'REMOTE_FAILED', message: `converge ended with exit status ${status}`, output: tail(said) }
  }

  private inputsOf({ documents }: Pick<RunRequest, 'documents'>): Item {
    const files = inputFiles(documents, this.options.secrets)
    return itemOf(`${this.state}/inputs`, this.name, files, { what: 'its node', secret: true })
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
      ...inputFileWords(documents, inputs.directory),
      ...(this.recipes ? ['--recipes', this.recipes.directory] : []),
      ...(prefix === null ? [] : ['--prefix', prefix]),
    ]
  }
}

/** A run on the host, from its first upload. */
class Running {
  /** Whether it was interrupted. */
  isOver = false
  /** Resolved when its engine has begun, or will not begin. */
  readonly begun: Promise<void>
  begins: () => void = () => undefined

  constructor(readonly run: string) {
    this.begun = new Promise((resolve) => {
      this.begins = resolve
    })
  }
}

/** Decides whether the report itself explains an exit status other than 0. */
function isFailed(report: RunResult['report']): boolean {
  return report?.outcome === 'failed' || report?.outcome === 'interrupted'
}

/** Events with a command of the same name, which takes options that `plan` and `apply` do not. */
const commands = 'setup configure build deploy undeploy shutdown rollback rebuild start stop restart'.split(' ')

function commandOf({ events, dry }: Pick<RunRequest, 'events' | 'dry'>): string[] {
  const [only] = events
  const how = dry ? ['--dry-run'] : []
  if (only?.startsWith('hooks_')) return [...only.split('_'), ...how]
  if (events.length === 1 && only !== undefined && commands.includes(only)) return [only, ...how]
  return [dry ? 'plan' : 'apply', '--event', events.join(',')]
}
