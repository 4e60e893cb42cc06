/** Decides by its name whether a value is secret. */

/** Secret at any position in a name, unless the last word shows that the value only describes the secret. */
const strongWords = [
  ...['password', 'passwd', 'passphrase', 'passcode', 'passwort', 'kennwort', 'secret', 'token'],
  ...['credential', 'credentials', 'api_key', 'apikey', 'private_key', 'privatekey'],
]
const words = [...strongWords, 'creds', 'salt', 'bearer', 'jwt', 'pepper', 'psk', 'connection_string']
const keyKinds = [
  ...['access', 'secret', 'license', 'signing', 'encryption', 'encrypt', 'decryption', 'decrypt', 'master', 'session'],
  ...['auth', 'hmac', 'jwt', 'fernet', 'cipher', 'crypt', 'cookie', 'nonce', 'logged_in', 'account', 'shared'],
  ...['preshared', 'app', 'unseal', 'gpg', 'pgp', 'rsa', 'aes', 'enc', 'storage', 'stripe', 'mailgun', 'openai'],
  ...['deploy', 'signature', 'subscription', 'consumer', 'priv', 'integration', 'webhook', 'service'],
]
const keys = keyKinds.flatMap((kind) => [`${kind}_key`, `${kind}key`])
/** Names of several secrets. */
const plurals = [
  ...['passwords', 'passphrases', 'secrets', 'tokens', 'api_keys', 'apikeys', 'private_keys'],
  ...keys.map((key) => `${key}s`),
]
/** Short for password and personal access token: secret only as the last part of a longer name, unlike `PWD` and `PAT`. */
const suffixes = ['_pwd', '_pass', '_pat', '_pw']
const others = [
  ...['secret_key_base', 'pgpass', 'pgpassword', 'requirepass', 'masterauth', 'authorization', 'dsn'],
  ...['basic_auth', 'http_auth', 'redis_auth', 'rediscli_auth', 'vault_secret_id'],
  ...['erlang_cookie', 'webhook_url', 'htpasswd', 'rootpw', 'bindpw', 'authtok', 'conn_str'],
]
const endings = [...plurals, ...words, ...keys, ...others]

/** Endings of secret names in one letter case: `MYSQLPASSWORD`, `clientsecret`, `storepass`. */
const joined =
  /(?:password|passwd|passphrase|secret|(?:access|auth|refresh|api|bot|user|id)token|(?:db|mysql|redis|smtp|mail|admin|user|root|store|key|auth|ldap|ftp|http|ssh|proxy|imap|bind|master|login|rpc|sql|pg|mongo|amqp)_?(?:pass|pwd))$/

/** Endings that name one of several values, its use or its form: `DB_PASSWORD_2`, `API_TOKEN_OLD`, `PRIVATE_KEY_BASE64`. */
const uses = [
  ...['old', 'new', 'prev', 'previous', 'next', 'current', 'backup', 'legacy', 'fallback', 'fallbacks', 'primary'],
  ...['secondary', 'main', 'default', 'prod', 'production', 'staging', 'stage', 'test', 'testing', 'dev', 'live'],
  ...['development', 'sandbox', 'ci', 'local', 'blue', 'green', 'ro', 'rw', 'a', 'b', 'v\\d{1,3}', 'hash', 'hashed'],
  ...['encrypted', 'plain', 'raw', 'base64', 'b64', 'hex', 'pem', 'json', 'value', 'string'],
]
const useAtEnd = new RegExp(`(?:_?\\d{1,4}|_(?:${uses.join('|')}))$`, 'i')

/** Names of numbers, marks of a text, and switches, such as `MAX_TOKENS`, `stop_tokens` and `server_tokens` of nginx. */
const openTokens =
  /(?:^|_)(?:max|min|num|number|n|count|total|limit|per|stop|special|extra|prompt|completion|input|output|context|cached|reserved|used|new|added|budget|server|design|theme|style|css|color|syntax|csrf|xsrf)_(?:\w+_)?tokens$/

/** Last words of names whose value describes a secret: `TOKEN_URL`, `PASSWORD_MIN_LENGTH`. */
const about = new Set(
  [
    'file files path paths dir directory folder name names id ids url uri urls host port user username email owner',
    'group length len min max size bits count limit rounds iterations ttl timeout expiry expires expiration lifetime',
    'age days hours minutes seconds interval rotation rotate policy validator validators validation hasher hashers',
    'hashing algorithm alg type kind format field header param parameter prefix suffix enabled disabled required',
    'enable disable optional allowed reset change changed forgot forgotten recovery command cmd prompt provider',
    'providers backend store storage manager service services endpoint env environment var variable variables version',
    'mode role roles class label hint help template view form page link method scheme strategy realm audience issuer',
    'scope scopes source lookup helper agent based auth authentication entry strength check checks checker bucket',
    'tool tools utils util factory handler model models middleware parser generator function py pyc js ts cfg conf',
    'ini yaml yml txt md html xml sh rb java c h cpp go php log lock less free zcml pt css po sql exe so md5sum',
    'management',
  ].flatMap((line) => line.split(' ')),
)

