/**
 * A lock between processes that frees itself when its holder dies.
 *
 * `<path>.d/` holds numbered claims; each names the process that made it (pid, boot and start time, so that a reused pid
 * is somebody else). The highest number is the valid one. It is free when its process is gone or it says so itself; the
 * next claim is that number plus one, made by link(2), which only one can do. A claim that finds a higher one beside it
 * gives way. Numbers only grow, so a slow contender cannot revive an old one.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { ConvergeError } from '../model/errors.ts'
import type { Duration } from '../model/units.ts'

export interface Holder {
  readonly pid: number
  /** Id of the boot, and clock ticks since then: field 22 of /proc/PID/stat. */
  readonly started: string
  readonly user: string
  readonly host: string
  /** ISO time, for people. */
  readonly since: string
  readonly command: string
}

export interface Lock {
  release(): void
}

export type LockAttempt = { readonly lock: Lock } | { readonly holder: Holder }

/** Who holds the lock, or null; writes nothing. */
export function lockHolder(path: string): Holder | null {
  const directory = `${path}.d`
  const top = highest(directory)
  const holder = top === 0 ? null : readHolder(`${directory}/${top}`)
  return holder !== null && alive(holder) ? holder : null
}

export function tryLock(path: string, command: string): LockAttempt {
  const directory = `${path}.d`
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  for (;;) {
    const top = highest(directory)
    const holder = top === 0 ? null : readHolder(`${directory}/${top}`)
    if (holder !== null && alive(holder)) return { holder }
    const mine = top + 1
    if (!claim(directory, mine, describeSelf(command))) continue
    if (highest(directory) > mine) {
      unlinkSync(`${directory}/${mine}`)
      continue
    }
    removeBelow(directory, mine)
    return { lock: { release: () => writeFileSync(`${directory}/${mine}`, '') } }
  }
}

/** Waits up to `wait` for the lock; `onWait` hears once who holds it. */
export async function acquireLock(
  path: string,
  command: string,
  wait: Duration,
  onWait: (holder: Holder) => void = () => undefined,
): Promise<Lock> {
  const deadline = performance.now() + wait.ms
  let told = false
  for (;;) {
    const attempt = tryLock(path, command)
    if ('lock' in attempt) return attempt.lock
    if (performance.now() >= deadline) throw lockedBy(attempt.holder)
    if (!told) onWait(attempt.holder)
    told = true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export function lockedBy(holder: Holder): ConvergeError {
  const elsewhere = holder.host === hostname() ? '' : ` on ${holder.host}`
  return new ConvergeError(
    `another run is under way: process ${holder.pid} (${holder.command}) of ${holder.user}${elsewhere}, since ${holder.since}`,
    {
      code: 'LOCKED',
      hint: elsewhere
        ? `whether a process${elsewhere} still runs cannot be seen from here; if this host had that name before, remove the directory that holds the lock`
        : 'wait for it with --wait SECONDS; the lock frees itself when that process ends',
    },
  )
}

function claim(directory: string, number: number, holder: Holder): boolean {
  const own = `${directory}/.${process.pid}-${number}`
  try {
    // Whole before it counts: a claim that cannot be read would be taken for a free one.
    writeFileSync(own, JSON.stringify(holder), { mode: 0o644 })
    linkSync(own, `${directory}/${number}`)
    return true
  } catch (error) {
    // Somebody was quicker: the number is taken, or, higher ones being there, what was written has been cleared away.
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

/** Clears away the claims that no longer count, and what was left of those never made. */
function removeBelow(directory: string, number: number): void {
  for (const name of readdirSync(directory)) {
    const claimed = /^(?:\.\d+-)?(\d+)$/.exec(name)?.[1]
    if (claimed !== undefined && Number(claimed) < number) rmSync(`${directory}/${name}`, { force: true })
  }
}

function highest(directory: string): number {
  let top = 0
  for (const name of namesIn(directory)) if (/^\d+$/.test(name)) top = Math.max(top, Number(name))
  return top
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

function readHolder(path: string): Holder | null {
  try {
    const text = readFileSync(path, 'utf8')
    return text === '' ? null : (JSON.parse(text) as Holder)
  } catch (error) {
    // Gone since the directory was listed, or cut short by a full disk: nobody holds it.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function alive(holder: Holder): boolean {
  return holder.host !== hostname() || startTime(holder.pid) === holder.started
}

function describeSelf(command: string): Holder {
  return {
    pid: process.pid,
    started: startTime(process.pid) ?? '',
    user: userName(),
    host: hostname(),
    since: new Date().toISOString(),
    command,
  }
}

/** When a process was started, or null where there is none. The command's name may hold spaces and parentheses. */
function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : `${bootId()} ${fields[19]}`
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

/** Ticks begin anew with each boot, and so do the pids. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // No entry in passwd: an arbitrary uid in a container.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}
