/**
 * Provides a lock between processes, which frees itself when its holder ends.
 *
 * `<path>.d/` holds numbered claims; each names the process that made it (pid, boot and start time, so that a reused pid
 * is another process). The highest number is the valid claim. It is free when its process has ended or the file is empty. The
 * next claim is that number plus one, made by link(2), which only one process can do. A claim that finds a higher one beside
 * it withdraws. Numbers only grow, so a slow process cannot revive an old claim.
 */
import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { ConvergeError } from '../model/errors.ts'
import type { Duration } from '../model/units.ts'
import { makeDirectories } from './directories.ts'
import { bootId, startTicks } from './proc.ts'

export interface Holder {
  readonly pid: number
  /** Id of the boot, and clock ticks since then: field 22 of /proc/PID/stat. */
  readonly started: string
  readonly user: string
  readonly host: string
  /** Identifies the computer, independently of its name. */
  readonly machine: string
  /** Identifies the PID namespace, which differs between containers. */
  readonly space: string
  /** ISO time, for people. */
  readonly since: string
  readonly command: string
}

export interface Lock {
  release(): void
}

export type LockAttempt = { readonly lock: Lock } | { readonly holder: Holder }

/** @returns the holder of the lock, or null; writes nothing */
export function lockHolder(path: string): Holder | null {
  const directory = `${path}.d`
  const top = highestClaim(directory)
  const holder = top === 0n ? null : readHolder(`${directory}/${top}`)
  return holder !== null && isHolderAlive(holder) ? holder : null
}

/** Whether the process of a holder can be checked from here, so that its lock is free once it is gone. */
export function isVisible(holder: Holder): boolean {
  return isOnThisHost(holder)
}

export function tryLock(path: string, command: string): LockAttempt {
  const directory = `${path}.d`
  makeDirectories(directory, 0o755)
  for (;;) {
    const top = highestClaim(directory)
    const holder = top === 0n ? null : readHolder(`${directory}/${top}`)
    if (holder !== null && isHolderAlive(holder)) return { holder }
    const claimNumber = top + 1n
    if (!writeClaim(directory, claimNumber, describeSelf(command))) continue
    if (highestClaim(directory) > claimNumber) {
      // The run with the higher claim may have removed this one already.
      rmSync(`${directory}/${claimNumber}`, { force: true })
      continue
    }
    removeClaimsBelow(directory, claimNumber)
    return { lock: { release: () => releaseClaim(`${directory}/${claimNumber}`) } }
  }
}

/**
 * Waits up to `wait` for the lock.
 * @param command displayed to operators who wait; others can read it, so it must not contain secrets
 * @param onWait called once with the holder
 * @param subject what the lock protects, for the error; default: runs as a whole
 * @throws ConvergeError LOCKED
 */
