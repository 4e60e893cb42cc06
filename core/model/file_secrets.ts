/** Patterns that find secrets in the files of servers and in code, where no name that sounds secret stands before them. */
import { randomWord } from './message_secrets.ts'
import { candidateName } from './secret_names.ts'
import { always, byName, quoted, type SecretPatternGroup } from './secret_pattern.ts'

export const fileSecrets: readonly SecretPatternGroup[] = [
  {
    // user = admin:value, as in buildout.cfg; not user:group
    hint: /user|login|auth|PASS|\|/i,
    patterns: [
      always(
        `((?<![\\w.])(?:[\\w-]{0,30}[-_])?(?:(?:basic|http|proxy)?[-_]?auth|login)["']?\\s{0,9}[:=]\\s{0,9}["']?(?:[\\w.@+-]{1,80}:)?)(${randomWord})`,
        'gi',
      ),
      always(`(^(?:[CS<>]:? ?|-{1,4}> ?)?PASS )(${randomWord})[ \\t]*$`, 'gm'),
      always(`(^\\w{1,9} LOGIN \\S{1,80} )(\\S+)[ \\t]*$`, 'gm'),
      byName(`(^[ \\t]{0,9}(${candidateName})[ \\t]{0,40}\\|[ \\t]{0,40})(${randomWord})(?=[ \\t]*$)`, 'gm'),
      always(`(\\bAUTH LOGIN\\s+)([\\w+/=]{8,})`),
      always(`(["']auth["'](?:[ \\t]+"[^"\\n]{0,80}")?[ \\t]+)("[^"\\n]*")(?=[ \\t]*$)`, 'gim'),
      always(
        `((?<![\\w.])(?:[\\w-]{0,30}[-_])?(?:users?|logins?|userpwd|(?:basic|http|proxy)?[-_]?auth)["']?[ \\t]{0,9}=[ \\t]{0,9}["']?[\\w.@+-]{1,80}:)(?!\\d+(?=["'\\s]|$)|//)([^\\s"']{2,200})`,
        'gi',
      ),
      always(`((?<![\\w-])--?[\\w-]{0,30}user[= ]["']?[\\w.@+-]{1,80}:)(${randomWord})`),
      always(`(\\buser[ \\t]+\\S+[ \\t]+(?:\\S+[ \\t]+){0,9}?[>#])([^\\s>#]{4,})`),
    ],
  },
  {
    hint: /__ac|sess/i,
    patterns: [always(`((?<![\\w-])(?:__ac|[A-Z]{0,10}SESSI?O?N?ID|sessionid)["']?=["']?)([^\\s;,"']{4,})`, 'gi')],
  },
  {
    // DEPLOY_KEY=value; not the key of a cache, a table or a host
    hint: /key["']?\s{0,9}[:=]/i,
    patterns: [
      always(
        `((?<![\\w.-])(?!(?:[\\w.-]{0,60}[._-])?(?:public|primary|foreign|sort|cache|partition|host|index|group|routing|idempotency|unique|object|publishable|site|map|item|hash|range|translation|registry|composite|lookup|tag)[._-]?[Kk]ey["']?\\s{0,9}[:=])[\\w.-]{1,60}(?:[._-]key|Key)["']?\\s{0,9}[:=]\\s{0,9}["']?)(?!(?:ssh|ecdsa|sk)-)(${randomWord})`,
        'g',
      ),
      always(
        `((?<![\\w.-])(?!(?:PUBLIC|PRIMARY|FOREIGN|SORT|CACHE|PARTITION|HOST|SITE|PUBLISHABLE)_KEY)[A-Z][A-Z0-9_]{0,60}_KEY["']?\\s{0,9}[:=]\\s{0,9}["']?)(?!(?:ssh|ecdsa|sk)-)(${randomWord})`,
      ),
    ],
  },
  { hint: /--\w/, patterns: [always(`((?<![\\w-])--(?:pass|pwd|auth|key)[= ]["']?)(${randomWord})`)] },
  { hint: /Signature/, patterns: [always(`((?<!\\w)X-Amz-Signature=)([^&\\s"']+)`)] },
  { hint: /(?:AKIA|ASIA)/, patterns: [always(`(\\b(?:AKIA|ASIA)[A-Z0-9]{8,}:)(\\S+)`)] },
  { hint: /Private-/, patterns: [always(`(^Private-(?:MAC|Hash): )(\\S+)`, 'gm')] },
  {
    hint: /<[\w<]/,
    patterns: [
      always(`(<input\\s[^<>]{0,300}type=["']?password["']?[^<>]{0,300}?\\svalue=)("[^"<]*"|'[^'<]*')`, 'gi'),
      byName(`(<meta\\s[^<>]{0,99}?name=["'](${candidateName})["'][^<>]{0,99}?\\scontent=)("[^"<]*"|'[^'<]*')`),
      byName(`(\\b(?:name|key|id)=["'](${candidateName})["'][^<>]{0,200}>\\s{0,40}<value>)([^<]+)(?=<)`),
      // {NAME, <<"value">>}, in Erlang
      byName(`(\\{\\s{0,9}(${candidateName}),\\s{0,9}<<)("[^"\\n]*")`),
    ],
  },
  {
    hint: /stringData|kind:[ \t]*Secret/,
    patterns: [
      always(
        `((?:(?<=\\bstringData:[^\\S\\n]*\\n(?:[^\\S\\n]+\\S.*\\n){0,40})|(?<=\\bkind:[ \\t]*Secret\\b(?:.*\\n){1,40}(?:string)?[dD]ata:[^\\S\\n]*\\n(?:[^\\S\\n]+\\S.*\\n){0,40}))[^\\S\\n]+[\\w.-]+:[ \\t]*)(\\S.*)`,
      ),
      // data: before kind: Secret
      always(
        `((?<=^data:[^\\S\\n]*\\n(?:[^\\S\\n]+\\S.*\\n){0,40})[^\\S\\n]+[\\w.-]+:[ \\t]*)(\\S.*)(?=\\n(?:[^\\S\\n]+\\S.*\\n){0,40}(?:\\w.*\\n)?kind:[ \\t]*Secret)`,
        'gm',
      ),
    ],
  },
  {
    hint: /AUTH|ACL|PSK|EAP|\*|community|createUser|encrypt|\{/,
    patterns: [
      always(`(^(?:AUTH|ACL SETUSER)[ \\t]+(?:\\S+[ \\t]+){0,9}?>?)(${randomWord})`, 'gm'),
      always(
        `(^(?:[\\w.@%-]{0,80}[ \\t]{1,9})?:[ \\t]{1,9}(?:PSK|XAUTH|EAP|NTLM)[ \\t]{1,9})(${quoted}|${randomWord})`,
        'gm',
      ),
      // ann * value *, as in pap-secrets
      always(
        `(^["']?[\\w.@-]{1,80}["']?[ \\t]{1,9}(?:\\*|[\\w.-]{1,80})[ \\t]{1,9})(${quoted}|${randomWord})(?=[ \\t]{1,9}\\*)`,
        'gm',
      ),
      always(`(^[ \\t]*r[ow]community6?[ \\t]+)([^\\s"']+)`, 'gm'),
      always(`(^[ \\t]*community[ \\t]+)(${randomWord})`, 'gm'),
      always(`(\\bcreateUser[ \\t]+\\S+[ \\t]+\\w+[ \\t]+)(${quoted}|\\S+)`),
      always(`(\\bcreateUser[ \\t]+\\S+[ \\t]+\\w+[ \\t]+\\S+[ \\t]+\\w+[ \\t]+)(${quoted}|\\S+)`),
      always(`(^[ \\t]*["']?encrypt["']?[ \\t]*[:=][ \\t]*)("[\\w+/]{20,}={0,2}")`, 'gm'),
      // tokens { agent = "value" }
      byName(`((?<![\\w.-])(${candidateName})\\s{0,9}\\{[^{}]{0,400}?=\\s{0,9})("[^"\\n]*")`),
    ],
  },
  {
    // [host]:port user:value, as in sasl_passwd of Postfix
    hint: /^\[?[\w.-]+\.[\w.-]+\]?(?::\d+)?[ \t]+\S+:\S/m,
    patterns: [
      always(`(^\\[[\\w.-]+\\](?::\\d{1,5})?[ \\t]+[^\\s:]{1,80}:)(\\S+)$`, 'gm'),
      always(`(^[\\w-]+\\.[\\w.-]+(?::\\d{1,5})?[ \\t]+[^\\s:@]{1,80}@[\\w.-]{1,80}:)(\\S+)$`, 'gm'),
    ],
  },
  {
    hint: /\(|SecureString|jdbc:|BUNDLE_|=\s/,
    patterns: [
      always(
        `(\\b(?:password_hash|password_verify|(?:make|set|check|generate|hash)_?password\\w{0,10}|PSCredential\\(["'][^"'\\n]{0,80}["'],)\\s{0,9}\\(?\\s{0,9})(${quoted})`,
        'gi',
      ),
      always(`(\\bConvertTo-SecureString\\s+(?:-String\\s+)?)(${quoted})`, 'gi'),
      always(`(\\bjdbc:oracle:\\w+:[^\\s/]{1,80}/)([^\\s@"']+)(?=@)`),
      always(`(\\bBUNDLE_\\w+["']?[:=]\\s{0,9}["']?[^\\s:"'/]{1,80}:)([^\\s"'/]+)`),
      byName(`((?<![\\w.-])(${candidateName})["']?\\]?\\s{0,9}(?:\\|\\||\\?\\?|&&)=\\s{0,9})(${quoted})`),
    ],
  },
  {
    hint: /form-data|string|['"]m(?:ysql|ariadb)/,
    patterns: [
      byName(`(\\bname="(${candidateName})"(?:[^\\n]{0,99}\\n){1,4}?\\r?\\n)([^\\n]+)`),
      byName(`(\\[?["'](${candidateName})["']\\]?\\s{0,9}=>\\s{0,40}string(?:\\(\\d+\\))?[ \\t]+)(${quoted})`),
      always(`(["'](?:mysql|mariadb)[\\w-]{0,20}["'][^\\]\\n]{0,200}?["']-p)([^"'\\n]+)`),
    ],
  },
]
