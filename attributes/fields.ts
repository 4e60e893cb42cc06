/** Builds attribute schemas: values as people write them in custom JSON, each with a sentence on its purpose. */
import * as z from 'zod'
import { expectedDomain } from '../core/model/domain_name.ts'

/** Notes on an attribute beside its type. They are stored in zod's registry; docs and errors read them there. */
export interface Notes {
  /** E.g. `seconds`, `days`. */
  readonly unit?: string
  /** The attribute or manual that it mirrors, unless that is the cookbook's attribute of the same path. */
  readonly mirrors?: string
  /** Its value is never shown. */
  readonly sensitive?: boolean
  /** A number there is taken as the text that the file has. */
  readonly verbatim?: boolean
  /**
   * Advice in the imperative for an attribute that converge does not implement. A run reports it where the attribute is set to
   * something other than its default. In a group it applies to all attributes inside.
   */
  readonly unused?: string
  /** The same for single keys of a map. */
  readonly unusedKeys?: Readonly<Record<string, string>>
  /**
   * The attribute that must be set for this one to have an effect; a list where one of several is enough. `*` stands for any
   * key, `.name` for an attribute beside this one, and `!name` for one that must not be set.
   */
  readonly needs?: string | readonly string[]
  /** The value that an absent attribute without a default counts as. */
  readonly usual?: unknown
}

/** Notes of an object, which those inside it share. */
export interface GroupNotes extends Notes {
  /** The cookbook whose attributes of the same path are mirrored; null: none of these is a cookbook's. */
  readonly cookbook?: string | null
  /** Users put keys of their own here: an unknown key is reported only if it resembles a known one. */
  readonly open?: boolean
  /** Advice for keys that the group does not name. */
  readonly unusedRest?: string
}

// Schemas cost 20 microseconds each to make, so those without notes of their own are made once, and when first used.
const made = new Map<string, z.ZodType>()
function shared<S extends z.ZodType>(key: string, make: () => S): S {
  const found = made.get(key) as S | undefined
  if (found !== undefined) return found
  const schema = make()
  made.set(key, schema)
  return schema
}

function noted<S extends z.ZodType>(schema: S, notes: Record<string, unknown>): S {
  z.globalRegistry.add(schema, notes)
  return schema
}

const wholeNumber = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value)

/** Accepts whole numbers as text (`"revision": 20240501`); others arrive as written in the file, see `verbatim`. */
const textOf = (value: unknown): unknown => (wholeNumber(value) ? String(value) : value)

/** Accepts `"4"`, `"-1"`, `"0.5"` as numbers, but nothing that needs interpretation (`"1e3"`, `"0x10"`, `"4 GB"`). */
const numberOf = (value: unknown): unknown =>
  typeof value === 'string' && /^\s*-?\d{1,15}(\.\d{1,15})?\s*$/.test(value) ? Number(value) : value

/** Accepts `"true"` and `"false"` as booleans, but not `yes`, `on`, 1 and similar values. */
const flagOf = (value: unknown): unknown => {
  const word = typeof value === 'string' ? value.trim().toLowerCase() : value
  return word === 'true' ? true : word === 'false' ? false : value
}

const withoutEndSlash = (value: unknown): unknown =>
  typeof value === 'string' && value.length > 1 ? value.replace(/(?!^)\/+$/, '') : value

const textNotes = { accepts: 'text', verbatim: true }

/** Text on one line, without control characters other than tabs; a number is the text that the file has. */
export const line = () =>
  shared('line', () =>
    noted(
      z.preprocess(
        textOf,
        z.string().regex(/^[^\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029]*$/, { error: 'text on one line' }),
      ),
      textNotes,
    ),
  )

/** Text of one kind. */
export const pattern = (regex: RegExp, what: string) =>
  noted(z.preprocess(textOf, z.string().regex(regex, { error: what })), textNotes)

const trimmed = (value: unknown): unknown => {
  const text = textOf(value)
  return typeof text === 'string' ? text.trim() : text
}

/** Text of one kind, without blanks at its ends. */
const notation = (key: string, regex: RegExp, what: string) =>
  shared(key, () => noted(z.preprocess(trimmed, z.string().regex(regex, { error: what })), textNotes))

