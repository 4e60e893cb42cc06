/** Decides by its name whether a value is secret. */

const words = ['password', 'passwd', 'passphrase', 'secret', 'token', 'credential', 'credentials', 'salt', 'bearer']
const keyKinds = ['api', 'private', 'access', 'secret', 'license', 'signing', 'encryption', 'master', 'session', 'auth']
const keys = keyKinds.flatMap((kind) => [`${kind}_key`, `${kind}key`])
/** Short for password and personal access token: secret only as the last part of a longer name, unlike `PWD` and `PAT`. */
const suffixes = ['_pwd', '_pass', '_pat', '-pwd', '-pass', '-pat']
const others = ['secret_key_base', 'pgpass', 'pgpassword', 'authorization', 'dsn']
const endings = [...words, ...keys, ...others]

/** A source for a regular expression that matches the end of a secret name. */
export const secretEnding = [...endings, ...suffixes].map((ending) => ending.replaceAll(/[-_]/g, '[-_]?')).join('|')

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
  const lower = name.toLowerCase()
  if (own.open.some((one) => one.toLowerCase() === lower)) return false
  if (own.secret.some((one) => one.toLowerCase() === lower)) return true
  if (suffixes.some((suffix) => lower.length > suffix.length && lower.endsWith(suffix))) return true
  return endings.some((ending) => lower.endsWith(ending) && startsWord(name, name.length - ending.length))
}

/** A word starts after a separator, and at a capital letter: `db_token`, `dbToken`. */
function startsWord(name: string, at: number): boolean {
  return /^(?:|.*[^a-zA-Z0-9])$/s.test(name.slice(0, at)) || /[a-z0-9][A-Z]/.test(name.slice(at - 1, at + 1))
}
