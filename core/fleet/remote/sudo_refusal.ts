/** Detects from standard error whether sudo refused to run a script, and why. */
import { ConvergeError } from '../../model/errors.ts'
import { shortLine } from '../../model/excerpt.ts'

const askPassword =
  'set "sudo": "password" for the host in the stack file to be asked for it, or let the account use sudo without one'
const allowAccount =
  'let the account use sudo (/etc/sudoers.d), connect as root, or set "sudo": false and a "prefix" for the host'
const installSudo =
  'install the package sudo on the host, connect as root, or set "sudo": false and a "prefix" for the host'
const repairSudo = 'log in to the host, and repair sudo there: sudo -n true must succeed for this account'
const repairAccount = 'unlock or renew the account on the host (chage -l ACCOUNT), or connect as another user'

/** Messages with which sudo and sudo-rs refuse, most specific first, each with a hint. */
const refusals: readonly (readonly [RegExp, hint: string])[] = [
  [/must have a tty/i, 'there is no terminal on the host: Defaults:ACCOUNT !requiretty in its /etc/sudoers.d'],
  [/there is no sudo on the host/, installSudo],
  [/is not in the sudoers file|is not allowed to (run|execute)|may not run sudo/i, allowAccount],
  [/I'm afraid I can't do that|sorry, you are not allowed to/i, allowAccount],
  [
    /the password is wrong|incorrect (password|authentication) attempt|authentication fail|maximum \d+ incorrect/i,
    'give the password of the account, which sudo asks for, or correct CONVERGE_SUDO_PASSWORD',
  ],
  [
    /a password (is|was) required|password required|no password was provided|no tty present and no askpass|terminal is required|timed out|interactive authentication is required/i,
    askPassword,
  ],
  [
    /(account|password) (or password )?(is |has )?expired|account validation failure|is your account locked|PAM account management/i,
    repairAccount,
  ],
  [/who are you\?|do not exist in the passwd|unknown u(ser|id)/i, repairAccount],
  [/effective uid is not 0|must be owned by uid 0|setuid|no new privileges|nosuid/i, repairSudo],
  [
    /syntax error|parse error|no valid sudoers sources|sudoers is (world|group) writable|(is owned by|should be) (uid|gid|mode)/i,
    repairSudo,
  ],
  [
    /unable to (open|stat|read) \S*sudoers|unable to initialize (PAM|policy)|PAM authentication error|fatal error|unable to allocate pty|command not found|unable to execute|session initialization|pam_open_session|error initializing|unable to load|unable to (set|change to) \S+ (uid|gid|context)/i,
    repairSudo,
  ],
]

/** Warnings that sudo, shells and their startup files print before they run the command. */
const noise: readonly RegExp[] = [
  /^sudo: unable to resolve host/,
  /^sudo: setrlimit\(/,
  /^sudo: (unable to (send audit|mkdir|create|open log|open \/(run|var)\/|write to \/(run|var)\/|stat \/(run|var)\/|get time|change mode|change owner|set supplementary|connect to|get current working directory)|timestamp too far|\/(run|var)\/\S+ (is|should be) |error initializing audit|problem with defaults|ignoring |warning)/i,
  /^(sudo: )?\S*(sudoers|sudo\.conf|sudo\.d)\S*: (?!.*error).*(warning|unknown defaults|ignor)/i,
  /^(stty|tput|tset|mesg|resize): /,
  /inappropriate ioctl for device|no job control in this shell|cannot set terminal process group/i,
  /^\S*sh: (warning: )?setlocale|warning: setlocale|^perl: warning|^locale: Cannot set|^\s*(LANGUAGE|LC_\w+|LANG) = |are supported and installed on your system|^manpath: can't set/,
  /^We trust you have received the usual lecture|^Administrator\. It usually boils down|^\s+#[123]\) |^For security reasons, the password/,
  /^Sorry, try again\.?$|^Last login: |^warning: your password will expire/i,
]

function linesOf(text: string): string[] {
  return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trimEnd()]))
}

/** Returns the lines without unrelated warnings; all of them where there are no others. */
export function withoutNoise(text: string): string[] {
  const lines = linesOf(text)
  const rest = lines.filter((line) => !noise.some((pattern) => pattern.test(line)))
  return rest.length > 0 ? rest : lines
}

/** Returns the line in which sudo refuses, else all lines of sudo without warnings; null where sudo printed neither. */
export function findRefusal(text: string): string | null {
  const lines = linesOf(text).filter((line) => !noise.some((pattern) => pattern.test(line)))
  const sudoLines = lines.filter((line) => isSudoLine(line))
  for (const [pattern] of refusals) {
    const line = sudoLines.find((one) => pattern.test(one))
    if (line !== undefined) return line.trim()
  }
  const messages = sudoLines.filter((line) => /^(sudo|sudo-rs): /.test(line))
  return messages.length > 0 ? messages.map((line) => line.trim()).join('; ') : null
}

/** Decides whether a line is from sudo; some of its refusals do not begin with its name. */
function isSudoLine(line: string): boolean {
  return (
    /^(sudo|sudo-rs|sudoers): |^>>> \S*sudoers/.test(line) ||
    /^\S+ is not in the sudoers file|^Sorry, user \S+ (is not allowed|may not)|^\S+ is not allowed to run sudo/i.test(
      line,
    )
  )
}

/** Characters of a message of the host. */
const longestReason = 300

/** @param why the message of sudo */
export function sudoRefused(why: string): ConvergeError {
  const hint = refusals.find(([pattern]) => pattern.test(why))?.[1] ?? allowAccount
  return new ConvergeError(`sudo was refused: ${shortLine(why.replace(/^(sudo|sudo-rs): /, ''), longestReason)}`, {
    code: 'SUDO_REFUSED',
    hint,
  })
}
