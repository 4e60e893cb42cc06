/** Defines the common interface of service managers. */
import * as z from 'zod'
import type { HostReader } from '../../../core/host/types.ts'
import { isRefusal } from '../../../core/model/file_errors.ts'
import { absolutePath, type Duration } from '../../../core/model/units.ts'
import { systemSocket } from '../../supervisor/client.ts'

/**
 * The states of a service. `failing`: it ends repeatedly, and is started again each time. `failed`: its manager gave
 * up. Neither counts as running. `absent`: no service of that name is known.
 */
export const serviceStates = ['running', 'stopped', 'absent', 'failing', 'failed'] as const
export type ServiceState = (typeof serviceStates)[number]

export interface ServiceStatus {
  readonly state: ServiceState
  /** Whether it is up for a shorter time than it needs to count as started. */
  readonly starting: boolean
  /** Whether being up proves nothing: it must still stay up for some time. */
  readonly unproven: boolean
  /** Seconds since its process was started; null if unknown. */
  readonly uptime: number | null
  /** Whether it is stopping. */
  readonly stopping: boolean
  /** 0 if there is none, or it is unknown. */
  readonly pid: number
  /** Identifies its process, even after another process gets the same number; null if unknown. */
  readonly process: string | null
  /** The reason for its state, in a few words; may be empty. */
  readonly detail: string
  /** Whether systemd refuses to start it, because its unit is masked; default false. */
  readonly masked?: boolean
  /** Whether it starts with the host; null if that cannot be known or set. */
  readonly enabled: boolean | null
}

export const absent: ServiceStatus = {
  state: 'absent',
  starting: false,
  unproven: false,
  uptime: null,
  stopping: false,
  pid: 0,
  process: null,
  detail: '',
  enabled: null,
}

export interface ServiceReader {
  /** Returns a status from one query for all services, cached until something changes. */
  status(name: string): Promise<ServiceStatus>
  /** Returns the status now, without the cache. */
  freshStatus(name: string): Promise<ServiceStatus>
  /** Decides whether the configuration in use differs from the files. False if the manager does not know. */
  isOutdated(name: string): Promise<boolean>
  /**
   * Returns how many times in a row it ended without a stop soon after its start, up to its current start; 0 if the manager
   * does not record that.
   */
  earlyExits(name: string, status: ServiceStatus): Promise<number>
  /** Returns the end of its log; empty if there is none. */
  log(name: string, lines: number): Promise<string>
  /** Marks the end of its log. */
  markLog(name: string): Promise<LogMark>
}

/** A moment in the log of a service. */
export interface LogMark {
  /** Returns the last lines after that moment; empty if there are none. */
  linesSince(lines: number): Promise<string>
}

export interface ServiceManager extends ServiceReader {
  /** Whether others than an operator start a stopped service, such as its socket with the next message: systemd.socket(5). */
  readonly startsOnDemand?: boolean
  /** Loads changed configuration; called once before services are started or stopped. */
  refresh(): Promise<void>
  /** Requests a start; does not wait until the service is up. */
  start(name: string): Promise<void>
  /**
   * Requests a stop, which may take a while.
   * @param within time after which a command that waits for the stop is ended, with COMMAND_TIMEOUT
   */
  stop(name: string, within: Duration): Promise<void>
  /**
   * Requests a reload of changed configuration without an interruption of the service.
   * @param signal what supervisor sends, without SIG; other managers use the reload of the unit or script
   */
  reload(name: string, signal: string): Promise<void>
  /** Enables or disables a service; only for managers whose status shows whether it is enabled. */
  setEnabled?(name: string, enabled: boolean): Promise<void>
}

const serviceName = /^[\w.@-]+$/

export const nameProp = z.string().regex(serviceName, { error: 'letters, digits, and . _ - @' })

export const providerProp = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('supervisor').describe('supervisord runs the service'),
    socket: absolutePath.default(systemSocket).describe("supervisord's unix socket; default /var/run/supervisor.sock"),
  }),
  z.strictObject({ kind: z.literal('systemd').describe('systemd runs the service') }),
])
export type Provider = z.output<typeof providerProp>

/** Returns the last lines of a text. */
export function lastLines(text: string, lines: number): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

/** The most bytes of a log to read, from its end. */
export const longestLogEnd = 1024 * 1024

/** Returns the last lines of a file; empty if it is missing or may not be read. */
export function lastLinesOfFile(host: HostReader, path: string, lines: number): string {
  return lastLines(readFrom(host, path, -longestLogEnd), lines)
}

/**
 * Returns the text of a log from a byte on, see `ReadOptions.from`; empty if it is missing or may not be read.
 * @param limit in bytes
 */
export function readFrom(host: HostReader, path: string, from: number, limit = longestLogEnd): string {
  return unlessDenied(() => host.readText(path, { limit, from })) ?? ''
}

/** Returns the length of a log in bytes; 0 if it is missing or may not be read. */
export function logLength(host: HostReader, path: string): number {
  return unlessDenied(() => host.stat(path))?.size ?? 0
}

function unlessDenied<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (isRefusal(error)) return null
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}
