/** Checks the files that the stack's health command names. */
import { accessSync, constants, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { ConvergeError } from '../../model/errors.ts'
import { problemAt, type Search } from './external_values.ts'
import { absolutePath } from './input_paths.ts'

const path = ['health', 'command']

/** Programs whose first argument without a dash is a script. They read it, so it need not be executable. */
const interpreters = /^(?:ba|da|k|z)?sh$|^(?:python|perl|ruby|node|php)[\d.]*$/

/** Checks the first program, and the script of an interpreter. A word that the shell would expand ends the search. */
export function commandProblems(
  command: string | undefined,
  { directory, locate }: Pick<Search, 'directory' | 'locate'>,
): ConvergeError[] {
  const [first, ...rest] = plainWords(command ?? '')
  if (first === undefined) return []
  const script = (file: string, mustRun: boolean) => {
    const absolute = absolutePath(file, directory)
    const why = whyNot(absolute, mustRun)
    if (why === null) return []
    const hint =
      why === 'is not executable' ? `make it executable: chmod +x ${absolute}` : `check the path: ${absolute}`
    return [problemAt(`health.command: ${file} ${why}`, locate(path), hint)]
  }
  const [argument] = rest
  const isScript = argument !== undefined && interpreters.test(basename(first)) && !argument.startsWith('-')
  return [...(first.includes('/') ? script(first, true) : []), ...(isScript ? script(argument, false) : [])]
}

/** Returns the words of the first command, up to a word that needs the shell; none where the first word does. */
function plainWords(command: string): readonly string[] {
  const words: string[] = []
  for (const word of command.trim().split(/\s+/)) {
    if (!/^[\w./~@%+,:[!-]+;?$/.test(word)) break
    words.push(word.replace(/;$/, ''))
    if (word.endsWith(';')) break
  }
  return words[0] === '' ? [] : words
}

function whyNot(path: string, mustRun: boolean): string | null {
  try {
    if (!statSync(path).isFile()) return 'is not a file'
  } catch {
    return 'does not exist'
  }
  if (mustRun) return canAccess(path, constants.X_OK) ? null : 'is not executable'
  return canAccess(path, constants.R_OK) ? null : 'is not readable'
}

function canAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
