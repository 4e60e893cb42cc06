/** Patterns that find secrets in URLs, options, headers, commands and the lines of common files. */
import { commandSecrets } from './command_secrets.ts'
import { fileSecrets } from './file_secrets.ts'
import { messageSecrets } from './message_secrets.ts'
import { candidateName } from './secret_names.ts'
import { always, byName, quoted, quotedOrWord, type SecretPattern, type SecretPatternGroup } from './secret_pattern.ts'

/** Words before the secret in an Authorization header. */
export const loginSchemes = 'basic|bearer|token|digest|api-?key|negotiate|hawk|hmac|aws4-hmac-sha256|jwt|oauth'

/** User names that servers require beside a token. */
const loginWords = '(?:x-token-auth|x-oauth-basic|x-access-token|oauth2)'
/** Tokens in place of the user name of a web address: those with a known prefix, letters with digits, and mixed letters. */
const userTokens: readonly string[] = [
  '(?:gh[pousr]_|github_pat_|gl[a-z]{2,5}-|x-oauth-)[\\w.~%+-]{4,300}',
  '(?=[^\\d:@/]{0,300}\\d)(?=[^A-Za-z:@/]{0,300}[A-Za-z])[\\w.~%+=!$-]{12,300}',
  '(?=[A-Z]{0,300}[a-z])(?=[a-z]{0,300}[A-Z])[A-Za-z]{20,300}',
  '\\d{16,300}',
]

const inUrls: readonly SecretPattern[] = [
  // https://user:password@host; the password may hold `/` and `@`.
  always(`(://[^/\\s:@'"<>]*:)(?!\\d{1,5}[/?#])([^\\s'"<>?#]{1,300})(?=@[\\w.[-])`),
  always(`(://[^/\\s:@'"]*:)([^/\\s@'"]+)(?=@)`),
  // https://token@host, https://token:@host, https://token:x-oauth-basic@host
  always(`(\\b(?:https?|rediss?|nats)://)(?!${loginWords}[:@])(${userTokens.join('|')})(?=:[^\\s@/]{0,300}@|@)`),
  // ?token=value, &api_key=value, #access_token=value, ;jsessionid=value
  byName(`([?&#;](${candidateName})=)([^&\\s"'<>#;]+)`),
  always(
    `([?&#;](?:[\\w.-]{0,40}signature|[\\w.-]{0,40}session_?id|sig|sid|key|auth|pw|pwd|pass)=)([^&\\s"'<>#;]+)`,
    'gi',
  ),
  // Addresses that are secrets themselves: everyone who knows them may use them.
  always(`(\\bhooks\\.slack\\.com/(?:services|workflows|triggers)/)([\\w/-]+)`),
  always(`(\\bdiscord(?:app)?\\.com/api/webhooks/\\d+/)([\\w-]+)`),
  always(`(\\bapi\\.telegram\\.org/bot)([\\w:-]{10,})`),
]

const inHeaders: readonly SecretPattern[] = [
  always(
    `(authorization\\\\{0,8}["'\\]]{0,2}\\s{0,9}(?:=>|[:=,]|[ \\t])\\s{0,9}\\\\{0,8}["']?(?:${loginSchemes})(?:[ \\t]+|%20|\\+))([^\\n"'\\\\]{4,})`,
    'gi',
  ),
  always(
    `((?:proxy-)?authorization["']?\\s{0,9}[:=]\\s{0,9}["']?(?:[A-Za-z][\\w-]{2,20}[ \\t]+(?=[^\\s"']*\\d))?)([\\w+/=.~:-]{4,})`,
    'gi',
  ),
  always(`(\\bbearer\\s+)((?=[^\\s"']*\\d)[\\w.~+/=-]{12,})`, 'gi'),
  // user:password in base64
  always(`(\\b[Bb](?:asic|ASIC)\\s+)((?=[\\w+/]*[A-Z])(?=[\\w+/]*(?:\\d|=))[\\w+/]{8,}={0,2})`),
  // user:password in base64, as docker stores it; not the name of a method, such as scramsha256
  always(
    `(["']auth["']\\s{0,9}:\\s{0,9}["'])((?=[\\w+/]{8,}={1,2}["']|(?=[^"']*[a-z])(?=[^"']*[A-Z])[^"']*\\d)[\\w+/]{8,}={0,2})(?=["'])`,
  ),
]

const percent = '%(?:25){0,3}'
/** A quote in XML, in a URL, or as a number in JSON and JavaScript. */
const encodedQuote = `(?:&quot;|&apos;|&#0*3[49];|&#[xX]0*2[27];|${percent}2[27]|\\\\{1,8}(?:u00|x)2[27])`

