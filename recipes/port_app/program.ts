/** Defines the program of a server, and records it with a release, so that a rollback restores it too. */
import * as z from 'zod'
import type { Release } from '../../resources/releases/releases.ts'

const serverProgram = z.strictObject({
  /** Command to run in the directory of the release; `%{port}` is replaced by the port. */
  command: z.string().min(1),
  environment: z.record(z.string(), z.string()),
})
export type ServerProgram = z.output<typeof serverProgram>

const releaseRecord = z.object({ program: serverProgram })

/**
 * Returns the recorded program of a release, else the one from the attributes. The app's account owns the record, and
 * runs the program.
 */
export function programOfRelease({ record }: Release, requested: ServerProgram, onUnusable: () => void): ServerProgram {
  if (record === null) return requested
  const parsed = releaseRecord.safeParse(record)
  if (parsed.success) return parsed.data.program
  onUnusable()
  return requested
}

/** Returns the record and the inputs of a release for git_release. */
export function recordAndInputs(program: ServerProgram) {
  return { record: { program }, inputs: { program: JSON.stringify(program) } }
}
