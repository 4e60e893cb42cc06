/**
 * Ends the commands of a run that is killed, and keeps the next run from starting while one of them is still running.
 *
 * Each changing command has a file in `commands/` of the state directory while it runs, and a marker of its own in its
 * environment. A helper process waits for the end of converge: the pipe between them closes, whatever the cause. For each
 * file that is left then, it ends the processes that carry the marker, that belong to the command's session, and their
 * descendants. See docs/decisions/0014-commands-of-a-killed-run.md.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { ConvergeError } from '../model/errors.ts'
import { withPathInErrors } from '../model/file_errors.ts'
import type { Duration } from '../model/units.ts'
import { endCommandsScript, markerName } from './end_commands.ts'
import { bootId, startTicks } from './proc.ts'
import { makePrivateDirectories } from './state_directory.ts'

/** A command between its registration and its end. */
export interface GuardedCommand {
  /** Variables added to its environment, which identify its processes. */
  readonly environment: Readonly<Record<string, string>>
  started(pid: number): void
  ended(): void
  /** Signals all its processes, also those outside its process group. */
  signal(signal: NodeJS.Signals): void
}

/** A process of an earlier run's command. */
export interface RunningCommand {
  readonly pid: number
  readonly command: string
}

const directoryName = 'commands'
/** How long `close` waits for the helper, which has nothing to do at that time. */
const helperTimeoutMs = 1000
const longestCommand = 120

export class CommandGuard {
  private helper: ChildProcess | undefined
  private count = 0
  private boot = ''

  constructor(private readonly stateDirectory: string) {}

  /**
   * Registers a command before it starts.
   * @param outlivesRun it must not be interrupted: the next run waits for it
   * @returns null without a state directory: nothing waits for this run
   */
  begin(outlivesRun: boolean): GuardedCommand | null {
    if (this.helper === undefined && !fs.existsSync(this.stateDirectory)) return null
    this.startHelper()
    this.count += 1
    const path = `${this.stateDirectory}/${directoryName}/${process.pid}-${this.count}`
    const marker = randomBytes(16).toString('hex')
    const file = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC, 0o600)
    const write = (text: string) => withPathInErrors(path, () => fs.writeSync(file, text))
    try {
      write(outlivesRun ? 'finish -\n' : `end ${marker}\n`)
    } catch (error) {
      fs.closeSync(file)
      fs.rmSync(path, { force: true })
      throw error
    }
    return {
      environment: outlivesRun ? {} : { [markerName]: marker },
      started: (pid) => {
        try {
          write(`${pid} ${startTicks(pid) ?? 0} ${this.boot}\n`)
        } catch {
          // The disk is full, and the command runs already: its marker is enough.
        }
      },
      ended: () => {
        fs.closeSync(file)
        fs.rmSync(path, { force: true })
      },
      signal: (signal) => {
        for (const pid of processesOf(path)) signalProcess(pid, signal)
      },
    }
  }

  /** Lets the helper end: no command is running any more. */
  async close(): Promise<void> {
    const { helper } = this
    this.helper = undefined
    if (helper === undefined || helper.exitCode !== null || helper.pid === undefined) return
    const ended = new Promise((resolve) => helper.once('exit', resolve))
    helper.stdin?.end()
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise((resolve) => {
      timer = setTimeout(resolve, helperTimeoutMs)
    })
    await Promise.race([ended, timeout])
    clearTimeout(timer)
  }

  private startHelper(): void {
    if (this.helper !== undefined) return
    makePrivateDirectories(this.stateDirectory, directoryName)
    this.boot = bootId()
    const directory = `${this.stateDirectory}/${directoryName}`
    // In a session of its own, which signals to the process group of converge do not reach.
    const helper = spawn('/bin/sh', ['-c', endCommandsScript, 'converge-guard', 'guard', directory, `${process.pid}`], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    helper.on('error', () => undefined)
    helper.stdin?.on('error', () => undefined)
    helper.unref()
    ;(helper.stdin as unknown as { unref?: () => void } | null)?.unref?.()
    this.helper = helper
  }
}

/**
 * Waits until all commands of earlier runs have ended. The caller holds the lock of runs.
 * @param run number of the last run
 * @returns whether it waited
 * @throws ConvergeError COMMAND_STILL_RUNNING
 */
export async function awaitCommandsOf(
  run: string,
  stateDirectory: string,
  wait: Duration,
  onWait: (message: string) => void,
): Promise<boolean> {
  const deadline = performance.now() + wait.ms
  for (let waiting = false; ; waiting = true) {
    const running = findRunningCommand(`${stateDirectory}/${directoryName}`)
    if (running === null) return waiting
    const { pid, command } = running
    const message = `a command of the interrupted run ${run} is still running: pid ${pid} (${command})`
    if (performance.now() >= deadline)
      throw new ConvergeError(message, {
        code: 'COMMAND_STILL_RUNNING',
        hint: `wait until it ends, or end it (kill ${pid}), then run again; --wait SECONDS waits longer`,
      })
    if (!waiting) onWait(message)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Finds a command of an earlier run that is still running, and removes the files of those that have ended. */
function findRunningCommand(directory: string): RunningCommand | null {
  for (const name of markerNames(directory)) {
    const path = `${directory}/${name}`
    const [pid] = processesOf(path)
    if (pid !== undefined) return { pid, command: commandLine(pid) }
    fs.rmSync(path, { force: true, recursive: true })
  }
  return null
}

function markerNames(directory: string): string[] {
  try {
    return fs.readdirSync(directory)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

/** Lists the processes of the command of a file, its own process first. */
function processesOf(path: string): number[] {
  const args = ['-c', endCommandsScript, 'converge-guard', 'list', path, bootId()]
  const { stdout } = spawnSync('/bin/sh', args, { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
  return (stdout ?? '').split(/\s+/).flatMap((word) => (/^\d+$/.test(word) ? [Number(word)] : []))
}

function commandLine(pid: number): string {
  try {
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
    return words.length > longestCommand ? `${words.slice(0, longestCommand - 1)}…` : words
  } catch {
    return 'ended meanwhile'
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