const inEncodedTexts: readonly SecretPattern[] = [
  // &quot;NAME&quot;: &quot;value&quot;
  byName(
    `(${encodedQuote}(${candidateName})${encodedQuote}\\s{0,9}(?:[:=]|=(?:>|&gt;)|${percent}3[AD])(?:\\s|\\+|${percent}20){0,9}${encodedQuote})(.{1,400}?)(?=${encodedQuote}|["'\\s]|$)`,
    'gim',
  ),
  // NAME%3Dvalue
  byName(
    `((?:(?<![\\w%.-])|${percent}(?:0[AD]|2[026C]|3[BF]|7B))(${candidateName})${percent}3[AD](?:\\+|${percent}20)?)((?:[^%&\\s"'<>;]|%(?!(?:25){0,3}(?:26|23|0A))){1,400})`,
  ),
]

/** Tokens that are known by their form. */
const forms: readonly string[] = [
  'gh[pousr]_\\w{20,}',
  'github_pat_\\w{20,}',
  'gl[a-z]{2,5}-[\\w-]{16,}',
  'xox[a-z]-[\\w-]{10,}',
  'xapp-[\\w-]{10,}',
  '[sr]k_(?:live|test)_\\w{10,}',
  'whsec_\\w{10,}',
  'sk-(?=[\\w-]*\\d)[\\w-]{20,}',
  'npm_\\w{20,}',
  'pypi-[\\w-]{20,}',
  'AIza[\\w-]{30,}',
  'hv[sbr]\\.[\\w-]{20,}',
  'do[opr]_v1_\\w{20,}',
  'SG\\.[\\w-]{10,}\\.[\\w-]{10,}',
  'dckr_pat_[\\w-]{16,}',
  'shp[a-z]{2}_\\w{20,}',
  'ya29\\.[\\w-]{20,}',
  'AGE-SECRET-KEY-1\\w{20,}',
  'eyJ[\\w-]{8,}\\.[\\w-]{8,}\\.[\\w-]{4,}',
]