/** Matches a part of every secret name. A search for candidates in a text need not compare whole words. */
export const secretStem =
  /pass|pw|pwd|wort|secret|token|cred|salt|bearer|key|dsn|auth|_pat|Pat|pepper|jwt|psk|conn|cookie|webhook/i

/** Source of a regular expression for names that may be secret; `hasSecretName` decides. */
export const candidateName = `[\\w.-]{0,60}(?:${secretStem.source})[\\w.-]{0,60}`

/** Names that the user adds to those of secrets, and names that the user excludes; letter case is ignored. */
export interface OwnNames {
  readonly secret: readonly string[]
  readonly open: readonly string[]
}

export const noNames: OwnNames = { secret: [], open: [] }

/** Returns an expression that finds a part of each name that may be secret, also of those the user added. */
export function secretCandidate({ secret }: OwnNames): RegExp {
  if (secret.length === 0) return secretStem
  return new RegExp([secretStem.source, ...namePatterns(secret)].join('|'), 'i')
}

/** Returns the sources of regular expressions for names. */
export function namePatterns(names: readonly string[]): string[] {
  return names.map((name) => name.replaceAll(/[^\w]/g, '\\$&'))
}

const decided = new Map<string, boolean>()
const mostDecided = 10_000

/**
 * Decides whether a name marks its value as secret anywhere, such as the environment variable `DB_PASSWORD`.
 * @param name the last key of a path, or the name of a variable
 * @param ownNames names the user added or excluded; default: none
 */
export function hasSecretName(name: string, ownNames: OwnNames = noNames): boolean {
  if (ownNames.open.length + ownNames.secret.length > 0) {
    const lowerCased = name.toLowerCase()
    if (ownNames.open.some((openName) => openName.toLowerCase() === lowerCased)) return false
    if (ownNames.secret.some((secretName) => secretName.toLowerCase() === lowerCased)) return true
  }
  if (!secretStem.test(name)) return false
  const known = decided.get(name)
  if (known !== undefined) return known
  if (decided.size >= mostDecided) decided.clear()
  const result = soundsSecret(name)
  decided.set(name, result)
  return result
}

/** Decides whether a name stands for several secrets, so that all values below it are secret: `passwords`, `API_KEYS`. */
export function hasPluralSecretName(name: string): boolean {
  const lower = inWords(name).toLowerCase()
  return [...plurals, 'credentials'].some((ending) => lower.endsWith(ending) && hasSecretName(name))
}

/** Decides whether a name identifies the owner of the secrets beside it, as `user` in `credentials`; its value is not secret. */
export function isIdentityName(name: string): boolean {
  return /^(?:user(?:_?name)?|login|name|host(?:name)?|port|e?mail|type|id|url|region|adapter|database)$/i.test(name)
}

/** Decides whether a value directly below `tokens` is their number, as in the settings of a language model. */
export function isNumberOfTokens(name: string, value: string): boolean {
  return /^tokens$/i.test(name) && /^\d{1,7}$/.test(value)
}

function soundsSecret(name: string): boolean {
  if (/^(?:old)?pwd$/i.test(name)) return name === 'pwd' || name === 'Pwd'
  // A word of sudoers: its value is a command.
  if (name === 'NOPASSWD') return false
  // The login of npm, as user:password in base64; a short form of password.
  if (name === '_auth' || /^pw$/i.test(name)) return true
  const split = inWords(name)
  const shortened = split.replace(useAtEnd, '')
  const forms = [split, shortened, shortened.replace(useAtEnd, ''), inWords(name, false).replace(useAtEnd, '')]
  return forms.some(endsSecret) || hasStrongWord(split)
}

function endsSecret(base: string): boolean {
  const lower = base.toLowerCase()
  if (suffixes.some((suffix) => lower.length > suffix.length && lower.endsWith(suffix))) return true
  if (joined.test(lower)) return true
  if (openTokens.test(lower)) return false
  return endings.some((ending) => lower.endsWith(ending) && startsWord(lower, lower.length - ending.length))
}

function hasStrongWord(split: string): boolean {
  const lower = `_${split.toLowerCase()}_`
  const last = split.toLowerCase().split('_').at(-1) ?? ''
  if (about.has(last) || /^\d*$/.test(last) || /\d$/.test(last)) return false
  return strongWords.some((word) => lower.includes(`_${word}_`))
}

/** Separates the words of `dbToken`, `X-Api-Key` and `access.token` with underscores. */
function inWords(name: string, atCapitals = true): string {
  const separated = name.replaceAll(/[-.\s]/g, '_').replace(/^_+/, '')
  return atCapitals ? separated.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2') : separated
}

function startsWord(name: string, at: number): boolean {
  return at === 0 || /[^a-zA-Z0-9]/.test(name.charAt(at - 1))
}
