/** Runs converge on a host over SSH: uploads what it lacks, starts runs, and follows them across connections. */
import { randomBytes } from 'node:crypto'
import { ConvergeError } from '../../model/errors.ts'
import type { FailureReport } from '../../report/events.ts'
import { shortFailure } from '../../report/replay.ts'
import type { HostClient, HostQuery, RunEvent, RunRequest, RunResult } from '../host_client.ts'
import { readOutput } from './answer_deadline.ts'
import { commandOptions, commandWords, queryWords } from './command_words.ts'
import { lastLines, parseQueryAnswer, parseQueryOutput, RunEventStream, reportedError } from './event_stream.ts'
import { HostConnection, type HostConnectionOptions } from './host_connection.ts'
import { inputFileArguments, inputFiles } from './host_inputs.ts'
import { type PersistedRun, persistArguments, schedulerProgram } from './installed_scripts.ts'
import { type PackedDirectory, type PackedFiles, packDirectory } from './packed_directory.ts'
import { withReconnects } from './reconnect.ts'
import { contradictoryEnd, interruptedBeforeStart, noOutput, runDied } from './run_failures.ts'
import { RunFollower } from './run_follower.ts'
import type { Runtimes } from './runtime.ts'
import { errorsScript, interruptScript, queryScript, startScript } from './scripts.ts'
import { Uploader, uploadsDisappeared } from './upload.ts'

export interface RemoteHostOptions extends HostConnectionOptions {
  readonly name: string
  /** Name of the stack. */
  readonly stack: string
  /** Prefix directory below which the account converges; null for the whole system. */
  readonly prefix: string | null
  readonly engine: PackedFiles
  /** The user's recipes as files to upload; null without. */
  readonly recipes: PackedFiles | null
  /** Texts to mask everywhere; the host receives those that occur in its documents. */
  readonly secrets: readonly string[]
  readonly runtimes: Runtimes
  /** Reports an upload that takes a while, for the screen. */
  readonly step: (text: string) => void
  readonly connection: (state: 'lost' | 'back', detail: string) => void
  /** Options of `plan` for dry runs, such as `--explain`; default: none. */
  readonly planOptions?: readonly string[]
  /** Seconds for which to retry a lost connection. */
  readonly patience: number
}

export class RemoteHost implements HostClient {
  private readonly connection: HostConnection
  private readonly uploader: Uploader
  private running: ActiveRun | null = null
  private isLost = false
  private readonly library: string
  private readonly state: string
  private readonly engine: PackedDirectory
  private readonly recipes: PackedDirectory | null

  constructor(private readonly options: RemoteHostOptions) {
    const prefix = options.prefix ?? ''
    this.library = `${prefix}/usr/local/lib/converge`
    this.state = `${prefix}/var/lib/converge/fleet`
    this.connection = new HostConnection({ ...options, connection: this.reportConnection }, this.state)
    const { runtimes, step } = options
    this.uploader = new Uploader(this.connection, { library: this.library, stateDirectory: this.state, runtimes, step })
    this.engine = packDirectory(this.library, 'engine', options.engine, { what: 'the engine', secret: false })
    this.recipes =
      options.recipes &&
      packDirectory(this.library, 'recipes', options.recipes, { what: 'your recipes', secret: false })
  }

  get name(): string {
    return this.options.name
  }

  /** Reports a loss and its end once: the lock and a run may both notice them. */
  private readonly reportConnection = (state: 'lost' | 'back', detail: string): void => {
    if ((state === 'lost') === this.isLost) return
    this.isLost = state === 'lost'
    this.options.connection(state, detail)
  }

  async connect(hold: boolean): Promise<void> {
    await this.connection.connect(hold)
  }

  async run(request: RunRequest, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const run = `${this.options.rollout}-${randomBytes(4).toString('hex')}`
    const running = new ActiveRun(run)
    if (!request.isDryRun) this.connection.addOwnRun(run)
    this.running = running
    try {
      return await this.runUnder(running, request, (event) => {
        if (event.event === 'start') running.markBegun()
        onEvent(event)
      })
    } finally {
      this.running = null
      running.markBegun()
    }
  }

