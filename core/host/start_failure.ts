/** Explains why the system could not start a program. */
import * as fs from 'node:fs'
import { resolve } from 'node:path'

export interface CommandStart {
  readonly program: string
  readonly cwd: string
  /** The variable PATH of the command. */
  readonly searchPath: string
}

export interface StartFailure {
  readonly reason: string
  /** Whether no such program exists. */
  readonly isMissing: boolean
}

/** Explains an error of spawn: the system reports ENOENT for the program, its interpreter and the directory alike. */
export function startFailure({ program, cwd, searchPath }: CommandStart, error: NodeJS.ErrnoException): StartFailure {
  const failed = (reason: string, isMissing = false) => ({ reason, isMissing })
  if (error.code !== 'ENOENT') return failed(error.message)
  if (fs.statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) return failed(`no such directory ${cwd}`)
  const candidates = program.includes('/')
    ? [program]
    : searchPath.split(':').map((part) => `${part || '.'}/${program}`)
  const found = candidates.find((path) => fs.existsSync(resolve(cwd, path)))
  return found === undefined
    ? failed('no such program', true)
    : failed(`${found} exists, but the system cannot start it; its interpreter or its loader may be missing`)
}
