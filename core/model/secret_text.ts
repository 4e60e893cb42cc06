/** Masks secrets that nobody knows by their place in a text: after a name, in a URL, an option or a header. */
import { hasSecretName, type OwnNames, secretEnding } from './secret_names.ts'

const mask = '********'
const name = `[\\w.-]{0,60}${secretEnding}`
/** A quoted text, also within a text that is quoted itself. */
const quoted = `(?:"(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*'|(?<quote>\\\\{1,8}["'])[^\\n]{0,4000}?\\k<quote>)`

/** Places in which a value is secret in any text; the first group stays. */
const places: readonly RegExp[] = [
  // https://user:password@host
  /(:\/\/[^/\s:@'"]*:)([^/\s@'"]+)(?=@)/g,
  // ?token=value, &api_key=value
  new RegExp(`([?&][\\w.-]{0,40}(?:${secretEnding}|signature|sig)=)([^&\\s"'<>#]+)`, 'gi'),
  // --password=value; `--secrets` names a file
  new RegExp(`(?<![\\w-])(?!--secrets=)(--?[\\w-]{0,40}${secretEnding}=)("[^"]*"|'[^']*'|["']?[^\\s"']+)`, 'gi'),
  // Authorization: Bearer value
  /((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|token|digest)\s+)?)([\w+/=.~:-]{4,})/gi,
]

/** `--password value`: in a command, not in a message, where the next word may be any. */
const spacedOption = new RegExp(
  `(?<![\\w-])(?!--secrets\\s)(--?[\\w-]{0,40}${secretEnding}[ \\t]+)("[^"]*"|'[^']*'|["']?[^\\s"'-][^\\s"']*)`,
  'gi',
)

/** `NAME=value`: in a command, or where a text stands in place of an object. */
const variable = new RegExp(`(?<![\\w.-])(${name}=)(${quoted}|["']?[^\\s,;"']+)`, 'gi')

/** Places in which a value is secret by the name before it: the first group stays, the second is the name, the third the value. */
const named: readonly RegExp[] = [
  // NAME = value, NAME: value, "NAME": "value", NAME="value", 'NAME' => 'value', NAME = ["value", "value"]
  new RegExp(
    `(?<![\\w.-])((${name})(?:\\\\{0,8}["'])?\\s{0,20}(?:=>|:=|[=:])\\s{0,20})(\\[[^\\]]{0,4000}\\]|${quoted}|[^\\s,;"'=][^\\s,;"']*)`,
    'gi',
  ),
  // <NAME>value</NAME>
  new RegExp(`(<(?:[\\w.-]{1,60}:)?(${name})(?:\\s[^<>]{0,200})?>)([^<]+)(?=<)`, 'gi'),
  // name="NAME" value="value", {"name": "NAME", "value": "value"}
  new RegExp(
    `(\\b(?:name|key)["']?\\s{0,9}[=:]\\s{0,9}["']?(${name})["']?[\\s,]{1,40}["']?value["']?\\s{0,9}[=:]\\s{0,9})(${quoted}|[^\\s,;"'=][^\\s,;"'}]*)`,
    'gi',
  ),
  // define('NAME', 'value')
  new RegExp(`(\\(\\s{0,9}["'](${name})["']\\s{0,9},\\s{0,9})(${quoted})`, 'gi'),
  // NAME value on a line of its own, as in zope.conf and in a Dockerfile
  /^([^\S\n]*(?:(?:env|ENV|export|setenv)[ \t]+)?([A-Z][A-Z0-9_]*)[ \t]+)([^\s=:].*)$/gm,
  // name value, the only words of a line, as in redis.conf
  new RegExp(`^([^\\S\\n]*(${name})[ \\t]+)([^\\s=:;]+)(?=;?[ \\t]*$)`, 'gm'),
  // machine … login … password value, in .netrc
  /(\blogin\s+\S+\s+(password)\s+)(\S+)/g,
]

const privateKey = /(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)([\s\S]*?)(?=-----END |$(?![\s\S]))/g

/** The end of a key whose beginning has been cut off. */
const endOfKey = /((?:^[^\S\n]*[\w+/=]{16,}[^\S\n]*\n){1,200})(?=[^\S\n]*-----END [A-Z0-9 ]{0,40}PRIVATE KEY)/gm

const harmless = /^["']?(?:|\*{8}|true|false|null|none|yes|no|\(sensitive\)|[$%]\{[^}]*\})["']?$/i

/** Masks what stands where only a secret stands. */
export function maskValues(text: string): string {
  // The characters without which none of the places is there.
  if (!(text.includes('=') || text.includes('://') || /authorization/i.test(text))) return text
  return places.reduce((masked, place) => masked.replace(place, replaced), text)
}

/** Masks the values of names that sound secret, and private keys. */
export function maskNamed(text: string, own: OwnNames): string {
  const keysHidden = text.includes('PRIVATE KEY')
    ? text.replace(privateKey, maskedKey).replace(endOfKey, (lines) => hiddenLines(lines))
    : text
  const options = keysHidden.replace(spacedOption, replaced)
  const lines = named.reduce(
    (masked, place) =>
      masked.replace(place, (all, before: string, key: string, value: string) =>
        hasSecretName(key, own) && !isHarmless(value) ? `${before}${hidden(value)}` : all,
      ),
    options,
  )
  return own.secret.length === 0 ? lines : maskOwn(lines, own)
}

/** The secret parts of a value that has a form of its own, such as a URL or a command. */
export function secretsInside(value: string): string[] {
  if (!/:\/\/|=|--|authorization/i.test(value)) return []
  const found = [...places, spacedOption, variable].flatMap((place) => [...value.matchAll(place)])
  return [...new Set(found.flatMap(([, , secret = '']) => (isHarmless(secret) ? [] : unquoted(secret))))]
}

function maskOwn(text: string, { secret }: OwnNames): string {
  const names = secret.map((one) => one.replaceAll(/[^\w]/g, '\\$&')).join('|')
  const own = new RegExp(
    `(?<![\\w.-])((?:${names}))(["']?\\s{0,20}[=: \\t]\\s{0,20})("[^"\\n]*"|'[^'\\n]*'|[^\\s,;"'=]+)`,
    'gi',
  )
  return text.replace(own, (all, key: string, between: string, value: string) =>
    isHarmless(value) ? all : `${key}${between}${hidden(value)}`,
  )
}

function isHarmless(value: string): boolean {
  return harmless.test(value)
}

function replaced(_: string, before: string, value: string): string {
  return `${before}${hidden(value)}`
}

function maskedKey(_: string, begin: string, body: string): string {
  return `${begin}${hiddenLines(body)}`
}

/** Keeps the number of lines, by which a diff compares two masked texts. */
function hiddenLines(text: string): string {
  return text.replaceAll(/\S.*/g, mask)
}

/** A key of 16,384 bits has so many lines in PEM. */
const longestKey = 220

/** Masks the private keys in lines that arrive one by one; gives null for a line that is part of none. */
export function keyLineMask(): (line: string) => string | null {
  let left = 0
  return (line) => {
    const isInside = left > 0 && !line.includes('-----END ')
    left =
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/.test(line) && !line.includes('-----END ')
        ? longestKey
        : isInside
          ? left - 1
          : 0
    return isInside ? hiddenLines(line) : null
  }
}

function hidden(value: string): string {
  if (value.startsWith('[')) return value.replaceAll(/"[^"]*"|'[^']*'|[^\s,[\]"']+/g, hiddenText)
  return hiddenText(value)
}

function hiddenText(value: string): string {
  const quote = /^\\{0,8}["']/.exec(value)?.[0] ?? ''
  return `${quote}${mask}${quote}`
}

function unquoted(value: string): string {
  return value.replace(/^(["'])(.*)\1$/s, '$2').replace(/^["']/, '')
}
