/** Runs a program and measures it: wall time, CPU of the whole process tree, peak memory of its largest process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Command {
  readonly argv: readonly string[]
  readonly cwd?: string
  /** Variables in addition to a small, fixed environment, which contains none of the caller's own settings. */
  readonly environment?: Readonly<Record<string, string>>
}

export interface Figures {
  /** Seconds. */
  readonly wall: number
  /** Seconds, user and system, of the process and of all children that it waited for. */
  readonly cpu: number
  /** MiB. */
  readonly peak: number
}

export type Outcome = Figures | 'too slow'

const helper = fileURLToPath(new URL('wait4.py', import.meta.url))
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'
const running = new Set<ChildProcess>()

/** Ends all commands that are being measured, with everything they started. */
export function killAll(): void {
  for (const { pid } of running) if (pid !== undefined) killTree(pid)
}

/** Kills a process with its descendants, including those with a session of their own, such as ansible's workers. */
function killTree(root: number): void {
  const tree = new Set([root])
  // Scan twice, to find processes that were started during the first scan.
  for (let round = 0; round < 2; round++) {
    const parents = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), parentOf(name)] as const)
    for (let size = 0; size < tree.size; ) {
      size = tree.size
      for (const [pid, parent] of parents) if (parent !== null && tree.has(parent)) tree.add(pid)
    }
    for (const pid of tree) kill(pid, round === 0 ? 'SIGSTOP' : 'SIGKILL')
  }
  // Kill its group too, for processes whose parent has ended.
  kill(-root, 'SIGKILL')
}

/** Returns the parent of a process; null if it has ended. */
function parentOf(pid: string): number | null {
  try {
    return Number(/^.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1])
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Returns the environment of measured programs; `home` contains the files that they store. */
export function baseEnvironment(home: string): Record<string, string> {
  const path = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`
  return { PATH: path, HOME: home, XDG_CACHE_HOME: `${home}/.cache`, LANG: 'C.UTF-8', USER: 'root', TERM: 'dumb' }
}

/**
 * @param log file for the output of the command
 * @param limit seconds after which it is killed
 * @throws Error with the end of the output if the command fails
 */
export async function measure(command: Command, home: string, log: string, limit: number): Promise<Outcome> {
  const child = spawn(python, ['-E', '-S', helper, log, ...command.argv], {
    cwd: command.cwd ?? home,
    env: { ...baseEnvironment(home), ...command.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  running.add(child)
  let text = ''
  let late = false
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const timer = setTimeout(() => {
    late = true
    if (child.pid !== undefined) killTree(child.pid)
  }, limit * 1000)
  try {
    await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  } finally {
    clearTimeout(timer)
    running.delete(child)
  }
  if (late) return 'too slow'
  const found = text === '' ? { status: null } : (JSON.parse(text) as Figures & { status: number })
  if (found.status !== 0)
    throw new Error(`${command.argv.join(' ')}: exit status ${found.status}\n${readFileSync(log, 'utf8').slice(-2000)}`)
  const { wall, cpu, peak } = found as Figures
  return { wall, cpu, peak: peak / 1024 }
}
