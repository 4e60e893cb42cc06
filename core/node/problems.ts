/** Describes problems of a value in plain words, from zod's issues and the notes of the schema. */
import type { z } from 'zod'
import { nearest } from '../model/nearest.ts'
import { noNames } from '../model/secret_names.ts'
import { maskNamed } from '../model/secret_text.ts'
import { bare, childSchema, isSensitive, knownKeysAt, type Schemas } from './notes.ts'
import { childOf, formatPath, type KeyPath, valueAt } from './path.ts'

export interface Problem {
  readonly path: KeyPath
  readonly message: string
  readonly hint: string | undefined
  /** The faulty part at that path. */
  readonly part: 'key' | 'value'
}

type Issue = z.core.$ZodIssue

/**
 * Describes one issue.
 * @param raw as zod reports it
 * @param value the merged value of all layers
 * @param written how a number is written in the file, if its value does not preserve that
 */
export function problemOf(
  raw: Issue,
  key: string,
  value: unknown,
  schemas: Schemas,
  written: (path: KeyPath) => string | undefined = () => undefined,
): Problem {
  const path: KeyPath = [key, ...raw.path.filter((part) => typeof part !== 'symbol')]
  const actual = valueAt(value, path)
  const notes = notesAlong(schemas, path)
  const issue: Issue = raw.code === 'invalid_value' ? { ...raw, values: notes.choices ?? raw.values } : raw
  if (issue.code === 'invalid_key') {
    const requested = issue.issues[0]?.message ?? 'another name'
    const message = `${formatPath(path)}: ${JSON.stringify(path.at(-1))} is not ${requested}`
    return { path, message, hint: notes.description, part: 'key' }
  }
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys, path, schemas)
  const sensitive = isSensitive(schemas, path)
  const requested = expectation(issue) + (notes.unit !== undefined && isNumeric(issue) ? ` of ${notes.unit}` : '')
  const number = typeof actual === 'number' && !sensitive ? (written(path) ?? String(actual)) : undefined
  const actualText = actual === undefined ? 'there is none' : `got ${number ?? displayText(actual, sensitive)}`
  const hint = (sensitive ? undefined : repair(issue, actual, notes.defaultText, number)) ?? notes.description
  return { path, message: `${formatPath(path)}: expected ${requested}, ${actualText}`, hint, part: 'value' }
}

/** Keys that a strict object does not have, e.g. of attributes that a recipe defines. */
function unknownKeys(keys: readonly string[], path: KeyPath, schemas: Schemas): Problem {
  const [first = ''] = keys
  const known = knownKeysAt(schemas, path)
  const names = keys.map((key) => formatPath([...path, key])).join(', ')
  return {
    path: [...path, first],
    message: `${names}: unknown ${keys.length === 1 ? 'key' : 'keys'}`,
    hint: nearest(first, known) ?? keyList(known),
    part: 'key',
  }
}

/** Returns a hint that lists the keys of an object; undefined for none. */
export function keyList(known: readonly string[]): string | undefined {
  return known.length === 0 ? undefined : `the keys are: ${known.join(', ')}`
}

interface NotesAlong {
  /** Of the attribute, or of the nearest one around it that has a description; with its default. */
  readonly description: string | undefined
  readonly unit: string | undefined
  readonly defaultText: string | undefined
  /** The words that a choice offers. */
  readonly choices: string[] | undefined
}

function notesAlong(schemas: Schemas, path: KeyPath): NotesAlong {
  let at = childOf(schemas, path[0] ?? '') as z.core.$ZodType | undefined
  let along: NotesAlong = { description: undefined, unit: undefined, defaultText: undefined, choices: undefined }
  for (let i = 1; at !== undefined; i++) {
    const { notes, standard } = bare(at)
    const fallback =
      standard === undefined || standard === null || standard === '' ? undefined : JSON.stringify(standard)
    const words = notes.description?.replace(/\.$/, '')
    const description = words === undefined || fallback === undefined ? words : `${words}; default ${fallback}`
    const choices = notes.enum === undefined ? undefined : [...notes.enum]
    along = { description: description ?? along.description, unit: notes.unit, defaultText: fallback, choices }
    const next = path[i]
    if (next === undefined) break
    at = childSchema(at, next)
  }
  return along
}

function isNumeric(issue: Issue): boolean {
  return issue.code === 'invalid_type' && ['number', 'int'].includes(issue.expected)
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      // A message of the schema takes precedence over the one for its type.
      if (!issue.message.startsWith('Invalid')) return issue.message
      return typeWords[issue.expected] ?? issue.expected
    case 'too_small':
      return `${sizeOf(issue.origin)} ${issue.inclusive === false ? 'above' : 'from'} ${issue.minimum}${issue.inclusive === false ? '' : ' up'}`
    case 'too_big':
      return `${sizeOf(issue.origin)} ${issue.inclusive === false ? 'below' : 'up to'} ${issue.maximum}`
    case 'invalid_value':
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    default:
      return issue.message
  }
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
}

function sizeOf(origin: string): string {
  if (origin === 'string') return 'text with a length'
  return origin === 'array' ? 'a list with a length' : 'a number'
}

/** Describes a value of a file, shortened; never a sensitive one, nor one that may contain such a value. */
export function displayText(value: unknown, sensitive: boolean): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  if (sensitive) return `${typeof value === 'string' ? 'a text' : `a ${typeof value}`} that is not shown`
  if (typeof value !== 'string') return String(value)
  if (value.includes('://')) return 'an address'
  // A text in place of an object may contain the values of that object: `A_PASSWORD=value`.
  const text = JSON.stringify(maskNamed(value, noNames))
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text
}

/** Suggests a replacement, where there is an obvious one. */
function repair(issue: Issue, value: unknown, standard: string | undefined, number?: string): string | undefined {
  if (value === null) return `leave the key out${standard === undefined ? '' : ` to get the default, ${standard}`}`
  if (issue.code === 'invalid_value' && typeof value === 'string') return nearest(value, issue.values.map(String))
  if (issue.code !== 'invalid_type') return undefined
  if (issue.expected === 'string' && typeof value === 'number') return `put it in quotes: "${number ?? value}"`
  if (issue.expected === 'boolean' && typeof value === 'string') return 'write true or false, without quotes'
  if (issue.expected === 'array' && typeof value === 'string')
    return `put it in brackets: [${displayText(value, false)}]`
  return undefined
}
