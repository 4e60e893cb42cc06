/** Masks secrets that nobody knows by their place in a text: after a name, in a URL, an option or a header. */
import { hasSecretName, type OwnNames, secretEnding } from './secret_names.ts'

const mask = '********'

/** Places in which a value is secret in any text; the first group stays. */
const places: readonly RegExp[] = [
  // https://user:password@host
  /(:\/\/[^/\s:@'"]*:)([^/\s@'"]+)(?=@)/g,
  // ?token=value, &api_key=value
  new RegExp(`([?&][\\w.-]{0,40}(?:${secretEnding}|signature|sig)=)([^&\\s"'<>#]+)`, 'gi'),
  // --password=value
  new RegExp(`(?<![\\w-])(--?[\\w-]{0,40}(?:${secretEnding})=)("[^"]*"|'[^']*'|[^\\s"']+)`, 'gi'),
  // Authorization: Bearer value
  /((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|token|digest)\s+)?)([\w+/=.~:-]{4,})/gi,
]

/** `NAME = value`, `NAME: value`, `"NAME": "value"`, `NAME="value"`. */
const assignment = new RegExp(
  `(?<![\\w.-])([\\w.-]{0,60}(?:${secretEnding}))(["']?\\s{0,20}[=:]\\s{0,20})("(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*'|[^\\s,;"'=][^\\s,;"']*)`,
  'gi',
)
/** `NAME value` on a line of its own, as in zope.conf and in a Dockerfile. */
const variable = /^([^\S\n]*(?:(?:env|ENV|export|setenv)[ \t]+)?([A-Z][A-Z0-9_]*))([ \t]+)([^\s=:].*)$/gm

const harmless = /^["']?(?:|\*{8}|true|false|null|none|yes|no|\(sensitive\)|[$%]\{[^}]*\})["']?$/i

/** Masks what stands where only a secret stands. */
export function maskValues(text: string): string {
  // The characters without which none of the places is there.
  if (!(text.includes('=') || text.includes('://') || /authorization/i.test(text))) return text
  return places.reduce((masked, place) => masked.replace(place, replaced), text)
}

/** Masks the values of names that sound secret. */
export function maskNamed(text: string, own: OwnNames): string {
  const named = text.replace(assignment, (all, name: string, between: string, value: string) =>
    hasSecretName(name, own) && !isHarmless(value) ? `${name}${between}${inQuotesOf(value)}` : all,
  )
  const lines = named.replace(variable, (all, start: string, name: string, gap: string, value: string) =>
    hasSecretName(name, own) && !isHarmless(value) ? `${start}${gap}${mask}` : all,
  )
  return own.secret.length === 0 ? lines : maskOwn(lines, own)
}

/** The secret parts of a value that has a form of its own, such as a URL or a command. */
export function secretsInside(value: string): string[] {
  if (!/:\/\/|=|authorization/i.test(value)) return []
  return places.flatMap((place) => [...value.matchAll(place)].map(([, , secret = '']) => unquoted(secret)))
}

function maskOwn(text: string, { secret }: OwnNames): string {
  const names = secret.map((name) => name.replaceAll(/[^\w]/g, '\\$&')).join('|')
  const own = new RegExp(
    `(?<![\\w.-])((?:${names}))(["']?\\s{0,20}[=: \\t]\\s{0,20})("[^"\\n]*"|'[^'\\n]*'|[^\\s,;"'=]+)`,
    'gi',
  )
  return text.replace(own, (all, name: string, between: string, value: string) =>
    isHarmless(value) ? all : `${name}${between}${inQuotesOf(value)}`,
  )
}

function isHarmless(value: string): boolean {
  return harmless.test(value)
}

function replaced(_: string, before: string, value: string): string {
  return `${before}${inQuotesOf(value)}`
}

function inQuotesOf(value: string): string {
  const quote = /^["']/.exec(value)?.[0] ?? ''
  return `${quote}${mask}${quote}`
}

function unquoted(value: string): string {
  return value.replace(/^(["'])(.*)\1$/s, '$2')
}