export async function acquireLock(
  path: string,
  command: string,
  wait: Duration,
  onWait: (holder: Holder) => void = () => undefined,
  subject?: string,
): Promise<Lock> {
  const deadline = performance.now() + wait.ms
  let isReported = false
  for (;;) {
    const attempt = tryLock(path, command)
    if ('lock' in attempt) return attempt.lock
    if (performance.now() >= deadline) throw lockedBy(attempt.holder, `${path}.d`, subject)
    if (!isReported) onWait(attempt.holder)
    isReported = true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function lockedBy(holder: Holder, directory: string, subject: string | undefined): ConvergeError {
  const { pid, command, user, host, since } = holder
  const elsewhere = isOnThisHost(holder) ? '' : ` on ${host}`
  const holderText = `process ${pid} (${command}) of ${user}${elsewhere}, since ${since}`
  const wait =
    subject === undefined
      ? 'wait for it with --wait SECONDS; the lock frees itself when that process ends'
      : 'run again when that process has ended, which frees the lock'
  return new ConvergeError(
    subject === undefined
      ? `another run is under way: ${holderText}`
      : `${subject} is locked by another run: ${holderText}`,
    {
      code: 'LOCKED',
      hint: elsewhere ? `check${elsewhere} whether that process still runs; if it does not, remove ${directory}` : wait,
    },
  )
}

function writeClaim(directory: string, number: bigint, holder: Holder): boolean {
  const draft = `${directory}/.${process.pid}-${number}`
  try {
    // Write it completely before it gets its name, because an incomplete claim counts as free. `wx` follows no link.
    writeFileSync(draft, JSON.stringify(holder), { mode: 0o644, flag: 'wx' })
    linkSync(draft, `${directory}/${number}`)
    return true
  } catch (error) {
    // Another process has taken the number, or a higher one, and then removed this draft.
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Marks a claim as free. One that another run has removed, because a higher one exists, is free already. */
function releaseClaim(path: string): void {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Removes the claims below the valid one, and drafts of claims that were never made. */
function removeClaimsBelow(directory: string, number: bigint): void {
  for (const name of readdirSync(directory)) {
    const claimed = /^(?:\.\d+-)?(\d+)$/.exec(name)?.[1]
    if (claimed !== undefined && BigInt(claimed) < number)
      rmSync(`${directory}/${name}`, { force: true, recursive: true })
  }
}

/** Returns the highest number: a bigint, since above 2^53 a number plus one can be the same number. */
function highestClaim(directory: string): bigint {
  let top = 0n
  for (const name of namesIn(directory)) {
    const number = /^\d{1,200}$/.test(name) ? BigInt(name) : 0n
    if (number > top) top = number
  }
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
    return text === '' ? null : holderOf(JSON.parse(text))
  } catch (error) {
    // Removed since the directory was listed, truncated by a full disk, or not a claim of converge: it has no holder.
    if (error instanceof SyntaxError || ['ENOENT', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return null
    throw error
  }
}

/** Null for a value that no run has written. Older versions wrote neither `machine` nor `space`. */
function holderOf(value: unknown): Holder | null {
  const { pid, started, host, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >
  if (!Number.isSafeInteger(pid) || typeof started !== 'string' || typeof host !== 'string') return null
  const text = (name: string) => (typeof rest[name] === 'string' ? rest[name] : '')
  return {
    pid: pid as number,
    started,
    host,
    user: text('user'),
    machine: text('machine'),
    space: text('space'),
    since: text('since'),
    command: text('command'),
  }
}

/** A holder that cannot be seen from here counts as alive, unless this host has booted since. */
function isHolderAlive(holder: Holder): boolean {
  if (isOnThisHost(holder)) return startTime(holder.pid) === holder.started
  return (
    isFromThisBoot(holder) || (holder.host !== hostname() && (machineId() === '' || holder.machine !== machineId()))
  )
}

/** Decides whether its pid is valid here: the host may have another name since then, and a container has its own pids. */
function isOnThisHost(holder: Holder): boolean {
  return isFromThisBoot(holder) && (holder.space === pidSpace() || holder.host === hostname())
}

function isFromThisBoot({ started }: Holder): boolean {
  return started.startsWith(`${bootId()} `)
}

function describeSelf(command: string): Holder {
  return {
    pid: process.pid,
    started: startTime(process.pid) ?? '',
    user: userName(),
    host: hostname(),
    machine: machineId(),
    space: pidSpace(),
    since: new Date().toISOString(),
    command,
  }
}

/** Returns the boot and the clock ticks at which a process started; null if it does not exist. */
function startTime(pid: number): string | null {
  const ticks = startTicks(pid)
  return ticks === null ? null : `${bootId()} ${ticks}`
}

/** Reads machine-id(5); empty if there is none. */
function machineId(): string {
  return emptyIfMissing(() => readFileSync('/etc/machine-id', 'utf8').trim())
}

/** Returns the name of the PID namespace, see pid_namespaces(7). */
function pidSpace(): string {
  return emptyIfMissing(() => readlinkSync('/proc/self/ns/pid'))
}

function emptyIfMissing(read: () => string): string {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // No entry in passwd: an arbitrary uid in a container.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}
