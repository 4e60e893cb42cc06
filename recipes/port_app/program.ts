/** Defines the program of a server, and records it with a release, so that a rollback restores it too. */
import * as z from 'zod'
import type { Release } from '../../resources/releases/releases.ts'

const serverProgram = z.strictObject({
  /** Command to run in the directory of the release; `%{port}` stands for the port. */
  command: z.string().min(1),
  environment: z.record(z.string(), z.string()),
})
export type ServerProgram = z.output<typeof serverProgram>

const releaseRecord = z.object({ program: serverProgram })

/**
 * Returns the recorded program of a release, else the one from the attributes. The app's account owns the record, and
 * runs the program.
 */
export function programOf({ record }: Release, asked: ServerProgram, unusable: () => void): ServerProgram {
  if (record === null) return asked
  const found = releaseRecord.safeParse(record)
  if (found.success) return found.data.program
  unusable()
  return asked
}

/** Returns the record and the inputs of a release for git_release. */
export function recordAndInputs(program: ServerProgram) {
  return { record: { program }, inputs: { program: JSON.stringify(program) } }
}
