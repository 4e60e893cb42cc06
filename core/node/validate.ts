/** Checks what the layers say against the schemas, fills defaults in, and collects what must not be shown. */
import type { ZodType } from 'zod'
import { ConvergeError, type SourceLocation } from '../model/errors.ts'
import type { OwnNames } from '../model/secret_names.ts'
import { ineffectiveAttributes } from './ineffective.ts'
import { inspect, moreUnknownMessage, unknownMessage } from './inspect.ts'
import type { NodeWarning } from './layers.ts'
import type { JsonObject } from './merge.ts'
import type { Schemas } from './notes.ts'
import { parseSharedOnce } from './parsed_once.ts'
import { formatPath, type KeyPath } from './path.ts'
import { type Problem, problemOf } from './problems.ts'
import { deepFreeze } from './shared.ts'
import { validPart } from './valid_part.ts'

export interface Validated {
  /** With defaults and conversions; deeply frozen. Keys nobody set are worked out when they are first looked at. */
  readonly value: JsonObject
  /** Problems with file, line and column; the value has the defaults in their places. */
  readonly problems: readonly ConvergeError[]
  readonly warnings: readonly NodeWarning[]
  /** Values at sensitive paths, and others whose name or form gives them away. */
  readonly secrets: readonly string[]
}

export interface ValidateOptions {
  readonly schemas: Schemas
  /** Where the layer that set a path says so. */
  readonly locate: (path: KeyPath, what?: 'value' | 'key') => SourceLocation | undefined
  /** How a number at a path is written in the file, where its value does not tell. */
  readonly written?: ((path: KeyPath) => string | undefined) | undefined
  /** Top-level keys without a schema that are no reason for a warning. */
  readonly foreign?: ReadonlySet<string> | undefined
  /** Top-level keys that only the facts speak of: right as they are, and put into their form when somebody looks. */
  readonly gathered?: ReadonlySet<string> | undefined
  /** Names the user counts as secret, or not. */
  readonly names?: OwnNames | undefined
  /** Whether somebody has set a path, rather than a default; default: everything is set. */
  readonly isSetByInput?: (path: KeyPath) => boolean
}

const none: ReadonlySet<string> = new Set()

/** Checks the merged layers. Unknown keys are kept, and reported as warnings. */
export function validate(
  merged: JsonObject,
  {
    schemas,
    locate,
    written,
    foreign = none,
    gathered = none,
    names,
    isSetByInput: isGiven = () => true,
  }: ValidateOptions,
): Validated {
  const problems: ConvergeError[] = []
  const value: Record<string, unknown> = {}
  const isTold = (key: string) => Object.hasOwn(merged, key) && !(gathered.has(key) && Object.hasOwn(schemas, key))
  for (const key of Object.keys(schemas)) if (!isTold(key)) defineLazily(value, key, () => schemas[key], merged[key])
  const told = Object.fromEntries(Object.entries(merged).filter(([key]) => isTold(key)))
  for (const [key, said] of Object.entries(told)) {
    if (!Object.hasOwn(schemas, key)) {
      defineFrozen(value, key, said)
      continue
    }
    // Compiling a parser pays off from some hundred calls on; here each schema is used once.
    const schema = schemas[key]
    if (schema !== undefined) parseSharedOnce(schema, said)
    const result = schema?.safeParse(said, { jitless: true })
    if (result?.success) defineFrozen(value, key, result.data)
    else if (schema !== undefined && result !== undefined) {
      const { issues } = result.error
      problems.push(...issues.map((issue) => attributeProblem(problemOf(issue, key, merged, schemas, written), locate)))
      const sound = validPart(schema, said)
      if (sound === undefined) defineLazily(value, key, () => schema, undefined)
      else defineFrozen(value, key, sound)
    }
  }
  const { unknown, more, secrets } = inspect(told, schemas, foreign, names)
  const warnings: NodeWarning[] = unknown.map((one) => ({
    code: 'UNKNOWN_KEY' as const,
    message: unknownMessage(one),
    path: formatPath(one.path),
    hint: one.near === undefined ? undefined : `did you mean ${formatPath([...one.path.slice(0, -1), one.near])}?`,
    source: locate(one.path, 'key'),
  }))
  if (more > 0) warnings.push({ code: 'UNKNOWN_KEY', message: moreUnknownMessage(more), path: '' })
  // The faulty key may be the switch that gives the others an effect.
  const idle = problems.length > 0 ? [] : ineffectiveAttributes(told, schemas, value)
  for (const { path, message, hint } of idle)
    if (isGiven(path)) warnings.push({ code: 'NO_EFFECT', message, path: formatPath(path), hint, source: locate(path) })
  return { value: Object.freeze(value), problems, warnings, secrets }
}

function attributeProblem({ path, message, hint, what }: Problem, locate: ValidateOptions['locate']): ConvergeError {
  const details = { code: 'INVALID_ATTRIBUTE', attribute: formatPath(path), hint, usage: true }
  return new ConvergeError(message, { ...details, source: locate(path, what) })
}

function defineLazily(
  target: Record<string, unknown>,
  key: string,
  schemaOf: () => ZodType | undefined,
  said: unknown,
): void {
  let made: { readonly value: unknown } | undefined
  Object.defineProperty(target, key, {
    enumerable: true,
    get: () => {
      made ??= { value: said === undefined ? defaultOf(schemaOf()) : parseAttribute(schemaOf(), said) }
      return made.value
    },
  })
}

const defaults = new WeakMap<ZodType, { readonly value: unknown }>()

/** The same for every node. */
function defaultOf(schema: ZodType | undefined): unknown {
  if (schema === undefined) return undefined
  const known = defaults.get(schema) ?? { value: parseAttribute(schema, undefined) }
  defaults.set(schema, known)
  return known.value
}

function parseAttribute(schema: ZodType | undefined, said: unknown): unknown {
  return deepFreeze(schema?.parse(said, { jitless: true }))
}

/** Freezing a large value takes a while, and most keys are never looked at. */
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
