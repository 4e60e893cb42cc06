/**
 * Defines schemas for the other values of attributes: switches, numbers, times, choices, lists of words, variables, packages.
 */
import * as z from 'zod'
import { noted, shared } from './schema_notes.ts'
import { domainName, line, pattern } from './texts.ts'

/** Accepts `"4"`, `"-1"`, `"0.5"` as numbers, but nothing that needs interpretation (`"1e3"`, `"0x10"`, `"4 GB"`). */
const numberOf = (value: unknown): unknown =>
  typeof value === 'string' && /^\s*-?\d{1,15}(\.\d{1,15})?\s*$/.test(value) ? Number(value) : value

/** Accepts `"true"` and `"false"` as booleans, but not `yes`, `on`, 1 and similar values. */
const flagOf = (value: unknown): unknown => {
  const word = typeof value === 'string' ? value.trim().toLowerCase() : value
  return word === 'true' ? true : word === 'false' ? false : value
}

/** True or false; the words in quotes are accepted. */
export const flag = () => shared('flag', () => noted(z.preprocess(flagOf, z.boolean()), { accepts: 'flag' }))

/** A number; one in quotes is accepted. */
export const number = (min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) =>
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

/** Words as {@link wordList}, each of which is a host name. */
export const hostNames = () =>
  shared('hostNames', () =>
    noted(
      z.preprocess(
        (value) => (typeof value === 'string' ? value.split(/[\s,]+/).filter((word) => word !== '') : value),
        z.array(domainName()),
      ),
      { accepts: 'text or list', verbatim: true },
    ),
  )

/** A list of texts; one text is a list of one. */
export const textList = () =>
  shared('textList', () =>
    noted(
      z.preprocess(
        (value) => (typeof value === 'string' ? [value] : value),
        z.array(pattern(/^[^\0-\x1f\x7f-\x9f\u2028\u2029]+$/, 'text on one line')),
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
    z.string().regex(/^[^=\s\0-\x1f\x7f-\x9f]+$/, { error: 'the name of an environment variable' }),
    // A number is text here, as it is written: 1.10 is not 1.1.
    noted(z.string().regex(/^[^\0]*$/, { error: 'text without NUL characters' }), { verbatim: true }),
  )

function environmentOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(value)) {
    if (one === null) continue
    const isText = typeof one === 'boolean' || (typeof one === 'number' && !isRounded(one))
    entries[name] = isText ? String(one) : one
  }
  return entries
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
        z.array(
          z.object(
            {
              name: line().describe('Name of the package.'),
              version: z.nullable(line()).describe('Version to install; null for the newest.'),
            },
            { error: 'a name or [name, version]' },
          ),
        ),
      ),
      {
        accepts: 'packages',
        verbatim: true,
      },
    ),
  )

function packagesOf(value: unknown): unknown {
  const entry = (name: unknown, version: unknown) => ({
    name,
    version: version === '' || version === undefined ? null : version,
  })
  if (Array.isArray(value))
    return value.map((item: unknown) =>
      typeof item === 'string' ? entry(item, null) : Array.isArray(item) ? entry(item[0], item[1]) : item,
    )
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([name, version]) => entry(name, version))
}
