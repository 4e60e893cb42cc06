/**
 * Writes the records of a stack's deployments: `deployments/<id>/report.json`, and beside it a log for each host.
 *
 * A record is created in one step, by renaming a directory, with a report whose outcome is `died`. The operator's process
 * keeps its lock until the final report replaces that one. So `died` without a lock holder means that the process was
 * killed.
 */
import * as fs from 'node:fs'
import { makeDirectories } from '../../host/directories.ts'
import { lockHolder, tryLock } from '../../host/lock.ts'
import { syncDirectory } from '../../host/replace_file.ts'
import { asConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { FleetEvent, HostReport, RolloutReport } from '../types.ts'
import { namesIn, replaceStateFile, unusableDirectory } from './state_files.ts'

const maxRecords = 100
/** Bytes that the events of one host may take in its log; the entries of the rollout about it are not counted. */
export const maxLogSize = 64 << 20
/** Events that only the rollout writes: a host that sends these names cannot forge its outcome. */
const ownEvents: readonly unknown[] = ['host', 'done', 'connection']
/** Bytes, in total and for each host, reserved so that the report can be written when the logs have filled the disk. */
const reservedSpace = { least: 64 * 1024, host: 2 * 1024 }

export type DeploymentStart = Pick<
  RolloutReport,
  'stack' | 'action' | 'apps' | 'recipe' | 'comment' | 'by' | 'started' | 'strategy' | 'commits'
> & { readonly hosts: readonly string[] }

/** A recorded deployment; `died` where its operator was killed, `not readable` where the record is damaged. */
export type Deployment = Omit<RolloutReport, 'id' | 'outcome'> & {
  readonly id: string
  readonly outcome: RolloutReport['outcome'] | 'died' | 'under way' | 'not readable'
  /** The operator who has paused it; absent if it is not paused. */
  readonly pausedBy?: string
}

export interface Recording {
  readonly id: string
  /**
   * Appends to a host's log, and writes to the file at once.
   * @param line a JSON line as the host sent it, or an object; other text is stored as `{ event: 'output', text }`
   */
  log(host: string, line: string | object): void
  /** Appends the rollout's events about single hosts to their logs. */
  logEvent(event: FleetEvent): void
  /** Replaces the report, and releases the lock of the record. */
  end(report: RolloutReport): void
  /** Removes the record of a rollout that has not begun. */
  discard(): void
}

export interface RecorderOptions {
  /** The stack's state directory; created where it is missing, mode 0700. */
  readonly directory: string
  /** Masked in every file. */
  readonly secrets: Secrets
  /** Called once when the logs cannot be written any more; the rollout continues. */
  readonly warn: (message: string) => void
}

export class Recorder {
  constructor(private readonly options: RecorderOptions) {}

  /**
   * Begins a record, before any host is touched; removes all but the last 100.
   * @throws NO_STACK_STATE where the directory cannot be written, or is full
   */
  begin(start: DeploymentStart): Recording {
    const { directory } = this.options
    try {
      const top = `${directory}/deployments`
      makeDirectories(top, 0o700)
      const id = this.createRecord(top, start)
      this.removeOldRecords(top)
      return new OpenRecord(`${top}/${id}`, id, start.apps, this.options)
    } catch (error) {
      throw unusableDirectory(directory, error, true)
    }
  }

  private createRecord(top: string, start: DeploymentStart): string {
    const beside = fs.mkdtempSync(`${top}/.new-`)
    try {
      const size = reservedSpace.least + reservedSpace.host * start.hosts.length
      fs.writeFileSync(`${beside}/reserve`, Buffer.alloc(size), { mode: 0o600 })
      const attempt = tryLock(`${beside}/lock`, `converge stack ${start.action}`)
      if ('holder' in attempt) throw new Error(`${beside} is new, and locked`)
      for (;;) {
        const id = nextId(top)
        replaceStateFile(`${beside}/report.json`, this.text(startReport(id, start)))
        if (!claimNumber(beside, `${top}/${id}`)) continue
        syncDirectory(top)
        return id
      }
    } catch (error) {
      fs.rmSync(beside, { recursive: true, force: true })
      throw error
    }
  }

  /**
   * Removes old records, and the incomplete ones of operators that were killed; running ones stay. A failure to remove
   * one does not prevent the rollout.
   */
  private removeOldRecords(top: string): void {
    try {
      const leftovers = namesIn(top).filter((name) => name.startsWith('.new-') && isOlderThanAnHour(`${top}/${name}`))
      const old = deploymentIds(top).slice(0, -maxRecords)
      for (const name of [...leftovers, ...old])
        if (lockHolder(`${top}/${name}/lock`) === null) fs.rmSync(`${top}/${name}`, { recursive: true, force: true })
    } catch (error) {
      this.options.warn(`an old record cannot be removed: ${asConvergeError(error).message}`)
    }
  }

  private text(report: object): string {
    return `${JSON.stringify(this.options.secrets.maskDeep(report), null, 2)}\n`
  }
}

/** Claims a number: a rename cannot replace a directory with content, so only one of two operators gets it. */
function claimNumber(beside: string, path: string): boolean {
  try {
    fs.renameSync(beside, path)
    return true
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

class OpenRecord implements Recording {
  private readonly files = new Map<string, number>()
  /** Bytes of each host's own events; infinite once the limit is reached. */
  private readonly sizes = new Map<string, number>()
  private broken = false

  constructor(
    private readonly path: string,
    readonly id: string,
    private readonly apps: readonly string[] | undefined,
    private readonly options: RecorderOptions,
  ) {}

  log(host: string, line: string | object): void {
    if (this.broken || this.sizes.get(host) === Number.POSITIVE_INFINITY) return
    const text = this.line(typeof line === 'string' ? parseLogLine(line) : line)
    const size = (this.sizes.get(host) ?? 0) + Buffer.byteLength(text)
    if (size <= maxLogSize) {
      this.sizes.set(host, size)
      return this.append(host, text)
    }
    this.sizes.set(host, Number.POSITIVE_INFINITY)
    const full = `log limit of ${maxLogSize >> 20} MiB reached: further events of this host are not logged`
    this.append(host, this.line({ event: 'output', text: full }))
    this.options.warn(`${host}: ${full}`)
  }

  /** Formats one line of a log. A host's event with a reserved name is stored as text. */
  private line(value: object): string {
    const masked = this.options.secrets.maskDeep(value)
    const isOurs = ownEvents.includes((masked as { event?: unknown }).event)
    return `${JSON.stringify(isOurs ? { event: 'output', text: JSON.stringify(masked) } : masked)}\n`
  }

  private append(host: string, text: string): void {
    if (this.broken) return
    try {
      fs.writeFileSync(this.file(host), text)
    } catch (error) {
      // The hosts are running: the rollout continues without a log.
      this.broken = true
      this.options.warn(unusableDirectory(this.path, error, false).message)
    }
  }

  logEvent(event: FleetEvent): void {
    // All is logged; the state of the stack is written next, and requires space as well.
    if (event.event === 'end') this.makeRoom()
    if (event.event === 'done') {
      // The host's own event has the report already.
      const { report, ...rest } = event
      this.note(event.host, rest)
    } else if (isNoted(event)) this.note(event.host, event)
  }

  private note(host: string, event: object): void {
    const entry = this.options.secrets.maskDeep({ ...event, time: new Date().toISOString() })
    this.append(host, `${JSON.stringify(entry)}\n`)
  }

  end(report: RolloutReport): void {
    this.broken = true
    try {
      this.closeLogs()
      this.makeRoom()
      const { secrets } = this.options
      replaceStateFile(
        `${this.path}/report.json`,
        `${JSON.stringify(secrets.maskDeep({ ...report, apps: this.apps, id: this.id }), null, 2)}\n`,
      )
      fs.rmSync(`${this.path}/lock.d`, { recursive: true, force: true })
    } catch (error) {
      throw unusableDirectory(this.path, error, false)
    }
  }

  discard(): void {
    this.broken = true
    try {
      this.closeLogs()
      fs.rmSync(this.path, { recursive: true, force: true })
    } catch (error) {
      throw unusableDirectory(this.path, error, false)
    }
  }

  private makeRoom(): void {
    fs.rmSync(`${this.path}/reserve`, { force: true })
  }

  /** Closes the logs. A full disk may report only now that part of a log is missing. */
  private closeLogs(): void {
    let lost: unknown
    for (const file of this.files.values())
      try {
        fs.closeSync(file)
      } catch (error) {
        lost ??= error
      }
    this.files.clear()
    if (lost !== undefined) this.options.warn(unusableDirectory(this.path, lost, false).message)
  }

  private file(host: string): number {
    const open = this.files.get(host)
    if (open !== undefined) return open
    const file = fs.openSync(`${this.path}/${logFileName(host)}`, 'a', 0o600)
    this.files.set(host, file)
    return file
  }
}

export function parseLogLine(line: string): object {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Output of sudo or a shell between the events is not JSON.
  }
  return { event: 'output', text: line }
}

/** Returns the file name of a host's log; it is safe for any name of a host. */
export function logFileName(host: string): string {
  return `${encodeURIComponent(host).replace(/^\./, '%2E')}.jsonl`
}

export function startReport(id: string, start: DeploymentStart): Deployment {
  const hosts = start.hosts.map((host) => untouchedHost(host))
  return { id, ...start, durationMs: 0, outcome: 'died', hosts, warnings: [] }
}

function untouchedHost(host: string): HostReport {
  const counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }
  return { host, outcome: 'untouched', phase: null, durationMs: 0, counts, live: [] }
}

/** Lists the numbers of the records, oldest first. */
export function deploymentIds(top: string): string[] {
  return namesIn(top)
    .filter((name) => /^\d{6,}$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
}

function nextId(top: string): string {
  return String(Number(deploymentIds(top).at(-1) ?? 0) + 1).padStart(6, '0')
}

function isOlderThanAnHour(path: string): boolean {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs > 3_600_000
}

/** Whether the log of a host has the event: the beginning of a phase, and a connection that was lost or is back. */
function isNoted(event: FleetEvent): event is Extract<FleetEvent, { event: 'connection' | 'host' }> {
  if (event.event === 'connection') return event.state !== 'open'
  return event.event === 'host' && event.step === undefined
}
