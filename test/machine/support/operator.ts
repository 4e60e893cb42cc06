/**
 * Provides the operator's end of a fleet: a directory with a stack file, an account with keys, and the built program.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FleetEvent, HostOutcome, RolloutReport } from '../../../core/fleet/types.ts'
import { waitUntil } from '../../support/wait_until.ts'
import type { TestNetwork } from './hosts.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** The events printed with --json-output. */
  readonly events: readonly FleetEvent[]
  readonly report: RolloutReport | undefined
}

export function outcomes({ report }: Outcome): Readonly<Record<string, HostOutcome>> {
  return Object.fromEntries((report?.hosts ?? []).map(({ host, outcome }) => [host, outcome]))
}

/** Returns hosts in the order in which they began a phase, with those of one batch together. */
export function batches({ events }: Outcome, phase: string): string[] {
  return events.flatMap((event) => (event.event === 'phase' && event.phase === phase ? event.hosts.join(' ') : []))
}

/** A command of the operator that is running. */
export class RunningCommand {
  readonly ended: Promise<Outcome>
  private output = ''
  /** Standard error so far. */
  errors = ''

  constructor(private readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.ended = new Promise((resolve) => {
      child.on('close', (status) => {
        const { events, errors } = this
        const report = events.findLast((event) => event.event === 'end')?.report
        resolve({ status, stdout: this.output, stderr: errors, events, report })
      })
    })
  }

  /** Standard output so far. */
  get text(): string {
    return this.output
  }

  get events(): readonly FleetEvent[] {
    return this.output.split('\n').flatMap((line) => (line.startsWith('{') ? [parsed(line)].flat() : []))
  }

  /** Waits for an event that passes the test. */
  async until(test: (event: FleetEvent) => boolean, what: string): Promise<void> {
    await waitUntil(() => this.events.some(test), what)
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}

/** Parses a line; a line that is still being written is ignored. */
function parsed(line: string): FleetEvent | never[] {
  try {
    return JSON.parse(line) as FleetEvent
  } catch {
    return []
  }
}

/** Copies the program, so that a build during the test does not reach half of the hosts. */
function programIn(directory: string): string {
  const programDirectory = `${directory}/program`
  if (!existsSync(programDirectory)) {
    cpSync(`${project}/dist`, `${programDirectory}/dist`, {
      recursive: true,
      filter: (path) => !path.endsWith('/types'),
    })
    symlinkSync(`${project}/node_modules`, `${programDirectory}/node_modules`)
  }
  return `${programDirectory}/dist/start.cjs`
}

export class Operator {
  readonly directory: string
  readonly home: string
  /** Path of the copy. */
  readonly program: string

  /**
   * @param name another operator of the same network has a different home, and shares the stack's directory if
   *   requested
   */
  constructor(network: TestNetwork, name = 'operator', directory = `${network.directory}/stack`) {
    this.directory = directory
    this.home = `${network.directory}/${name}-home`
    mkdirSync(`${this.home}/.ssh`, { recursive: true, mode: 0o700 })
    mkdirSync(directory, { recursive: true })
    this.program = programIn(network.directory)
    writeFileSync(
      `${this.home}/.ssh/config`,
      `Host *\n  IdentityFile ${network.operator.file}\n  UserKnownHostsFile ${network.knownHosts}\n  ConnectTimeout 5\n`,
    )
  }

  write(files: Readonly<Record<string, string | object>>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = `${this.directory}/${name}`
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2))
    }
  }

  read(name: string): string | null {
    const path = `${this.directory}/${name}`
    return existsSync(path) ? readFileSync(path, 'utf8') : null
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCommand {
    const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, this.program, 'stack', ...args], {
      cwd: this.directory,
      // Without a terminal, so that the program cannot ask questions.
      detached: true,
      env: { PATH: process.env.PATH, HOME: this.home, LANG: 'C.UTF-8', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return new RunningCommand(child)
  }

  /** Runs a command with its output in a pipe, without --json-output. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    return this.start(args, env).ended
  }

  json(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    return this.run([...args, '--json-output'], env)
  }
}
