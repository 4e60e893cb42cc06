/** Writes a run as JSON lines: the events as they occur, then the report. */
import { omitUndefined } from '../model/omit_undefined.ts'
import type { DiffOf } from './diff.ts'
import type { Handlers, ResourceReport } from './events.ts'

/** Lines of a diff, more than any person reads: a longer one is truncated, with a note. */
const longestDiff = 400

export interface LineOptions {
  /** Whether resources that were as declared get a line. */
  readonly unchanged: boolean
  /** Draws the diff of a text, for a reader who shows this run elsewhere; default: no diffs. */
  readonly diff?: DiffOf
  /** Whether a failed command's line has all that it printed; default: only its first and last lines. */
  readonly wholeOutput?: boolean
}

export function jsonLines(write: (text: string) => void, { unchanged, diff, wholeOutput }: LineOptions): Handlers {
  const line = (event: string, value: object) => write(`${JSON.stringify({ event, ...value })}\n`)
  const diffs = new Map<string, readonly string[]>()
  return {
    unchanged,
    start: (run) => line('start', run),
    applying: (name) => line('applying', { name }),
    progress: (name, text) => line('progress', { name, line: text }),
    resource: ({ texts, output, event: roleEvent, ...report }) => {
      const lines = diff && texts ? shorten(diff(texts)) : []
      if (lines.length > 0) diffs.set(report.name, lines)
      // The key `event` names the kind of the line.
      line('resource', { ...report, ...(wholeOutput ? { output } : {}), ...diffOf(diffs, report), roleEvent })
    },
    warn: (message) => line('warning', { message }),
    note: (message) => line('note', { message }),
    end: (report) =>
      line('end', {
        report: {
          ...report,
          resources: report.resources.map((resource) => ({ ...resource, ...diffOf(diffs, resource) })),
        },
      }),
  }
}

function diffOf(diffs: ReadonlyMap<string, readonly string[]>, { name }: Pick<ResourceReport, 'name'>) {
  return omitUndefined({ diff: diffs.get(name) })
}

function shorten(lines: string[]): string[] {
  if (lines.length <= longestDiff) return lines
  return [...lines.slice(0, longestDiff), `@@ ${lines.length - longestDiff} more lines @@`]
}
