/** Masks unknown secrets by their position in a text: after a name, in a URL, an option or a header. */
import { insertedSecrets } from './inserted_secrets.ts'
import { namedValues } from './named_values.ts'
import { secretLines } from './secret_lines.ts'
import {
  hasSecretName,
  isNumberOfTokens,
  namePatterns,
  noNames,
  type OwnNames,
  secretCandidate,
  secretStem,
} from './secret_names.ts'
import type { SecretPattern, SecretPatternGroup } from './secret_pattern.ts'
import { loginSchemes, patternsAnywhere, patternsInForeignText } from './secret_patterns.ts'
import { mergeSpans, type Span } from './spelling.ts'
import { tableSecrets } from './table_secrets.ts'
import type { Bounds } from './value_bounds.ts'

const mask = '********'

const privateKey = /(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)([\s\S]*?)(?=-----END |$(?![\s\S]))/g

/** The end of a key whose beginning has been cut off. */
const endOfKey = /((?:^[^\S\n]*[\w+/=]{16,}[^\S\n]*\n){1,200})(?=[^\S\n]*-----END [A-Z0-9 ]{0,40}PRIVATE KEY)/gm

/** Text at the position of a value that is no secret: nothing, a keyword, a reference to a variable, a login method. */
const harmless = new RegExp(
  `^["']?(?:${[
    ...['', '\\*{8}', 'true', 'false', 'null', 'none', 'nil', 'undefined', 'yes', 'no', 'on', 'off', 'build', 'prod'],
    ...['\\(sensitive\\)'],
    ...['[$%]\\{(?![^}]*:-)[^}]*\\}', '\\$[A-Z_][A-Z0-9_]*', '%\\([\\w.]+\\)s', '\\{\\{[^}]*\\}\\}', loginSchemes],
  ].join('|')})["']?[,;]?$`,
  'i',
)

/** Masks what stands where only a secret stands. */
export function maskValues(text: string, ownNames: OwnNames = noNames): string {
  return maskSpans(text, patternSpans(text, patternsAnywhere, ownNames))
}

/**
 * Also masks the values of names that sound secret, and private keys. All are found in the same text: a mask could
 * replace the name of the next value.
 */
export function maskNamed(text: string, ownNames: OwnNames): string {
  return maskSpans(text, allSpans(text, ownNames))
}

function allSpans(text: string, ownNames: OwnNames): readonly Span[] {
  return [...patternSpans(text, patternsAnywhere, ownNames), ...foreignSpans(text, ownNames)]
}

