/** The processes of a service, by proc(5): which of them runs, and since when. */
import type { HostReader } from '../../core/host/types.ts'
import { digestOf } from '../../core/model/json.ts'

/** A service as it ran at some moment. */
export interface Running {
  /** Its main process: another text after it was started, or has executed its program, anew. */
  readonly main: string
  readonly workers: readonly string[]
}

/** Null where that cannot be told. */
export function runningOf(host: HostReader, pid: number): Running | null {
  const main = pid === 0 ? null : processOf(host, pid)
  if (main === null) return null
  // Its addresses differ each time that a program is executed: HAProxy and php-fpm reload in that way.
  const vector = readable(() => host.readBytes(`/proc/${pid}/auxv`))?.toString('base64') ?? ''
  const workers = childrenOf(host, pid).flatMap((child) => processOf(host, child) ?? [])
  return { main: `${main} ${digestOf(vector).slice(0, 16)}`, workers }
}

/** Whether the service has neither been started nor reloaded since then. False where that cannot be told. */
export function stillRuns(host: HostReader, then: Running, pid: number): boolean {
  const now = runningOf(host, pid)
  if (now === null || now.main !== then.main) return false
  const kept = then.workers.filter((worker) => now.workers.includes(worker))
  return then.workers.length === 0 || kept.some((worker) => !isLeaving(host, Number(worker.split(' ')[0])))
}

/** The processes that one has started, by proc_pid_task_children(5); none where that cannot be told. */
export function childrenOf(host: HostReader, pid: number): number[] {
  const text = pid === 0 ? '' : (readable(() => host.readText(`/proc/${pid}/task/${pid}/children`)) ?? '')
  return text.split(/\s+/).flatMap((word) => (word === '' ? [] : [Number(word)]))
}

/** nginx gives this name to a worker that finishes its requests and accepts no new ones. */
export function isLeaving(host: HostReader, pid: number): boolean {
  return (readable(() => host.readText(`/proc/${pid}/cmdline`)) ?? '').includes('shutting down')
}

/** A process by its number and its start; null for none. Its name may contain blanks and parentheses. */
function processOf(host: HostReader, pid: number): string | null {
  const stat = readable(() => host.readText(`/proc/${pid}/stat`)) ?? null
  const started = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return started === undefined ? null : `${pid} ${started}`
}

/** A process may end while it is read, or belong to somebody else. */
function readable<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
