/** Identifies the processes of a service, by proc(5): which of them run, and since when. */
import type { HostReader } from '../../../core/host/types.ts'
import { digestOf } from '../../../core/model/json.ts'

/** The processes of a service at one time. */
export interface ServiceProcesses {
  /** Identifies its main process: the text changes when the process starts, or executes its program again. */
  readonly main: string
  readonly workers: readonly string[]
}

/** Returns the processes; null if they are unknown. */
export function readProcesses(host: HostReader, pid: number): ServiceProcesses | null {
  const main = pid === 0 ? null : processIdentity(host, pid)
  if (main === null) return null
  // The addresses differ each time that a program is executed: HAProxy and php-fpm reload in that way.
  const vector = nullIfUnreadable(() => host.readBytes(`/proc/${pid}/auxv`))?.toString('base64') ?? ''
  const workers = childPids(host, pid).flatMap((child) => processIdentity(host, child) ?? [])
  return { main: `${main} ${digestOf(vector).slice(0, 16)}`, workers }
}

/** Decides whether the service has neither been started nor reloaded since then. False if that is unknown. */
export function hasSameProcesses(host: HostReader, then: ServiceProcesses, pid: number): boolean {
  const now = readProcesses(host, pid)
  if (now === null || now.main !== then.main) return false
  const kept = then.workers.filter((worker) => now.workers.includes(worker))
  return then.workers.length === 0 || kept.some((worker) => !isShuttingDown(host, Number(worker.split(' ')[0])))
}

/** Returns the child processes, by proc_pid_task_children(5); none if they are unknown. */
export function childPids(host: HostReader, pid: number): number[] {
  const text = pid === 0 ? '' : (nullIfUnreadable(() => host.readText(`/proc/${pid}/task/${pid}/children`)) ?? '')
  return text.split(/\s+/).flatMap((word) => (word === '' ? [] : [Number(word)]))
}

/**
 * Decides whether a worker of nginx is leaving: nginx gives it this name while it finishes its requests and accepts no
 * more.
 */
export function isShuttingDown(host: HostReader, pid: number): boolean {
  return (nullIfUnreadable(() => host.readText(`/proc/${pid}/cmdline`)) ?? '').includes('shutting down')
}

/** Returns the workers of nginx without a master process: after SIGKILL of that they keep its port, and serve. */
export function orphanedWorkers(host: HostReader): number[] {
  const pids = host.list('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  const titleOf = (pid: number) => nullIfUnreadable(() => host.readText(`/proc/${pid}/cmdline`)) ?? ''
  return pids.filter((pid) => {
    if (!titleOf(pid).startsWith('nginx: worker process')) return false
    const stat = nullIfUnreadable(() => host.readText(`/proc/${pid}/stat`)) ?? ''
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
    return !titleOf(Number(parent)).startsWith('nginx: master process')
  })
}

/**
 * Identifies a process by its number and its start; null if there is none. Its name may contain blanks and parentheses.
 */
function processIdentity(host: HostReader, pid: number): string | null {
  const stat = nullIfUnreadable(() => host.readText(`/proc/${pid}/stat`)) ?? null
  const started = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return started === undefined ? null : `${pid} ${started}`
}

/** Reads a file of a process, which may end meanwhile, or belong to another account: null then. */
function nullIfUnreadable<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (['EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
