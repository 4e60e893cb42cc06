/** Patterns that find secrets in messages of programs, such as `The generated password is …`. */
import { candidateName } from './secret_names.ts'
import { always, byName, quoted, type SecretPatternGroup } from './secret_pattern.ts'

/** Signs after a word; also the end of a text. */
const wordEnd = `(?=[\\s"'.,;:)]|$)`
/** Words with letters and digits that name a method, a format, a date or an item: messages about a password contain them. */
const knownWords =
  '\\w{0,9}sha-?\\d+|x509|argon2\\w*|pbkdf2\\w*|v\\d+(?:alpha|beta)\\d+|\\d+\\w{0,2}|\\d{4}-\\d\\d-\\d\\d\\S*|[\\d.:]+|[A-Za-z]+[-_.]?\\d{1,4}'
/** A file name, a domain or a version. */
const dotted = `\\S{0,100}(?:\\.[a-z]{2,6}(?=[\\s"',;:)]|$)|\\d\\.\\d+)`
/** Begins an address, an option or a placeholder. */
const otherBeginning = '\\S{0,20}://|\\$?[{(-]'
/** A word that looks random: mixed letters and digits. */
export const randomWord = [
  ...[`(?!(?:${knownWords})${wordEnd})`, `(?!${dotted})`, `(?!${otherBeginning})`],
  ...[`(?=[^\\s"'/]{0,100}\\d)`, `(?=[^\\s"'/]{0,100}[A-Za-z])`],
  ...[`[^\\s"'/<>(),;|*:](?:[^\\s"'<>(),;|*:]|:(?=\\S)){5,200}`],
].join('')

const subject =
  '\\b(?:pass(?:word|wd|phrase|code)|secret|token|pin(?:[ -]code)?|api[ -]?key|access[ -]key|unseal key(?: \\d+)?|recovery (?:codes?|key)|login code)s?'
const verb = '(?:is|was|are|to|as|now)[: \\t]{1,3}'
const connector = `(?:${verb}|[.…]{0,60}:[ \\t]{0,9}|[ \\t]=[ \\t]|(?:->|→)[ \\t]|[.…]{3,60}[ \\t]{0,9})`

export const messageSecrets: readonly SecretPatternGroup[] = [
  {
    hint: /pass|secret|token|pin|key|code/i,
    patterns: [
      always(`(${subject}(?:[ \\t][^\\s:="']{1,40}){0,6}?[ \\t]{0,3}${connector})(${randomWord})`, 'gi'),
      always(`(${subject}(?:[ \\t][^\\s:="']{1,40}){0,6}?[ \\t]{0,3}${verb})(${quoted})`, 'gi'),
      always(`((?<![\\w.-])pass["']?\\s{0,9}[:=][ \\t]{0,9}["']?)(${randomWord})`, 'gi'),
      always(`(${subject}[ \\t]["'])(${randomWord})(?=["'])`, 'gi'),
      // A prompt, and the answer on the next line
      always(`(${subject}(?:[ \\t][^\\s:="']{1,40}){0,6}?:[ \\t]*\\n[ \\t]*)(${randomWord})(?=[ \\t]*$)`, 'gim'),
      always(`(\\brecovery codes?:[ \\t]*\\S{1,80}[ \\t]+)(\\S.*)`, 'gi'),
    ],
  },
  // NAME value, within a line
  { hint: /[ \t]/, patterns: [byName(`((?<![\\w./-])(${candidateName})[ \\t]+(?:\\d[ \\t]+)?)(${randomWord})`)] },
]
