/** Validates the merged layers against the schemas, adds the defaults, and collects the secret values. */
import type { ZodType, z } from 'zod'
import { ConvergeError, InvalidInput, type SourceLocation } from '../model/errors.ts'
import type { OwnNames } from '../model/secret_names.ts'
import { ineffectiveAttributes } from './ineffective.ts'
import { inspect, moreUnknownMessage, unknownMessage } from './inspect.ts'
import type { NodeWarning } from './layer.ts'
import { isObject, type JsonObject } from './merge.ts'
import type { Schemas } from './notes.ts'
import { parseSharedOnce } from './parsed_once.ts'
import { formatPath, type KeyPath } from './path.ts'
import { type Problem, problemOf } from './problems.ts'
import { deepFreeze } from './shared_values.ts'
import { validPart } from './valid_part.ts'

export interface Validated {
  /** With defaults and conversions; deeply frozen. The default of a key that no layer sets is computed at the first access. */
  readonly value: JsonObject
  /** Problems with file, line and column; the value has the defaults instead. */
  readonly problems: readonly ConvergeError[]
  readonly warnings: readonly NodeWarning[]
  /** Values at sensitive paths, and others that are secrets by their name or form. */
  readonly secrets: readonly string[]
}

export interface ValidateOptions {
  readonly schemas: Schemas
  /** The position at which a layer sets a path. */
  readonly locate: (path: KeyPath, part?: 'value' | 'key') => SourceLocation | undefined
  /** How a number at a path is written in the file, if its value does not preserve that. */
  readonly written?: ((path: KeyPath) => string | undefined) | undefined
  /** Top-level keys without a schema that cause no warning. */
  readonly foreign?: ReadonlySet<string> | undefined
  /** Top-level keys that only the facts set: their values are valid, and are parsed at the first access. */
  readonly gathered?: ReadonlySet<string> | undefined
  /** Names that the user has declared as secret or as open. */
  readonly names?: OwnNames | undefined
  /** Decides whether the input sets a path; default: it sets all paths. */
  readonly isSetByInput?: (path: KeyPath) => boolean
}

const noKeys: ReadonlySet<string> = new Set()

/** Entries of one attribute; with more, each later step would take minutes. */
const maxEntries = 10_000

/** Problems of one attribute that are reported. */
const maxProblems = 200

/** Checks the merged layers. Unknown keys are kept, and reported as warnings. */
export function validate(
  merged: JsonObject,
  {
    schemas,
    locate,
    written,
    foreign = noKeys,
    gathered = noKeys,
    names,
    isSetByInput: isGiven = () => true,
  }: ValidateOptions,
): Validated {
  const problems: ConvergeError[] = []
  const value: Record<string, unknown> = {}
  const isInput = (key: string) => Object.hasOwn(merged, key) && !(gathered.has(key) && Object.hasOwn(schemas, key))
  for (const key of Object.keys(schemas)) if (!isInput(key)) defineLazily(value, key, () => schemas[key], merged[key])
  const input = Object.fromEntries(Object.entries(merged).filter(([key]) => isInput(key)))
  for (const [key, attribute] of Object.entries(input)) {
    if (!Object.hasOwn(schemas, key)) {
      defineFrozen(value, key, attribute)
      continue
    }
    const count = isObject(attribute) ? Object.keys(attribute).length : 0
    if (count > maxEntries) {
      problems.push(attributeProblem(tooManyEntries(key, count), locate))
      defineLazily(value, key, () => schemas[key], undefined)
      continue
    }
    // Compiling a parser pays off from some hundred calls on; here each schema is used once.
    const schema = schemas[key]
    if (schema !== undefined) parseSharedOnce(schema, attribute)
    const result = schema?.safeParse(attribute, { jitless: true })
    if (result?.success) defineFrozen(value, key, result.data)
    else if (schema !== undefined && result !== undefined) {
      const { issues } = result.error
      const reported = issues.slice(0, maxProblems).map((issue) => problemOf(issue, key, merged, schemas, written))
      if (issues.length > maxProblems) reported.push(moreProblems(key, issues.length - maxProblems))
      problems.push(...reported.map((problem) => attributeProblem(problem, locate)))
      const validRest = validPart(schema, attribute)
      if (validRest === undefined) defineLazily(value, key, () => schema, undefined)
      else defineFrozen(value, key, validRest)
    }
  }
  const { unknown, unlisted: more, secrets } = inspect(input, schemas, foreign, names)
  const warnings: NodeWarning[] = unknown.map((unknownKey) => ({
    code: 'UNKNOWN_KEY' as const,
    message: unknownMessage(unknownKey),
    path: formatPath(unknownKey.path),
    hint:
      unknownKey.suggestion === undefined
        ? undefined
        : `did you mean ${formatPath([...unknownKey.path.slice(0, -1), unknownKey.suggestion])}?`,
    source: locate(unknownKey.path, 'key'),
  }))
  if (more > 0) warnings.push({ code: 'UNKNOWN_KEY', message: moreUnknownMessage(more), path: '' })
  // An invalid key may be the one that gives the others an effect.
  const ineffective = problems.length > 0 ? [] : ineffectiveAttributes(input, schemas, value)
  for (const { path, message, hint } of ineffective)
    if (isGiven(path)) warnings.push({ code: 'NO_EFFECT', message, path: formatPath(path), hint, source: locate(path) })
  return { value: Object.freeze(value), problems, warnings, secrets }
}

