/** Decides by its name whether a value is secret. */

const words = [
  'password',
  'passwd',
  'passphrase',
  'passcode',
  'secret',
  'token',
  'credential',
  'creds',
  'salt',
  'bearer',
]
const keyKinds = [
  ...['api', 'private', 'access', 'secret', 'license', 'signing', 'encryption', 'master', 'session', 'auth'],
  ...['hmac', 'jwt', 'fernet', 'cipher', 'crypt', 'cookie', 'nonce', 'logged_in', 'account', 'shared'],
]
const keys = keyKinds.flatMap((kind) => [`${kind}_key`, `${kind}key`])
/** Several at once. `tokens` is missing: `MAX_TOKENS` is a number. */
const plurals = ['passwords', 'passphrases', 'secrets', 'credentials', ...keys.map((key) => `${key}s`)]
/** Short for password and personal access token: secret only as the last part of a longer name, unlike `PWD` and `PAT`. */
const suffixes = ['_pwd', '_pass', '_pat']
const others = ['secret_key_base', 'pgpass', 'pgpassword', 'requirepass', 'authorization', 'dsn']
const endings = [...plurals, ...words, ...keys, ...others]

/** Which of several values it is: `DB_PASSWORD_2`, `API_TOKEN_OLD`. */
const which = '(?:[_-]?\\d{1,4}|[_-](?:old|new|prev|previous|next|current|backup))'
const whichAtEnd = new RegExp(`${which}$`, 'i')

/** A source for a regular expression that matches the end of a secret name. */
export const secretEnding = `(?:${[...endings, ...suffixes].map((ending) => ending.replaceAll('_', '[-_.]?')).join('|')})${which}?`

/** What the user adds to the names that count as secret, and takes from them; letter case is ignored. */
export interface OwnNames {
  readonly secret: readonly string[]
  readonly open: readonly string[]
}

export const noNames: OwnNames = { secret: [], open: [] }

/**
 * Whether a name says that its value is secret wherever it stands, such as the environment variable `DB_PASSWORD`.
 * @param name the last key of a path, or the name of a variable
 * @param own names the user added or excluded; default: none
 */
export function hasSecretName(name: string, own: OwnNames = noNames): boolean {
  const given = name.toLowerCase()
  if (own.open.some((one) => one.toLowerCase() === given)) return false
  if (own.secret.some((one) => one.toLowerCase() === given)) return true
  const base = name.replaceAll(/[-.\s]/g, '_').replace(whichAtEnd, '')
  const lower = base.toLowerCase()
  if (suffixes.some((suffix) => lower.length > suffix.length && lower.endsWith(suffix))) return true
  return endings.some((ending) => lower.endsWith(ending) && startsWord(base, base.length - ending.length))
}

/** A word starts after a separator, and at a capital letter: `db_token`, `dbToken`. */
function startsWord(name: string, at: number): boolean {
  return /^(?:|.*[^a-zA-Z0-9])$/s.test(name.slice(0, at)) || /[a-z0-9][A-Z]/.test(name.slice(at - 1, at + 1))
}
