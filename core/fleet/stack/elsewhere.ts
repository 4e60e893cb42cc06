/** Replaces references to files and environment variables in a stack file by their text, for secrets above all. */
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { readInputFile } from '../../host/input_file.ts'
import { asConvergeError, ConvergeError, type SourceLocation } from '../../model/errors.ts'
import type { NodeWarning } from '../../node/layers.ts'
import { isObject } from '../../node/merge.ts'
import type { Schemas } from '../../node/notes.ts'
import { formatPath, type KeyPath } from '../../node/path.ts'

/** The text of a file, relative to the file with the reference; a single line loses its line end. */
export interface FromFile {
  readonly $file: string
}

/** The text of an environment variable of the operator. */
export interface FromEnvironment {
  readonly $env: string
}

export type Elsewhere = FromFile | FromEnvironment

/** The context of a search for referenced values, and its results. */
export interface Search {
  /** Directory that files are relative to. */
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Schemas of the attributes. */
  readonly schemas: Schemas
  readonly locate: (path: KeyPath, what?: 'value' | 'key') => SourceLocation
  /** How the number at a path is written; undefined where that is the value itself, or unknown. */
  readonly written: (path: KeyPath) => string | undefined
  readonly problems: ConvergeError[]
  /** Those of `problems` about variables and files that this computer lacks; it may lack the secrets of others. */
  readonly absent: ConvergeError[]
  /** Paths of the stack file whose values were invalid, or could not be read. */
  readonly lost: KeyPath[]
  readonly warnings: NodeWarning[]
  /** All values that were found: they are masked everywhere. */
  readonly secrets: Set<string>
  /** Paths of the values that were found. */
  readonly hidden: Set<string>
}

/** Replaces all references in a value by their text; a missing one is reported as a problem and left out. */
export function fetched(value: unknown, path: KeyPath, search: Search): unknown {
  if (Array.isArray(value)) return value.map((item, index) => fetched(item, [...path, index], search))
  if (!isObject(value)) return value
  if (Object.hasOwn(value, '$file') || Object.hasOwn(value, '$env')) return textOf(value, path, search)
  const result: Record<string, unknown> = {}
  for (const [key, child] of Object.entries(value)) result[key] = fetched(child, [...path, key], search)
  return result
}

function textOf(value: Readonly<Record<string, unknown>>, path: KeyPath, search: Search): string | undefined {
  const refuse = (message: string, hint: string) => {
    search.problems.push(problemAt(`${formatPath(path)}: ${message}`, search.locate(path), hint))
    search.lost.push(path)
    return undefined
  }
  const [kind = '', ...more] = Object.keys(value)
  const name = value[kind]
  if (more.length > 0 || typeof name !== 'string' || name === '')
    return refuse(
      'only {"$file": "PATH"} or {"$env": "NAME"} stands for a value from elsewhere',
      'write an object with that one key and a text as its value',
    )
  if (kind === '$file') return fileText(name, path, search)
  const text = search.environment[name]
  if (text !== undefined && text !== '') return kept(text, path, search)
  const message = `${formatPath(path)}: the environment variable ${name} is ${text === '' ? 'empty' : 'not set'}`
  const hint = `export ${name}=..., or take the value from a file: {"$file": "PATH"}`
  addAbsent(problemAt(message, search.locate(path), hint), search)
  search.lost.push(path)
  return undefined
}

export function addAbsent(problem: ConvergeError, { problems, absent }: Pick<Search, 'problems' | 'absent'>): void {
  problems.push(problem)
  absent.push(problem)
}

function kept(text: string, path: KeyPath, { secrets, hidden }: Search): string {
  secrets.add(text)
  hidden.add(formatPath(path))
  return text
}

/** Returns the text of a file that a key names; a problem where it cannot be read. */
export function fileText(file: string, path: KeyPath, search: Search): string | undefined {
  try {
    const text = decoded(readInputFile(placeOf(file, search.directory)))
    if (text === null) {
      const hint = 'convert a key or certificate in binary form (DER) to PEM: openssl x509, openssl pkey'
      search.problems.push(problemAt(`${formatPath(path)}: ${file} is no text`, search.locate(path), hint))
      search.lost.push(path)
      return undefined
    }
    const single = text.replace(/\r?\n$/, '')
    return kept(single.includes('\n') ? text : single, path, search)
  } catch (error) {
    addAbsent(unreadable(file, path, search, error), search)
    search.lost.push(path)
    return undefined
  }
}

/** Null: the content is not UTF-8. */
function decoded(content: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

export function unreadable(
  file: string,
  path: KeyPath,
  { directory, locate }: Pick<Search, 'directory' | 'locate'>,
  error: unknown,
): ConvergeError {
  // The message of the system repeats the call and the path.
  const reason = asConvergeError(error).message.replace(/^.*?: /, '')
  const whole = placeOf(file, directory)
  return problemAt(
    `${formatPath(path)}: ${file} cannot be read: ${reason}`,
    locate(path),
    whole === file ? 'check the path, and whether this account may read it' : `it is looked for at ${whole}`,
  )
}

/** Decides whether a value at a path, or a part of it, was invalid or unreadable, and so is no missing value. */
export function isLost(path: KeyPath, { lost }: Pick<Search, 'lost'>): boolean {
  return lost.some((one) => one.every((key, at) => at >= path.length || String(key) === String(path[at])))
}

/** Returns an absolute path; `~` is the operator's home directory. */
export function placeOf(file: string, directory: string): string {
  return resolve(directory, file.replace(/^~(?=\/|$)/, homedir()))
}

export function problemAt(message: string, source: SourceLocation, hint?: string): ConvergeError {
  return new ConvergeError(message, { code: 'INVALID_STACK', source, hint, usage: true })
}
