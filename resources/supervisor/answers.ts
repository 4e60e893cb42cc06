/** Parses supervisord's answers to the calls of client.ts. */
import { ConvergeError } from '../../core/model/errors.ts'
import type { Value } from './xmlrpc.ts'

export type ProcessState = 'STOPPED' | 'STARTING' | 'RUNNING' | 'BACKOFF' | 'STOPPING' | 'EXITED' | 'FATAL' | 'UNKNOWN'

/** One process, as supervisord reports it (getAllProcessInfo). */
export interface ProcessInfo {
  readonly name: string
  /** The group of the process; named like the process by default. */
  readonly group: string
  readonly state: ProcessState
  /** 0: there is none. */
  readonly pid: number
  /** When the process was started, in seconds since 1970. */
  readonly started: number
  /** Seconds since the process was started, by supervisord's clock; null if unknown. */
  readonly uptime: number | null
  /** supervisord's reason why the process does not run; may be empty. */
  readonly spawnError: string
  readonly exitStatus: number
  /** Empty if there is no log. */
  readonly stdoutLog: string
  readonly stderrLog: string
}

/** An output of a process that has a log of its own. */
export type ProcessOutput = 'Stdout' | 'Stderr'

/** The names of groups whose configuration files differ from what runs. */
export interface ConfigChanges {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

export function parseProcesses(answer: Value): ProcessInfo[] {
  return asList(answer).map((process) => ({
    name: textField(process, 'name'),
    group: textField(process, 'group'),
    state: textField(process, 'statename') as ProcessState,
    pid: numberField(process, 'pid'),
    started: numberField(process, 'start'),
    uptime: uptimeField(process),
    spawnError: textField(process, 'spawnerr'),
    exitStatus: numberField(process, 'exitstatus'),
    stdoutLog: textField(process, 'stdout_logfile'),
    stderrLog: textField(process, 'stderr_logfile'),
  }))
}

export function parseChanges(answer: Value): ConfigChanges {
  const [added = [], changed = [], removed = []] = asList(asList(answer)[0] ?? []).map((names) =>
    asList(names).map(String),
  )
  return { added, changed, removed }
}

function asList(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value
  throw missingFieldError('a list')
}

function getField(value: Value, name: string): Value | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw missingFieldError('a struct')
  return (value as Readonly<Record<string, Value>>)[name]
}

export function textField(value: Value, name: string): string {
  const text = getField(value, name)
  if (typeof text === 'string') return text
  throw missingFieldError(`a string as ${name}`)
}

function numberField(value: Value, name: string): number {
  const number = getField(value, name)
  if (typeof number === 'number') return number
  throw missingFieldError(`a number as ${name}`)
}

function uptimeField(process: Value): number | null {
  const [start, now] = [getField(process, 'start'), getField(process, 'now')]
  return typeof start === 'number' && typeof now === 'number' && start > 0 ? Math.max(0, now - start) : null
}

function missingFieldError(field: string): ConvergeError {
  return new ConvergeError(`supervisord's answer lacks ${field}`, {
    code: 'SUPERVISOR_ANSWER',
    hint: 'upgrade supervisor to 3.0 or later',
  })
}