  /**
   * Runs the request. After a lost connection, the run is followed again; if it has not begun, what comes before it is
   * repeated. The script starts a run of this name only once.
   */
  private async runUnder(
    running: ActiveRun,
    request: RunRequest,
    onEvent: (event: RunEvent) => void,
  ): Promise<RunResult> {
    const { run } = running
    const inputs = this.inputsOf(request)
    const requiredDirectories = this.needs(inputs)
    const events = new RunEventStream(onEvent)
    const { patience } = this.options
    const connection = this.reportConnection
    const follower = new RunFollower(this.connection, events, { runs: `${this.state}/runs`, run, patience, connection })
    const call = [
      ...this.commandLine(commandWords(request.command, request.isDryRun, this.options.planOptions), request, inputs),
      // The host's own scheduler may be running: its run may take this many seconds to finish.
      ...(request.isDryRun ? [] : this.rolloutOptions(request)),
      '--json-output',
      ...commandOptions(request.command, schedulerProgram(this.library)),
    ]
    const start = () =>
      this.connection.runScript(startScript, [
        this.library,
        `${this.state}/runs`,
        run,
        requiredDirectories.map(({ directory }) => directory).join('\n'),
        ...persistArguments(this.persistedRun(request, inputs, requiredDirectories)),
        request.isDryRun ? '' : `${run} ${this.connection.describe()}`,
        ...call,
      ])
    const mayRepeat = () => !events.isStarted && !running.isInterrupted && !this.connection.closed
    await withReconnects({ patience, connection, mayRepeat }, async (connected) => {
      for (let uploaded = false; ; uploaded = true) {
        if (running.isInterrupted) throw interruptedBeforeStart()
        const started = await start()
        connected()
        const missing = await follower.follow(started.process)
        if (missing === null) return
        if (missing === 'silent') throw await this.connection.startFailure(started, 'the run could not be started')
        if (uploaded) throw uploadsDisappeared(missing)
        await this.uploader.uploadMissing(missing, requiredDirectories, () => running.isInterrupted)
      }
    })
    return this.resultOf(run, events)
  }

