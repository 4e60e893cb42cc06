/** Identifies the processes of a service, by proc(5): which of them run, and since when. */
import type { HostReader } from '../../../core/host/types.ts'
import { digestOf } from '../../../core/model/json.ts'

/** The processes of a service at some moment. */
export interface Running {
  /** Identifies its main process: the text changes when the process starts, or executes its program again. */
  readonly main: string
  readonly workers: readonly string[]
}

/** Returns the processes; null if they are unknown. */
export function runningOf(host: HostReader, pid: number): Running | null {
  const main = pid === 0 ? null : processOf(host, pid)
  if (main === null) return null
  // The addresses differ each time that a program is executed: HAProxy and php-fpm reload in that way.
  const vector = readable(() => host.readBytes(`/proc/${pid}/auxv`))?.toString('base64') ?? ''
  const workers = childrenOf(host, pid).flatMap((child) => processOf(host, child) ?? [])
  return { main: `${main} ${digestOf(vector).slice(0, 16)}`, workers }
}

/** Decides whether the service has neither been started nor reloaded since then. False if that is unknown. */
export function stillRuns(host: HostReader, then: Running, pid: number): boolean {
  const now = runningOf(host, pid)
  if (now === null || now.main !== then.main) return false
  const kept = then.workers.filter((worker) => now.workers.includes(worker))
  return then.workers.length === 0 || kept.some((worker) => !isLeaving(host, Number(worker.split(' ')[0])))
}

/** Returns the child processes, by proc_pid_task_children(5); none if they are unknown. */
export function childrenOf(host: HostReader, pid: number): number[] {
  const text = pid === 0 ? '' : (readable(() => host.readText(`/proc/${pid}/task/${pid}/children`)) ?? '')
  return text.split(/\s+/).flatMap((word) => (word === '' ? [] : [Number(word)]))
}

/**
 * Decides whether a worker of nginx is leaving: nginx gives it this name while it finishes its requests and accepts no
 * more.
 */
export function isLeaving(host: HostReader, pid: number): boolean {
  return (readable(() => host.readText(`/proc/${pid}/cmdline`)) ?? '').includes('shutting down')
}

/**
 * Identifies a process by its number and its start; null if there is none. Its name may contain blanks and parentheses.
 */
function processOf(host: HostReader, pid: number): string | null {
  const stat = readable(() => host.readText(`/proc/${pid}/stat`)) ?? null
  const started = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return started === undefined ? null : `${pid} ${started}`
}

/** Reads a file of a process, which may end meanwhile, or belong to another account: null then. */
function readable<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