/** In any text, also in messages. */
export const patternsAnywhere: readonly SecretPatternGroup[] = [
  { hint: /:\/\/|[?&#;][\w.-]*=|hooks|\/bot/, patterns: inUrls },
  // --password=value; `--secrets` names a file
  { hint: /-\w/, patterns: [byName(`(?<![\\w-])(?!--secrets=)(--?(${candidateName})=)(${quotedOrWord})`)] },
  { hint: /authorization|bearer|basic|auth["']/i, patterns: inHeaders },
  { hint: /%(?:25){0,3}[23]|&(?:quot|apos|#)|\\(?:u00|x)2/i, patterns: inEncodedTexts },
  { hint: /[_.-]/, patterns: [always(`((?<![\\w-]))(${forms.join('|')})`)] },
]

const text = `([^<]+|<!\\[CDATA\\[[^\\]]*\\]\\]>)(?=<)`
const tagEnd = '[^<>]{0,200}>'

const inXml: readonly SecretPattern[] = [
  // <NAME>value</NAME>
  byName(`(<(?:[\\w.-]{1,60}:)?(${candidateName})(?:\\s${tagEnd}|>))${text}`),
  // <x name="NAME">value</x>
  byName(`(<[\\w.:-]{1,60}\\s[^<>]{0,200}?(?:name|key|id)=["'](${candidateName})["']${tagEnd})${text}`),
  // <NAME value="value"/>
  byName(`(<(?:[\\w.-]{1,60}:)?(${candidateName})\\s(?:[^<>]{0,200}?\\s)?value=)("[^"<]*"|'[^'<]*')`),
  // <key>NAME</key><string>value</string>
  byName(`(<key>\\s{0,9}(${candidateName})\\s{0,9}</key>\\s{0,40}<string>)${text}`),
]

const valueInPair = `(${quoted}|[^\\s,;"'=][^\\s,;"'}]*)`
const nameInPair = `["']?(?<![\\w-])(?:name|key|variable)["']?\\s{0,9}[=:]\\s{0,9}["']?(${candidateName})["']?`

/** name="NAME" value="value", {"value": "value", "name": "NAME"} */
const inPairs: readonly SecretPattern[] = [
  byName(`(${nameInPair}[\\s,]{1,40}["']?value["']?\\s{0,9}[=:]\\s{0,9})${valueInPair}`),
  {
    pattern: new RegExp(`((?<![\\w-])value["']?\\s{0,9}[=:]\\s{0,9})${valueInPair}(?=[\\s,]{1,40}${nameInPair})`, 'gi'),
    value: 2,
    name: 3,
  },
]

const directive = '(?:env|ENV|export|setenv|SetEnv|set(?: -\\w+)*|(?:fastcgi|uwsgi|scgi)_param|\\w+_set_header)'

const inLines: readonly SecretPattern[] = [
  // NAME value, as in zope.conf and in a Dockerfile
  byName(`^([^\\S\\n]*(?:${directive}[ \\t]+)?([A-Z][A-Z0-9_]*)[ \\t]+)([^\\s=:].*)$`, 'gm'),
  // set $name value, fastcgi_param NAME value
  byName(`^([^\\S\\n]*${directive}[ \\t]+\\$?(${candidateName})[ \\t]+)([^\\s=:;].*?)(?=;?[ \\t]*$)`, 'gm'),
  // name value, the only words of a line, as in redis.conf
  byName(`^([^\\S\\n]*(${candidateName})[ \\t]+)([^\\s=:;]+)(?=;?[ \\t]*$)`, 'gm'),
  // .netrc, haproxy.cfg, .pgpass
  always(`(\\blogin\\s+\\S+\\s+(?:account\\s+\\S+\\s+)?password\\s+)(\\S+)`),
  always(`(\\buser\\s+\\S+\\s+(?:insecure-)?password\\s+)(\\S+)`),
  always(`(\\bstats\\s+auth\\s+[^\\s:]+:)(\\S+)`),
  always(`^((?:[\\w.*-]+|/[\\w./-]+):(?:\\d+|\\*):[\\w.*-]+:[\\w.*-]+:)(\\S+)$`, 'gm'),
  // npm config set NAME value
  byName(
    `(\\bconfig(?:ure)?[ \\t]+set[ \\t]+(?:\\S{1,80}[ \\t]+){0,4}?[^\\s=]{0,80}?(?<![\\w.-])(${candidateName})[ \\t]+)(${quotedOrWord})`,
  ),
  // user=name,pass=value
  always(
    `(\\b(?:user(?:name)?|login)\\s{0,9}[=:]\\s{0,9}["']?[^\\s,;"']{1,80}["']?[,;\\s]\\s{0,9}(?:\\w{1,30}=[^\\s,;]{0,80},){0,9}pass\\s{0,9}[=:]\\s{0,9}["']?)([^\\s,;"']+)`,
    'gi',
  ),
  // ? NAME, and : value on the next line
  byName(`^([^\\S\\n]*\\?[ \\t]+["']?(${candidateName})["']?[ \\t]*\\n[^\\S\\n]*:[ \\t]+)(\\S.*)$`, 'gim'),
  // | NAME | value |
  byName(`(\\|[ \\t]{0,40}(${candidateName})[ \\t]{0,40}\\|[ \\t]{0,40})([^\\s|]+)`),
]

const elsewhere: readonly SecretPattern[] = [
  // Hashes: $6$salt$hash, {SSHA}hash
  always(`(\\$(?:1|2[abxy]|5|6|7|y|gy|apr1|argon2\\w*|scrypt|pbkdf2[\\w-]*)\\$)([\\w./$=,+-]{4,})`),
  always(`(\\{(?:S?SHA\\d{0,3}|S?MD5|CRYPT|BCRYPT|PBKDF2[\\w-]*)\\})([\\w./$=+-]{4,})`, 'gi'),
  // 'NAME', 'value'
  byName(`((?<!\\w)["'](${candidateName})["']\\s{0,9},\\s{0,9})(${quoted})`),
  // NAME != 'value'
  byName(`((?<![\\w.-])(${candidateName})\\s{0,9}(?:!={1,2}|={3}|!?~\\*?)\\s{0,9})(${quoted})`),
  // SET PASSWORD FOR x = PASSWORD('value'), IDENTIFIED WITH plugin BY 'value'
  always(`(\\bpassword\\s{0,9}\\(\\s{0,9})(${quoted})`, 'gi'),
  always(`(\\bset\\s+password\\s+for\\s[^\\n=]{1,200}=\\s{0,9})(${quoted})`, 'gi'),
  always(`(\\bidentified\\s+(?:with|via)\\s+\\S{1,80}\\s+(?:by|as|using)\\s+)(${quoted})`, 'gi'),
]

/** In files of the host, in the output of commands, and in attributes that hold a text of their own. */
export const patternsInForeignText: readonly SecretPatternGroup[] = [
  ...commandSecrets,
  ...messageSecrets,
  ...fileSecrets,
  // --password value: in a command, not in a message, where the next word may be any
  {
    hint: /(?:^|\s)-/,
    patterns: [
      byName(
        `(?<![\\w-])(?!--secrets\\s)(--?(${candidateName})(?:(?:[ \\t]*\\\\\\n)+[ \\t]*|[ \\t]+))(${quoted}|["']?[^\\s"'-][^\\s"']*)`,
      ),
    ],
  },
  { hint: /</, patterns: inXml },
  { hint: /value/i, patterns: inPairs },
  {
    hint: /cookie/i,
    patterns: [always(`((?<![\\w-])(?:set-)?cookie["']?[ \\t]*:[ \\t]*["']?)((?=[^\\n"'=]{1,100}=)[^\\n']+)`, 'gi')],
  },
  // PASSWORD 'value', IDENTIFIED BY 'value'
  {
    hint: /["']/,
    patterns: [
      always(
        `(\\b(?:password|passwd|passphrase|secret|identified\\s+by)[ \\t]+\\\\{0,8})("[^"\\n]+"|'[^'\\n]+')`,
        'gi',
      ),
    ],
  },
  { hint: /[\s:]/, patterns: inLines },
  { hint: /[$}'"]/, patterns: elsewhere },
]
