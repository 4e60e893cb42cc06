/** What a server runs, and how it is kept with a release, so that going back brings it back too. */
import * as z from 'zod'
import type { Release } from '../../resources/releases.ts'

const serverProgram = z.strictObject({
  /** Run in the directory of the release; `%{port}` stands for the port. */
  command: z.string().min(1),
  environment: z.record(z.string(), z.string()),
})
export type ServerProgram = z.output<typeof serverProgram>

const releaseRecord = z.object({ program: serverProgram })

/**
 * The program of a release: its own where it has one recorded, else the one asked for. It belongs to the account of the app,
 * and is run as that.
 */
export function programOf({ record }: Release, asked: ServerProgram, unusable: () => void): ServerProgram {
  if (record === null) return asked
  const found = releaseRecord.safeParse(record)
  if (found.success) return found.data.program
  unusable()
  return asked
}

/** For git_release: what is stored beside the release, and what makes it another one. */
export function kept(program: ServerProgram) {
  return { record: { program }, inputs: { program: JSON.stringify(program) } }
}
