/**
 * Runs `converge` as a process of its own session, which continues when the console ends. Everything about it is in its
 * directory: events, errors, its process, and its exit status. So a console that starts again finds it.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { bootId, startTicks } from '../../host/proc.ts'
import { ConvergeError } from '../../model/errors.ts'

/** Files in the directory of a process. */
export const processFiles = { events: 'events.jsonl', errors: 'errors.txt' } as const

/**
 * `ln` decides between two starts of the same process: a console that was killed does not know whether it has started
 * one. The lines of /proc name the boot, the process and when it began, because its number may belong to another one later.
 * The shell survives the interrupt that the process group gets, so that it can record the exit status. The subshell does
 * not, and becomes the command: from the record on, there is no moment at which an interrupt is lost.
 */
const script = `cd "$1" || exit 1; shift; directory=$1; shift
umask 077
trap : INT TERM
(
  cat /proc/sys/kernel/random/boot_id "/proc/$$/stat" > "$directory/process.$$" || exit 1
  ln "$directory/process.$$" "$directory/process" 2>/dev/null || exit 0
  exec "$@" > "$directory/events.jsonl" 2> "$directory/errors.txt" < /dev/null
)
status=$?
if [ "$directory/process.$$" -ef "$directory/process" ]; then
  echo "$status" > "$directory/status.new" && mv "$directory/status.new" "$directory/status"
fi
rm -f "$directory/process.$$"`

export interface ProcessOptions {
  /** Directory for its files; created with mode 0700. */
  readonly directory: string
  /** Its working directory. */
  readonly cwd: string
}

export type ProcessState =
  | { readonly kind: 'not started' }
  | { readonly kind: 'running'; readonly group: number }
  | { readonly kind: 'ended'; readonly status: number }
  /** It ended without a status: it was killed, or the computer restarted. */
  | { readonly kind: 'lost' }

/**
 * Starts a command, unless it was started in this directory before. Resolves when the process is recorded, so that it can
 * be interrupted.
 * @throws NO_PROCESS
 */
export async function startProcess(argv: readonly string[], { directory, cwd }: ProcessOptions): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const args = ['-c', script, 'converge-console', cwd, directory, ...argv]
  const child = spawn('/bin/sh', args, { detached: true, stdio: 'ignore' })
  child.unref()
  const ended = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(message))
    child.once('exit', () => resolve(`nothing could be recorded in ${directory}, or ${cwd} does not exist`))
  })
  let failure: string | undefined
  void ended.then((reason) => {
    failure = reason
  })
  while (processState(directory).kind === 'not started') {
    if (failure !== undefined && processState(directory).kind === 'not started')
      throw new ConvergeError(`cannot start converge: ${failure}`, {
        code: 'NO_PROCESS',
        hint: 'check the directory of the stack file, free disk space, and the limits of processes of the console',
      })
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function processState(directory: string): ProcessState {
  const status = readOrNull(`${directory}/status`)
  if (status !== null) return { kind: 'ended', status: Number(status) }
  const recorded = readOrNull(`${directory}/process`)
  if (recorded === null) return { kind: 'not started' }
  const { boot, pid, start } = parseProcess(recorded)
  if (boot === bootId() && startTicks(pid) === start) return { kind: 'running', group: pid }
  // It may have ended since the status was looked for.
  const late = readOrNull(`${directory}/status`)
  return late === null ? { kind: 'lost' } : { kind: 'ended', status: Number(late) }
}

/** Interrupts a process as Ctrl-C on a terminal does. */
export function interruptProcess(directory: string): void {
  const state = processState(directory)
  if (state.kind !== 'running') return
  try {
    process.kill(-state.group, 'SIGINT')
  } catch (error) {
    // It has ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Reads the boot, the number of the process and its start time from what the script has recorded. */
function parseProcess(text: string): { readonly boot: string; readonly pid: number; readonly start: string } {
  const [boot = '', stat = ''] = text.split('\n')
  const [pid = ''] = stat.split(' ', 1)
  // The second field is the name of the program in parentheses, which may contain blanks.
  const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { boot, pid: Number(pid), start: rest[19] ?? '' }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
