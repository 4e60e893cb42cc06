/** A run as JSON lines: events as they come, then the report. */
import type { Handlers } from './events.ts'

/** @param unchanged also tell of resources that were as declared */
export function jsonLines(write: (text: string) => void, unchanged: boolean): Handlers {
  const line = (event: string, value: object) => write(`${JSON.stringify({ event, ...value })}\n`)
  return {
    unchanged,
    start: (run) => line('start', run),
    applying: (name) => line('applying', { name }),
    progress: (name, text) => line('progress', { name, line: text }),
    resource: ({ texts: _, event: roleEvent, ...report }) => {
      // The word `event` says what kind of line it is.
      line('resource', { ...report, roleEvent })
    },
    warn: (message) => line('warning', { message }),
    end: (report) => line('end', { report }),
  }
}
