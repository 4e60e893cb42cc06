/** Closes and opens the sites of a stack, as `converge stack maintenance` does. */
import { parseEvent } from '../deployments/event_file.ts'
import type { StackCommand, StackLocation } from './stack_command.ts'

export interface SwitchedHost {
  readonly host: string
  /** Null: switched. */
  readonly failure: string | null
}

export interface MaintenanceSwitch {
  readonly isClosed: boolean
  /** Text of the page; undefined: its default. */
  readonly message: string | undefined
  /** The operator, for the records of the hosts. */
  readonly by: string
}

/** Seconds: a host waits up to nine minutes for a run that is under way there. */
const timeout = 600

/** @throws STACK_UNREADABLE; NO_HOSTS if no host has a maintenance page */
export async function switchMaintenance(
  command: StackCommand,
  source: StackLocation,
  { isClosed, message, by }: MaintenanceSwitch,
): Promise<readonly SwitchedHost[]> {
  const text = message === undefined ? [] : [`--message=${message}`]
  const words = [isClosed ? 'on' : 'off', ...text, `--by=${by}`, '--json-output']
  const output = await command(source, ['maintenance', ...words], { timeout, accept: [0, 1] })
  return output.split('\n').flatMap((line) => {
    const event = parseEvent(line)
    return event?.event === 'done' && typeof event.host === 'string'
      ? [{ host: event.host, failure: failureOf(event) }]
      : []
  })
}

function failureOf({ status, failure, stderr }: Readonly<Record<string, unknown>>): string | null {
  if (typeof failure === 'object' && failure !== null && 'message' in failure) return String(failure.message)
  if (status === 0) return null
  const lines = String(stderr ?? '').trim()
  return lines === '' ? `exit status ${status}` : lines
}
