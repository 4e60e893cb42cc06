/**
 * The records of a stack's deployments: `deployments/<id>/report.json`, and beside it a log for each host.
 *
 * A record is made as a whole, by renaming a directory, with a report that says `died`; the lock in it is held until the
 * report is replaced by the one that tells how it ended. So whoever finds `died` and no holder knows what happened.
 */
import * as fs from 'node:fs'
import { makeDirectories } from '../../host/directories.ts'
import { lockHolder, tryLock } from '../../host/lock.ts'
import { ConvergeError } from '../../model/errors.ts'
import type { Secrets } from '../../model/secrets.ts'
import type { FleetEvent, HostReport, RolloutReport } from '../types.ts'
import { contentOf, namesIn, replaceFile, syncDirectory, unusable } from './files.ts'

const kept = 100
/** Held in reserve, so that the report finds room when the logs have filled the disk. */
const reserve = 64 * 1024

export type DeploymentStart = Pick<
  RolloutReport,
  'stack' | 'action' | 'comment' | 'by' | 'started' | 'strategy' | 'commits'
> & { readonly hosts: readonly string[] }

/** A deployment as it is kept; `died` where its operator was killed, `not readable` where the record is broken. */
export type Deployment = Omit<RolloutReport, 'id' | 'outcome'> & {
  readonly id: string
  readonly outcome: RolloutReport['outcome'] | 'died' | 'under way' | 'not readable'
}

export interface Recording {
  readonly id: string
  /**
   * Appends to a host's log; it is in the file at once.
   * @param line a JSON line as the host sent it, or an object; other text is kept as `{ event: 'output', text }`
   */
  log(host: string, line: string | object): void
  /** Appends what the driver tells of single hosts to their logs. */
  tell(event: FleetEvent): void
  /** Replaces the report, and lets go of the record. */
  end(report: RolloutReport): void
}

export interface RecorderOptions {
  /** The stack's state directory; made where it is missing, mode 0700. */
  readonly directory: string
  /** Masked in all that is written. */
  readonly secrets: Secrets
  /** Hears once when the logs cannot be written any more: the rollout goes on all the same. */
  readonly warn: (message: string) => void
}

export class Recorder {
  constructor(private readonly options: RecorderOptions) {}

  /**
   * Begins a record, before any host is touched; removes those before the last 100.
   * @throws NO_STACK_STATE where the directory cannot be written, or is full
   */
  open(start: DeploymentStart): Recording {
    const { directory } = this.options
    try {
      const top = `${directory}/deployments`
      makeDirectories(top, 0o700)
      const id = this.make(top, start)
      prune(top)
      return new OpenRecord(`${top}/${id}`, id, this.options)
    } catch (error) {
      throw unusable(directory, error, true)
    }
  }

  private make(top: string, start: DeploymentStart): string {
    const beside = fs.mkdtempSync(`${top}/.new-`)
    try {
      fs.writeFileSync(`${beside}/reserve`, Buffer.alloc(reserve), { mode: 0o600 })
      const attempt = tryLock(`${beside}/lock`, `converge stack ${start.action}`)
      if ('holder' in attempt) throw new Error(`${beside} is new, and locked`)
      for (;;) {
        const id = nextId(top)
        replaceFile(`${beside}/report.json`, this.text(startReport(id, start)))
        if (!claimed(beside, `${top}/${id}`)) continue
        syncDirectory(top)
        return id
      }
    } catch (error) {
      fs.rmSync(beside, { recursive: true, force: true })
      throw error
    }
  }

  private text(report: object): string {
    return `${JSON.stringify(this.options.secrets.maskDeep(report), null, 2)}\n`
  }
}

/** A directory that is not empty can take the place of none that is there: of two operators one gets the number. */
function claimed(beside: string, path: string): boolean {
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
  private broken = false

  constructor(
    private readonly path: string,
    readonly id: string,
    private readonly options: RecorderOptions,
  ) {}

  log(host: string, line: string | object): void {
    if (this.broken) return
    const value = typeof line === 'string' ? parsed(line) : line
    try {
      fs.writeFileSync(this.file(host), `${JSON.stringify(this.options.secrets.maskDeep(value))}\n`)
    } catch (error) {
      // The hosts are at work: that is seen through, with or without a log.
      this.broken = true
      this.options.warn(unusable(this.path, error, false).message)
    }
  }

  tell(event: FleetEvent): void {
    if (event.event === 'done') {
      // The report has been logged already, by the host itself.
      const { report: _, ...rest } = event
      this.log(event.host, { ...rest, time: new Date().toISOString() })
    } else if (event.event === 'connection' || (event.event === 'host' && event.step === undefined))
      this.log(event.host, { ...event, time: new Date().toISOString() })
  }

  end(report: RolloutReport): void {
    for (const file of this.files.values()) fs.closeSync(file)
    this.files.clear()
    this.broken = true
    try {
      fs.rmSync(`${this.path}/reserve`, { force: true })
      const { secrets } = this.options
      replaceFile(
        `${this.path}/report.json`,
        `${JSON.stringify(secrets.maskDeep({ ...report, id: this.id }), null, 2)}\n`,
      )
      fs.rmSync(`${this.path}/lock.d`, { recursive: true, force: true })
    } catch (error) {
      throw unusable(this.path, error, false)
    }
  }

  private file(host: string): number {
    const open = this.files.get(host)
    if (open !== undefined) return open
    const file = fs.openSync(`${this.path}/${logName(host)}`, 'a', 0o600)
    this.files.set(host, file)
    return file
  }
}