/** A time as haproxy.cfg has it. */
export const haproxyTime = () =>
  notation('haproxyTime', /^\d+(us|ms|s|m|h|d)?$/, 'a time in HAProxy notation, such as 60s')

/** A whole number that a configuration file has as text. */
export const countText = () => notation('countText', /^\d+$/, 'a whole number')

/** One word of a configuration file: printable ASCII characters without blanks. */
export const printableWord = () => notation('printableWord', /^[!-~]+$/, 'one word without blanks')

/** Words of haproxy.cfg, without characters that start a comment, a quote or another directive. */
export const haproxyWords = () =>
  notation('haproxyWords', /^[\w()., -]+$/, 'words in HAProxy notation, such as leastconn')

export const buildoutFile = () =>
  shared('buildoutFile', () => pattern(/^(?=.*\S)[^\0-\x08\n-\x1f\x7f]*$/, 'the name of a buildout file'))

/** A host name that a web server answers for; may have a wildcard or be a regular expression of nginx. */
export const domainName = () =>
  shared('domainName', () =>
    noted(
      z.preprocess(
        textOf,
        z.string().superRefine((text, context) => {
          const message = expectedDomain(text)
          if (message !== null) context.addIssue({ code: 'custom', message })
        }),
      ),
      textNotes,
    ),
  )

/** A size as nginx writes it: it stands in its configuration as it is. */
export const nginxSize = () =>
  shared('nginxSize', () =>
    noted(
      z.preprocess(textOf, z.string().regex(/^\d+[kmg]?$/i, { error: 'a size of nginx: a number with k, m or g' })),
      {
        accepts: 'text',
      },
    ),
  )

/** The name of an account or a group; no configuration file needs to quote it. */
export const accountName = () =>
  shared('accountName', () =>
    noted(
      z.preprocess(
        textOf,
        z.string().regex(/^\w[\w.-]{0,30}[\w.$-]?$/, {
          error: 'the name of an account: letters, digits, dots, dashes and underscores, 32 at most',
        }),
      ),
      textNotes,
    ),
  )

/** Text of any number of lines; a number is the text that the file has. */
export const text = () =>
  shared('text', () =>
    noted(z.preprocess(textOf, z.string().regex(/^[^\0]*$/, { error: 'text without NUL characters' })), textNotes),
  )

const absolutePath = () =>
  z
    .string()
    .regex(/^\/[^\r\n\0]*$/, { error: 'an absolute path', abort: true })
    .regex(/^(?!.*\/\.{1,2}(\/|$))/, { error: "an absolute path without '.' or '..' parts" })

/** An absolute path; slashes at its end are dropped. */
export const path = () => shared('path', () => z.preprocess(withoutEndSlash, absolutePath()))

/**
 * An absolute path that stands in configuration files: supervisor, nginx, cron and others give these signs a meaning, and
 * Python makes no virtualenv below a `:`.
 */
export const configuredPath = () =>
  shared('configuredPath', () =>
    z.preprocess(
      withoutEndSlash,
      absolutePath().regex(/^[^\p{Cc}\p{Surrogate}"'\\$%`:;#*?[\]{}]*$/u, {
        error: 'a path without control characters and without " \' \\ $ % ` : ; # * ? [ ] { }',
      }),
    ),
  )

/** A path below another directory. */
export const relativePath = () =>
  shared('relativePath', () =>
    z
      .string()
      .regex(/^[^/\0-\x1f\x7f-\x9f\u2028\u2029-][^\0-\x1f\x7f-\x9f\u2028\u2029]*$/, {
        error: 'a relative path',
        abort: true,
      })
      .regex(/^(?!(.*\/)?\.\.(\/|$))/, { error: "a path without '..' parts" }),
  )

/** A path below another directory as the platform writes it: slashes at its ends are dropped, and null, '' and / mean none. */
export const platformPath = () =>
  shared('platformPath', () =>
    z.preprocess((value) => {
      const path = typeof value === 'string' ? value.replace(/^\/+|\/+$/g, '') : value
      return path === '' || path === '.' ? undefined : path
    }, relativePath().optional()),
  )

/** Links of a release: directory below `shared` to its name in the release. */
export const links = () => shared('links', () => z.record(relativePath(), relativePath()))

