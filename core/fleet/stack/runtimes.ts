/** Checks the Node programs that a stack file names, for hosts without a Node of their own. */
import { accessSync, constants, statSync } from 'node:fs'
import type { ConvergeError } from '../../model/errors.ts'
import { formatPath } from '../../node/path.ts'
import { type Architecture, architectures, incompatibilityOf } from '../program_format.ts'
import { problemAt, type Search, unreadable } from './external_values.ts'
import { absolutePath } from './input_paths.ts'
import type { StackContent } from './schema.ts'
import type { Stack } from './stack.ts'

/** Returns the usable programs as absolute paths, and reports the others as problems. */
export function checkedRuntimes({ runtime = {} }: StackContent, search: Search): Stack['runtimes'] {
  const programs: Partial<Record<Architecture, string>> = {}
  for (const name of Object.values(architectures)) {
    const program = runtime[name]
    if (program === undefined) continue
    const problem = programProblem(program, name, search)
    if (problem === null) programs[name] = absolutePath(program, search.directory)
    else search.problems.push(problem)
  }
  return programs
}

function programProblem(program: string, name: Architecture, search: Search): ConvergeError | null {
  const path = ['runtime', name]
  const file = absolutePath(program, search.directory)
  const refuse = (reason: string, hint: string) =>
    problemAt(`${formatPath(path)}: ${program} ${reason}`, search.locate(path), hint)
  try {
    accessSync(file, constants.R_OK)
    const stats = statSync(file)
    if (!stats.isFile()) return refuse('is not a file', 'name the program itself, such as bin/node')
    // The upload makes it executable on the host; a file that is not executable here is probably the wrong file.
    if ((stats.mode & 0o111) === 0)
      return refuse('is not executable', `check that it is a Node program, then run chmod +x ${file}`)
    const incompatibility = incompatibilityOf(file, name)
    return incompatibility === null
      ? null
      : refuse(incompatibility, `name the program bin/node of a download for linux-${name}`)
  } catch (error) {
    return unreadable(program, path, search, error)
  }
}
