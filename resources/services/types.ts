/** What keeps services running, asked and told in one way whatever it is. */
import * as z from 'zod'
import type { HostReader } from '../../core/host/types.ts'
import { absolutePath } from '../../core/model/units.ts'
import { isRefusal } from '../../core/model/unreadable.ts'
import { systemSocket } from '../supervisor/client.ts'

/**
 * `failing`: it ends again and again, and is started again each time; `failed`: it was given up. Neither counts as running.
 * `absent`: nothing of that name is known.
 */
export const serviceStates = ['running', 'stopped', 'absent', 'failing', 'failed'] as const
export type ServiceState = (typeof serviceStates)[number]

export interface ServiceStatus {
  readonly state: ServiceState
  /** Not yet up for as long as it takes to count as started. */
  readonly starting: boolean
  /** Being up proves nothing: that it stays up is still to be seen. */
  readonly unproven: boolean
  /** Seconds since its process was started; null where that is not known. */
  readonly uptime: number | null
  /** On its way down. */
  readonly stopping: boolean
  /** 0 where there is none, or it is not known. */
  readonly pid: number
  /** Tells its process from every other one, also from one that gets the same number later; null where that is not known. */
  readonly process: string | null
  /** Why it is as it is, in a few words; may be empty. */
  readonly detail: string
  /** Whether it starts with the machine; null where that can't be said or set. */
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
  /** One answer for all services, good until something changes. */
  status(name: string): Promise<ServiceStatus>
  /** As of now. */
  look(name: string): Promise<ServiceStatus>
  /**
   * Whether its manager runs it with another configuration than its files contain now. False where the manager cannot tell.
   */
  isOutdated(name: string): Promise<boolean>
  /** The end of what it logged; empty where there is nothing to be had. */
  log(name: string, lines: number): Promise<string>
}

export interface ServiceManager extends ServiceReader {
  /** Takes in changed configuration; once before services are started or stopped. */
  refresh(): Promise<void>
  /** Asks it to start; does not wait until it is up. */
  start(name: string): Promise<void>
  /** Asks it to stop; it may take a while to do so. */
  stop(name: string): Promise<void>
  /**
   * Asks it to take in changed configuration without an end to what it does.
   * @param signal what supervisor sends it, without SIG; others have it in their unit or script
   */
  reload(name: string, signal: string): Promise<void>
  /** Only where a status says whether a service is enabled. */
  setEnabled?(name: string, enabled: boolean): Promise<void>
}

const serviceName = /^[\w.@-]+$/

export const nameProp = z.string().regex(serviceName, { error: 'letters, digits, and . _ - @' })

export const providerProp = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('supervisor'),
    socket: absolutePath.default(systemSocket).describe("supervisord's unix socket; default /var/run/supervisor.sock"),
  }),
  z.strictObject({ kind: z.literal('systemd') }),
])
export type Provider = z.output<typeof providerProp>

/** The last lines of a text. */
export function lastLines(text: string, lines: number): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

/** Bytes of a log that are read at most: its end. */
export const longestLogEnd = 1024 * 1024

/** The last lines of a file; empty where there is none, or it may not be read. */
export function endOfFile(host: HostReader, path: string, lines: number): string {
  return lastLines(textFrom(host, path, -longestLogEnd), lines)
}

/** What a log holds from a byte on, see `ReadOptions.from`; empty where there is none, or it may not be read. */
export function textFrom(host: HostReader, path: string, from: number): string {
  try {
    return host.readText(path, { limit: longestLogEnd, from }) ?? ''
  } catch (error) {
    if (isRefusal(error)) return ''
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}
