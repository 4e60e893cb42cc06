/** A run as JSON lines: events as they come, then the report. */
import type { DiffOf } from './diff.ts'
import type { Handlers, ResourceReport } from './events.ts'

/** More than any person reads: what is longer is cut, and says so. */
const longestDiff = 400

/**
 * @param unchanged also tell of resources that were as declared
 * @param diff draws the diff of a text, for whoever shows this run elsewhere; default: without
 */
export function jsonLines(write: (text: string) => void, unchanged: boolean, diff?: DiffOf): Handlers {
  const line = (event: string, value: object) => write(`${JSON.stringify({ event, ...value })}\n`)
  const diffs = new Map<string, readonly string[]>()
  return {
    unchanged,
    start: (run) => line('start', run),
    applying: (name) => line('applying', { name }),
    progress: (name, text) => line('progress', { name, line: text }),
    resource: ({ texts, event: roleEvent, ...report }) => {
      if (diff && texts) diffs.set(report.name, shorten(diff(texts)))
      // The word `event` says what kind of line it is.
      line('resource', { ...report, ...diffOf(diffs, report), roleEvent })
    },
    warn: (message) => line('warning', { message }),
    end: (report) =>
      line('end', {
        report: { ...report, resources: report.resources.map((one) => ({ ...one, ...diffOf(diffs, one) })) },
      }),
  }
}

function diffOf(diffs: ReadonlyMap<string, readonly string[]>, { name }: Pick<ResourceReport, 'name'>) {
  const found = diffs.get(name)
  return found === undefined ? {} : { diff: found }
}

function shorten(lines: string[]): string[] {
  if (lines.length <= longestDiff) return lines
  return [...lines.slice(0, longestDiff), `@@ ${lines.length - longestDiff} more lines @@`]
}