  async query(query: HostQuery, request: Pick<RunRequest, 'roles' | 'documents'>): Promise<unknown> {
    const inputs = this.inputsOf(request)
    const needs = this.needs(inputs)
    for (let hasUploaded = false; ; hasUploaded = true) {
      const started = await this.connection.runScript(queryScript, [
        this.library,
        needs.map(({ directory }) => directory).join('\n'),
        ...this.commandLine(queryWords(query), request, inputs),
        '--json-output',
      ])
      const { output, code } = await readOutput(started.process, this.connection.limits)
      const parsed = parseQueryOutput(output)
      if ('missing' in parsed) {
        if (hasUploaded) throw uploadsDisappeared(parsed.missing)
        await this.uploader.uploadMissing(parsed.missing, needs)
        continue
      }
      const { answer } = parsed
      const value = parseQueryAnswer(answer)
      const error = reportedError(value)
      if (error !== null) throw error
      if (value !== undefined) return value
      // JSON lines, without any.
      if (code === 0 && answer === '' && query === 'revisions') return []
      throw (
        this.connection.sudoFailure(code, started) ??
        new ConvergeError(`converge ${queryWords(query).join(' ')} gave no answer on the host`, {
          code: 'REMOTE_FAILED',
          output: lastLines(started.errors() || answer),
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
    running.isInterrupted = true
    if (!this.connection.isConnected || (await this.sendInterrupt(running.run))) return
    // The run is being started: interrupt it when its engine has begun.
    await running.begun
    if (this.running === running) await this.sendInterrupt(running.run)
  }

  private async sendInterrupt(run: string): Promise<boolean> {
    return (await this.connection.runForOutput(interruptScript, [`${this.state}/runs`, run])) !== ''
  }

  close(): void {
    this.connection.close()
  }

  private async resultOf(run: string, events: RunEventStream): Promise<RunResult> {
    const { status, report, error } = events
    if (status === undefined) {
      const errorOutput = await this.connection.runForOutput(errorsScript, [`${this.state}/runs`, run]).catch(() => '')
      return { status: null, report: null, failure: runDied('the run was killed, or its host was', errorOutput) }
    }
    if (status === 0 && (report === null || isFailed(report)))
      return { status, report, failure: error ?? (events.hasEvents ? contradictoryEnd(report) : noOutput) }
    const failed = report?.resources.find(({ failure, ignored }) => failure !== undefined && ignored !== true)?.failure
    const failure =
      (failed && shortFailure(failed)) ??
      error ??
      (status === 0 || isFailed(report) ? null : await this.unexplainedFailure(run, status))
    return { status, report, failure }
  }

  private async unexplainedFailure(run: string, status: number): Promise<FailureReport> {
    const errorOutput = await this.connection.runForOutput(errorsScript, [`${this.state}/runs`, run])
    // A shell adds 128 to the signal; out of memory, the kernel sends signal 9.
    if (status > 128) return runDied(`the run was killed by signal ${status - 128}`, errorOutput)
    return {
      code: 'REMOTE_FAILED',
      message: `converge ended with exit status ${status}`,
      output: lastLines(errorOutput),
    }
  }

  private inputsOf({ documents }: Pick<RunRequest, 'documents'>): PackedDirectory {
    const files = inputFiles(documents, this.options.secrets)
    return packDirectory(`${this.state}/inputs`, this.name, files, { what: 'its node', secret: true })
  }

  private needs(inputs: PackedDirectory): PackedDirectory[] {
    return [this.engine, ...(this.recipes ? [this.recipes] : []), inputs]
  }

  private commandLine(
    words: readonly string[],
    { roles, documents }: Pick<RunRequest, 'roles' | 'documents'>,
    inputs: PackedDirectory,
  ): string[] {
    return [...this.program(), ...words, ...this.inputArguments({ roles, documents }, inputs)]
  }

  private rolloutOptions({ absentHosts = [] }: RunRequest): string[] {
    return [
      '--wait',
      '600',
      '--by',
      this.options.by,
      '--coordinated',
      ...(absentHosts.length === 0 ? [] : ['--absent-hosts', absentHosts.join(',')]),
    ]
  }

  private persistedRun(
    request: RunRequest,
    inputs: PackedDirectory,
    needs: readonly PackedDirectory[],
  ): PersistedRun | null {
    const { persist, isDryRun } = request
    if (persist === undefined || isDryRun) return null
    const [program, words] = [this.program(), this.inputArguments(request, inputs)]
    return { mode: persist, stack: this.options.stack, engine: this.engine, required: needs, program, inputs: words }
  }

  private program(): string[] {
    return [`${this.library}/node`, `${this.engine.directory}/start.cjs`]
  }

  private inputArguments(
    { roles, documents }: Pick<RunRequest, 'roles' | 'documents'>,
    inputs: PackedDirectory,
  ): string[] {
    const { prefix } = this.options
    return [
      ...(roles.length > 0 ? ['--role', roles.join(',')] : []),
      ...inputFileArguments(documents, inputs.directory),
      ...(this.recipes ? ['--recipes', this.recipes.directory] : []),
      ...(prefix === null ? [] : ['--prefix', prefix]),
    ]
  }
}

/** A run on the host, from its first upload. */
class ActiveRun {
  /** Whether it was interrupted. */
  isInterrupted = false
  /** Resolved when its engine has begun, or will not begin. */
  readonly begun: Promise<void>
  markBegun: () => void = () => undefined

  constructor(readonly run: string) {
    this.begun = new Promise((resolve) => {
      this.markBegun = resolve
    })
  }
}

/** Decides whether the report itself explains an exit status other than 0. */
function isFailed(report: RunResult['report']): boolean {
  return report?.outcome === 'failed' || report?.outcome === 'interrupted'
}