const tooManyEntries = (key: string, count: number): Problem => ({
  path: [key],
  message: `${key}: ${count.toLocaleString('en')} entries, more than the limit of ${maxEntries.toLocaleString('en')}`,
  hint: 'remove entries that this host does not need',
  part: 'key',
})

const moreProblems = (key: string, count: number): Problem => ({
  path: [key],
  message: `${key}: ${count.toLocaleString('en')} more mistakes, which are not listed`,
  hint: 'correct the listed ones, then run again',
  part: 'key',
})

function attributeProblem({ path, message, hint, part }: Problem, locate: ValidateOptions['locate']): ConvergeError {
  const details = { code: 'INVALID_ATTRIBUTE', attribute: formatPath(path), hint, usage: true }
  return new ConvergeError(message, { ...details, source: locate(path, part) })
}

function defineLazily(
  target: Record<string, unknown>,
  key: string,
  schemaOf: () => ZodType | undefined,
  input: unknown,
): void {
  let parsed: { readonly value: unknown } | undefined
  Object.defineProperty(target, key, {
    enumerable: true,
    get: () => {
      parsed ??= { value: input === undefined ? defaultOf(key, schemaOf()) : parseAttribute(schemaOf(), input) }
      return parsed.value
    },
  })
}

const defaults = new WeakMap<ZodType, { readonly value: unknown }>()

/** Returns the default of a key, which all nodes share. */
function defaultOf(key: string, schema: ZodType | undefined): unknown {
  if (schema === undefined) return undefined
  const known = defaults.get(schema)
  if (known !== undefined) return known.value
  const result = schema.safeParse(undefined, { jitless: true })
  if (!result.success) throwMissing(key, schema, result.error.issues)
  const value: unknown = deepFreeze(result.data)
  defaults.set(schema, { value })
  return value
}

/** Reports attributes of recipes that are required and missing, when a recipe reads their key. */
function throwMissing(key: string, schema: ZodType, issues: readonly z.core.$ZodIssue[]): never {
  const problems = issues.map((issue) =>
    attributeProblem(problemOf(issue, key, {}, { [key]: schema }), () => undefined),
  )
  throw new InvalidInput(problems, `the attributes of ${key} are not complete`)
}

function parseAttribute(schema: ZodType | undefined, input: unknown): unknown {
  return deepFreeze(schema?.parse(input, { jitless: true }))
}

/** Defines a key whose value is frozen at the first access: freezing a large value takes time, and most keys are never read. */
function defineFrozen(target: Record<string, unknown>, key: string, value: unknown): void {
  let frozen = false
  Object.defineProperty(target, key, {
    enumerable: true,
    get: () => {
      if (!frozen) deepFreeze(value)
      frozen = true
      return value
    },
  })
}
