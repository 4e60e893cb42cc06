/** Reads the result of the last run from its journal, which a crash may have damaged. */
import { statSync } from 'node:fs'
import * as z from 'zod'
import { lockHolder } from '../../host/lock.ts'
import { StateDirectory } from '../../host/state_directory.ts'
import type { Selection } from '../../model/selection.ts'

const outcomes = ['unchanged', 'changed', 'planned', 'failed', 'interrupted'] as const

export interface LastRun {
  readonly id: string
  readonly started: string
  readonly outcome: (typeof outcomes)[number] | 'died' | 'under way' | 'not readable'
  readonly roles: readonly string[]
  readonly events: readonly string[]
  readonly changed: number
  /** Set if --only or --skip has limited the run to a part. */
  readonly selection?: Selection | undefined
}

const selected = z.object({ only: z.array(z.string()), skip: z.array(z.string()) })
const run = {
  started: z.string(),
  roles: z.array(z.string()),
  events: z.array(z.string()),
  selection: selected.optional(),
}
const startLine = z.object({ event: z.literal('start'), ...run })
const endLine = z.object({
  event: z.literal('end'),
  report: z.object({ ...run, outcome: z.enum(outcomes), counts: z.object({ changed: z.number() }) }),
})

/** Returns null if there was no run. A journal without an end is of a killed run, unless its lock is still taken. */
export function lastRun(directory: string): LastRun | null {
  const state = new StateDirectory(directory)
  const unknown = { id: '', started: '', roles: [], events: [], changed: 0 }
  try {
    const id = state.runs().at(-1)
    if (id === undefined) return null
    // Reading a pipe would wait for a writer.
    if (!statSync(state.journalPath(id)).isFile()) return { ...unknown, id, outcome: 'not readable' }
    const lines = state.readJournal(id)
    const end = first(lines, endLine)
    if (end !== undefined) {
      const { started, outcome, roles, events, counts, selection } = end.report
      return { id, started, outcome, roles, events, changed: counts.changed, ...(selection && { selection }) }
    }
    const { started, roles, events, selection }: Omit<LastRun, 'id' | 'outcome' | 'changed'> =
      first(lines, startLine) ?? unknown
    const holder = lockHolder(`${directory}/lock`)
    const outcome = holder !== null && holder.since <= started ? 'under way' : 'died'
    return { id, started, outcome, roles, events, changed: 0, ...(selection && { selection }) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    return { ...unknown, outcome: 'not readable' }
  }
}

function first<T>(lines: readonly unknown[], line: z.ZodType<T>): T | undefined {
  for (const one of lines) {
    const { success, data } = line.safeParse(one)
    if (success) return data
  }
  return undefined
}
