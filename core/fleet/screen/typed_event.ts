/** Converts values that a host sent to the declared types, so that no host can crash the screen. */
import type { FleetEvent } from '../types.ts'
import { validFailure } from './failures.ts'

export function asTyped(event: FleetEvent): FleetEvent {
  switch (event.event) {
    case 'host':
      return { ...event, step: optionalText(event.step), detail: optionalText(event.detail) }
    case 'warning':
      return typeof event.message === 'string' ? event : { ...event, message: JSON.stringify(event.message) }
    case 'done':
      return { ...event, failure: validFailure(event.failure) }
    case 'end': {
      const hosts = event.report.hosts.map((host) => ({ ...host, failure: validFailure(host.failure) }))
      return { ...event, report: { ...event.report, hosts } }
    }
    default:
      return event
  }
}

function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
