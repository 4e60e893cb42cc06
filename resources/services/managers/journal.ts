/** Reads what a unit logged from systemd's journal. */
import * as z from 'zod'
import type { HostReader } from '../../../core/host/types.ts'
import { unitName } from './masked_unit.ts'
import { type LogMark, lastLines } from './types.ts'

/** The fields that are read of an entry, as `journalctl --output json` prints them, see systemd.journal-fields(7). */
const entrySchema = z.object({
  __CURSOR: z.string(),
  // journalctl prints text that is not UTF-8 as a list of bytes.
  MESSAGE: z.union([z.string(), z.array(z.number()).transform((bytes) => Buffer.from(bytes).toString())]).catch(''),
})
type Entry = z.infer<typeof entrySchema>

/** Returns the last lines that a unit logged; fewer if the account may not read the journal. */
export async function readJournal(reading: HostReader, name: string, lines: number): Promise<string> {
  return textOf(await lastEntries(reading, name, lines), lines)
}

/** Marks the end of the unit's journal: `linesSince` returns the last lines that the unit logged after it. */
export async function markJournal(reading: HostReader, name: string): Promise<LogMark> {
  const mark = (await lastEntries(reading, name, 1))[0]?.__CURSOR
  return {
    linesSince: async (lines) => {
      const entries = await lastEntries(reading, name, lines)
      return textOf(entries.slice(entries.findIndex((entry) => entry.__CURSOR === mark) + 1), lines)
    },
  }
}

/**
 * Returns the last entries of a unit, the newest last. The caller compares cursors: with `--after-cursor`, journalctl
 * prints the first entries instead of the last ones, and skips one more for a cursor of another unit.
 */
async function lastEntries(reading: HostReader, name: string, count: number): Promise<readonly Entry[]> {
  // The last lines of a service may still be on their way to the journal.
  if (reading.isRoot) await reading.query(['journalctl', '--sync'], { accept: 'any' })
  // Not with --unit: that misses lines of a process that ends before the journal has read which unit it belongs to.
  const matches = [`_SYSTEMD_UNIT=${unitName(name)}`, '+', `UNIT=${unitName(name)}`]
  const format = ['--output', 'json', '--output-fields', 'MESSAGE', '--all', '--no-pager', '--quiet']
  const command = ['journalctl', ...matches, '--lines', `${count}`, ...format]
  const { stdout } = await reading.query(command, { accept: 'any' })
  return stdout.split('\n').flatMap((line) => parseEntry(line) ?? [])
}

/** Returns null for a line that is not an entry, such as a hint about permissions. */
function parseEntry(line: string): Entry | null {
  try {
    return entrySchema.safeParse(JSON.parse(line)).data ?? null
  } catch {
    return null
  }
}

function textOf(entries: readonly Entry[], lines: number): string {
  return lastLines(entries.map((entry) => entry.MESSAGE).join('\n'), lines)
}