function parsed(line: string): object {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // What sudo or a shell says in between is no JSON.
  }
  return { event: 'output', text: line }
}

/** A name of a host is that of a file, whatever is in it. */
function logName(host: string): string {
  return `${encodeURIComponent(host).replace(/^\./, '%2E')}.jsonl`
}

function startReport(id: string, start: DeploymentStart): Deployment {
  const hosts = start.hosts.map((host) => untouched(host))
  return { id, ...start, durationMs: 0, outcome: 'died', hosts, warnings: [] }
}

function untouched(host: string): HostReport {
  const counts = { changed: 0, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 0, notReached: 0 }
  return { host, outcome: 'untouched', phase: null, durationMs: 0, counts, live: [] }
}

function ids(top: string): string[] {
  return namesIn(top)
    .filter((name) => /^\d{6,}$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
}

function nextId(top: string): string {
  return String(Number(ids(top).at(-1) ?? 0) + 1).padStart(6, '0')
}

/** Also what operators have left behind who were killed while they made a record; those under way stay. */
function prune(top: string): void {
  const left = namesIn(top).filter((name) => name.startsWith('.new-') && olderThanAnHour(`${top}/${name}`))
  const old = ids(top).slice(0, -kept)
  for (const name of [...left, ...old])
    if (lockHolder(`${top}/${name}/lock`) === null) fs.rmSync(`${top}/${name}`, { recursive: true, force: true })
}

function olderThanAnHour(path: string): boolean {
  const made = fs.statSync(path, { throwIfNoEntry: false })
  return made !== undefined && Date.now() - made.mtimeMs > 3_600_000
}

/**
 * The deployments that are kept, newest first; a record that is broken is among them.
 * @param limit default: all
 */
export function listDeployments(directory: string, limit = Number.POSITIVE_INFINITY): Deployment[] {
  const top = `${directory}/deployments`
  return ids(top)
    .reverse()
    .slice(0, limit)
    .map((id) => read(top, id))
}

/**
 * @param wanted the number, with or without its zeros, or `last`
 * @throws NO_SUCH_DEPLOYMENT
 */
export function readDeployment(directory: string, wanted: string): Deployment {
  const top = `${directory}/deployments`
  return read(top, find(top, wanted))
}

/**
 * The log of a host: its lines, parsed; a last one that was cut short by a crash is left out. Null where it has none.
 * @throws NO_SUCH_DEPLOYMENT
 */
export function readLog(directory: string, wanted: string, host: string): object[] | null {
  const top = `${directory}/deployments`
  return logLines(`${top}/${find(top, wanted)}`, host)
}

function logLines(record: string, host: string): object[] | null {
  const text = contentOf(`${record}/${logName(host)}`)
  if (text === null) return null
  const lines = text.split('\n')
  const last = lines.pop() ?? ''
  return [...lines.map(parsed), ...(isJson(last) ? [parsed(last)] : [])]
}

function isJson(text: string): boolean {
  return text.startsWith('{') && !('text' in parsed(text))
}

function find(top: string, wanted: string): string {
  const all = ids(top)
  const found = wanted === 'last' ? all.at(-1) : all.find((id) => /^\d+$/.test(wanted) && Number(id) === Number(wanted))
  if (found !== undefined) return found
  const kept = all.length === 0 ? 'there is none yet' : `there are ${Number(all[0])} to ${Number(all.at(-1))}`
  throw new ConvergeError(`no deployment ${wanted}: ${kept}`, {
    code: 'NO_SUCH_DEPLOYMENT',
    hint: 'converge stack deployments lists them; the last 100 are kept',
    usage: true,
  })
}

function read(top: string, id: string): Deployment {
  const record = `${top}/${id}`
  const text = contentOf(`${record}/report.json`)
  let report: Deployment
  try {
    report = JSON.parse(text ?? '') as Deployment
    if (typeof report.started !== 'string' || !Array.isArray(report.hosts)) throw new SyntaxError('no report')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { ...startReport(id, broken), outcome: 'not readable' }
  }
  if (report.outcome !== 'died') return { ...report, id }
  const outcome = lockHolder(`${record}/lock`) === null ? 'died' : 'under way'
  return { ...report, id, outcome, hosts: report.hosts.map((host) => asFarAsLogged(record, host)) }
}

const broken: DeploymentStart = {
  stack: '',
  action: 'status',
  comment: '',
  by: '',
  started: '',
  strategy: '',
  commits: {},
  hosts: [],
}

/** Where nobody has written how it ended, the logs say how far each host came. */
function asFarAsLogged(record: string, report: HostReport): HostReport {
  const lines = (logLines(record, report.host) ?? []) as { event?: string; phase?: HostReport['phase'] }[]
  const last = lines.findLast(({ event }) => event === 'done' || event === 'host')
  if (last === undefined) return report
  const phase = last.phase ?? null
  if (last.event === 'host') return { ...report, outcome: 'lost', phase }
  const { outcome, durationMs, failure, reason } = last as unknown as HostReport
  return { ...report, outcome, phase, durationMs, failure, reason }
}