/** The secret parts of a value that has a form of its own, such as a URL, a command or a configuration file. */
export function secretsInside(value: string, ownNames: OwnNames = noNames): string[] {
  const values = allSpans(value, ownNames)
    .filter((span) => !isWordInCode(value, span))
    .flatMap(({ start, end }) => readings(value.slice(start, end), /["']/.test(value.charAt(start - 1))))
  return [...new Set(values)]
}

/** Text of a program before a value that it compares with, or passes to a function; not that of a SQL statement. */
const comparison = /(?:[=!]==?|!?~\*?)\s{0,9}\\{0,8}["'`]?$/
const call = /(?<!\bset\s{1,9}password\s[^\n=]{0,200}=\s{0,9})\bpassword\s{0,9}\(\s{0,9}\\{0,8}["'`]$/i

/** Decides whether a value is a word in a comparison or a call: masked everywhere, it would garble other texts. */
function isWordInCode(text: string, { start, end }: Span): boolean {
  if (!/^=?\s*["'`]?[A-Za-z]+(?:[_ -][A-Za-z]+)*["'`]?$|^=$/.test(text.slice(start, end))) return false
  const before = text.slice(Math.max(0, start - 300), start)
  return comparison.test(before) || call.test(before)
}

function foreignSpans(text: string, ownNames: OwnNames): readonly Span[] {
  const keys = text.includes('PRIVATE KEY') ? [...keySpans(text, privateKey), ...keySpans(text, endOfKey)] : []
  const candidate = secretCandidate(ownNames)
  const isSecret = (name: string) => hasSecretName(name.replace(/^-+/, ''), ownNames)
  const values = candidate.test(text) ? namedValues(text, candidate, isSecret) : []
  return [
    ...keys,
    ...secretLines(text, isSecret),
    ...patternSpans(text, patternsInForeignText, ownNames),
    ...values,
    ...(candidate.test(text)
      ? [...insertedSecrets(text, isSecret), ...tableSecrets(text, isSecret)].map((one) => withoutQuotes(text, one))
      : []),
    ...afterOwnNames(text, namePatterns(ownNames.secret)),
  ].filter(({ start, end }) => !isHarmless(text.slice(start, end)))
}

function patternSpans(text: string, groups: readonly SecretPatternGroup[], ownNames: OwnNames): readonly Span[] {
  const mayBeNamed = secretStem.test(text)
  return groups
    .flatMap(({ hint, patterns: matching }) => (hint.test(text) ? matching : []))
    .flatMap((pattern) => (pattern.name === null || mayBeNamed ? spansOf(text, pattern, ownNames) : []))
}

function spansOf(text: string, { pattern, value, name }: SecretPattern, ownNames: OwnNames): readonly Span[] {
  return [...text.matchAll(pattern)].flatMap((match) => {
    const secret = match[value] ?? ''
    if (isHarmless(secret)) return []
    const secretName = name === null ? null : (match[name] ?? '')
    if (secretName !== null && !hasSecretName(secretName, ownNames)) return []
    const start = match.index + (match[1] ?? '').length
    const span = withoutQuotes(text, { start, end: start + secret.length })
    return secretName !== null && isNumberOfTokens(secretName, text.slice(span.start, span.end)) ? [] : [span]
  })
}

/** A name of the user's own may also stand before its value without a sign. */
function afterOwnNames(text: string, names: readonly string[]): readonly Span[] {
  if (names.length === 0) return []
  const pattern = new RegExp(
    `((?<![\\w.-])(?:${names.join('|')})["']?\\s{0,20}[=: \\t]\\s{0,20})("[^"\\n]*"|'[^'\\n]*'|[^\\s,;"'=]+)`,
    'gi',
  )
  return spansOf(text, { pattern, value: 2, name: null }, noNames)
}

function withoutQuotes(text: string, { start, end }: Bounds): Span {
  const value = text.slice(start, end)
  const open = /^\\{0,8}["']/.exec(value)?.[0] ?? ''
  const close = open !== '' && value.length >= 2 * open.length && value.endsWith(open) ? open : ''
  return { start: start + open.length, end: end - close.length }
}

function isHarmless(value: string): boolean {
  return harmless.test(value)
}

function maskSpans(text: string, spans: readonly Span[]): string {
  let result = ''
  let at = 0
  for (const { start, end } of mergeSpans([...spans])) {
    if (start === end) continue
    // Keeps the number of lines, by which a diff compares two masked texts.
    result += `${text.slice(at, start)}${text.slice(start, end).replaceAll(/\S.*/g, mask)}`
    at = end
  }
  return at === 0 ? text : result + text.slice(at)
}

function keySpans(text: string, pattern: RegExp): readonly Span[] {
  return [...text.matchAll(pattern)].map(({ index, 1: before = '', 2: body }) => {
    const start = index + (body === undefined ? 0 : before.length)
    return { start, end: start + (body ?? before).length }
  })
}

/**
 * The values that a program may read from a written value: all of it, up to a blank or a quote, without backslashes, the value
 * of a cookie, the default of a variable, a section of XML.
 */
function readings(value: string, isQuoted: boolean): readonly string[] {
  const inner = /^(?:\$\{\w+:?[-=](.*)\}|<!\[CDATA\[(.*)\]\]>)$/s.exec(value)
  const cookies = /^[\w.-]+=[^=]/.test(value) ? value.split(/[;,]\s*/).map((one) => one.replace(/^[\w.-]+=/, '')) : []
  const parts = [
    value,
    value.replaceAll(/\\(.)/g, '$1'),
    isQuoted ? undefined : value.split(/[\s,;"']/)[0],
    inner?.[1] ?? inner?.[2],
    ...cookies,
  ]
  return [...new Set(parts.filter((one) => one !== undefined))].filter((one) => !isHarmless(one))
}