/** A SHA-256 digest as 64 hexadecimal digits. */
export const sha256 = () =>
  shared('sha256', () => z.string().regex(/^[0-9a-fA-F]{64}$/, { error: 'a SHA-256 digest of 64 hexadecimal digits' }))

/** A commit by its whole name. */
export const commit = () =>
  shared('commit', () =>
    z.string().regex(/^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/, { error: 'a commit in full: 40 hexadecimal digits' }),
  )

/** True or false; the words in quotes are accepted. */
export const flag = () => shared('flag', () => noted(z.preprocess(flagOf, z.boolean()), { accepts: 'flag' }))

/** A number; one in quotes is accepted. */
export const number = (min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY) =>
  shared(`number ${min} ${max}`, () =>
    noted(z.preprocess(numberOf, bounded(z.number(), min, max)), { accepts: 'number' }),
  )

/** A whole number; one in quotes is accepted. */
export const integer = (min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY) =>
  shared(`integer ${min} ${max}`, () =>
    noted(z.preprocess(numberOf, bounded(z.int(), min, max)), { accepts: 'integer' }),
  )

export const port = () => integer(1, 65535)

function bounded<S extends z.ZodNumber>(schema: S, min: number, max: number): S {
  const lower = Number.isFinite(min) ? schema.min(min) : schema
  return Number.isFinite(max) ? lower.max(max) : lower
}

/** A time in milliseconds; HAProxy's spelling (`10s`, `500ms`, `1m`) is accepted. */
export const milliseconds = () =>
  shared('milliseconds', () => noted(z.preprocess(millisecondsOf, z.int().min(1)), { accepts: 'text or integer' }))

function millisecondsOf(value: unknown): unknown {
  const found = typeof value === 'string' ? /^\s*(\d{1,9})(ms|s|m|h|d)?\s*$/.exec(value) : null
  if (found === null) return value
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[found[2] ?? 'ms'] ?? 1
  return Number(found[1]) * factor
}

/**
 * One of a few words.
 * @param as further spellings and what they are read as
 * @param unoffered words that are accepted, and that neither messages nor the reference offer
 */
export const choice = <const W extends readonly [string, ...string[]], const U extends readonly string[] = []>(
  words: W,
  as: Readonly<Record<string, W[number]>> = {},
  unoffered: U | readonly [] = [],
) =>
  shared(`choice ${words.join(' ')}`, () =>
    z.preprocess(
      (value) => (typeof value === 'string' ? (as[value] ?? value) : value),
      noted(
        z.enum([...words, ...unoffered] as unknown as readonly [W[number] | U[number], ...(W[number] | U[number])[]]),
        {
          enum: words,
        },
      ),
    ),
  )

export const list = <S extends z.ZodType>(item: S) => z.array(item)

/** A map whose keys are the user's own, e.g. host names. */
export const map = <S extends z.ZodType>(value: S) => z.record(z.string(), value)

/** Words separated by spaces; a list of them is accepted. */
export const words = () =>
  shared('words', () =>
    noted(
      z.preprocess((value) => (Array.isArray(value) ? value.join(' ') : value), z.string()),
      { accepts: 'text or list', verbatim: true },
    ),
  )

/** A list of words; one text with spaces or commas between them is accepted. */
export const wordList = () =>
  shared('wordList', () =>
    noted(
      z.preprocess(
        (value) => (typeof value === 'string' ? value.split(/[\s,]+/).filter((word) => word !== '') : value),
        z.array(line()),
      ),
      { accepts: 'text or list', verbatim: true },
    ),
  )

/** Environment variables, all as text: numbers, `true` and `false` are turned into it; null takes a variable away. */
export const environment = () => shared('environment', () => z.preprocess(environmentOf, variables()))

/** The same, also as the console's API writes them: a list of {Key, Value, Secure}. */
export const variableList = () =>
  shared('variableList', () => z.preprocess((value) => environmentOf(byKey(value)), variables()))

const variables = () =>
  z.record(
    z.string().regex(/^[^=\s\0]+$/, { error: 'the name of an environment variable' }),
    // A number is text here, as it is written: 1.10 is not 1.1.
    noted(z.string().regex(/^[^\0]*$/, { error: 'text without NUL characters' }), { verbatim: true }),
  )

function environmentOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const given: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(value)) {
    if (one === null) continue
    const isText = typeof one === 'boolean' || (typeof one === 'number' && !isRounded(one))
    given[name] = isText ? String(one) : one
  }
  return given
}

/** Above 2^53 a number is no longer the one that was written. */
const isRounded = (value: number) => Number.isInteger(value) && !Number.isSafeInteger(value)

function byKey(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  const entries = value.map((item: unknown) => {
    const { Key, Value, key = Key, value: text = Value } = (item ?? {}) as Record<string, unknown>
    return typeof key === 'string' ? [key, text ?? null] : null
  })
  return entries.includes(null) ? value : Object.fromEntries(entries as [string, unknown][])
}

/** Packages to install: names, `[name, version]` pairs, or one map from name to version; no version means the newest. */
export const packages = () =>
  shared('packages', () =>
    noted(
      z.preprocess(
        packagesOf,
        z.array(z.object({ name: line(), version: z.nullable(line()) }, { error: 'a name or [name, version]' })),
      ),
      {
        accepts: 'packages',
        verbatim: true,
      },
    ),
  )

function packagesOf(value: unknown): unknown {
  const one = (name: unknown, version: unknown) => ({
    name,
    version: version === '' || version === undefined ? null : version,
  })
  if (Array.isArray(value))
    return value.map((item: unknown) =>
      typeof item === 'string' ? one(item, null) : Array.isArray(item) ? one(item[0], item[1]) : item,
    )
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([name, version]) => one(name, version))
}

const nullables = new WeakMap<z.ZodType, z.ZodType>()

/** The same, or null. */
export function orNull<S extends z.ZodType>(schema: S): z.ZodNullable<S> {
  const known = nullables.get(schema) as z.ZodNullable<S> | undefined
  if (known !== undefined) return known
  const nullable = z.nullable(schema)
  nullables.set(schema, nullable)
  return nullable
}

/** An attribute with its default. */
export function field<S extends z.ZodType>(
  schema: S,
  value: z.util.NoUndefined<z.output<S>>,
  description: string,
  notes: Notes = {},
): z.ZodDefault<S> {
  return noted(schema.default(value), { description, ...notes })
}

/** An attribute that may be absent. */
export function optional<S extends z.ZodType>(schema: S, description: string, notes: Notes = {}): z.ZodOptional<S> {
  return noted(schema.optional(), { description, ...notes })
}

/** An attribute of a cookbook that converge does not implement: it is compared with its default, and takes any value. */
export function kept(value: unknown, description: string, notes: Notes = {}): z.ZodDefault<z.ZodUnknown> {
  return field(z.unknown(), value as never, description, notes)
}

/** An attribute that must be set. */
export function required<S extends z.ZodType>(schema: S, description: string, notes: Notes = {}): S {
  return schema.meta({ description, ...notes })
}

/** Attributes below one key. Other keys are kept, but are not part of the type. */
export function shape<T extends z.ZodRawShape>(fields: T): z.ZodObject<T> {
  return z.looseObject(fields) as unknown as z.ZodObject<T>
}

/** An object with a default for everything in it, so that it can be left out. */
export function group<T extends z.ZodRawShape>(
  description: string,
  fields: T,
  notes: GroupNotes = {},
): z.ZodPrefault<z.ZodObject<T>> {
  const whole = shape(fields) as unknown as z.ZodType<object, object>
  return noted(whole.prefault({}), { description, ...notes }) as unknown as z.ZodPrefault<z.ZodObject<T>>
}

/** An object whose nulls mean "not set", as OpsWorks writes them, for the keys that are named here. */
export function withoutNulls<T extends z.ZodRawShape>(fields: T) {
  return z.preprocess((value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const kept: Record<string, unknown> = {}
    for (const [key, one] of Object.entries(value)) if (one !== null || !Object.hasOwn(fields, key)) kept[key] = one
    return kept
  }, shape(fields))
}

/** A map whose entries learn their own key, to fill in what follows from it. */
export function keyed<V extends z.ZodType, R>(
  key: z.ZodString,
  value: V,
  fill: (value: z.output<V>, key: string) => R,
) {
  return z.record(key, value).transform((entries) => {
    const filled: Record<string, R> = {}
    for (const [name, entry] of Object.entries(entries)) filled[name] = fill(entry as z.output<V>, name)
    return filled
  })
}
