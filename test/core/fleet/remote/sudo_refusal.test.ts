/** Tests how the reason of a failure is found in the output of sudo. */
import t from 'tap'
import { lastLine, sudoRefusal as refusalOf, type Sudo } from '../../../../core/fleet/remote/ssh_transport.ts'

/** Parses the errors of a script that did not start. */
const sudoRefusal = (sudo: Sudo, code: number, errors: string) =>
  refusalOf(sudo, code, { errors: () => errors, hasBegun: () => false })

const warnings = [
  'sudo: unable to resolve host h1: Temporary failure in name resolution',
  'sudo: setrlimit(RLIMIT_CORE): Operation not permitted',
  'sudo: unable to send audit message: Operation not permitted',
  "stty: 'standard input': Inappropriate ioctl for device",
  'bash: warning: setlocale: LC_ALL: cannot change locale (de_DE.UTF-8)',
  'perl: warning: Setting locale failed.',
  'We trust you have received the usual lecture from the local System',
  'Administrator. It usually boils down to these three things:',
  '    #1) Respect the privacy of others.',
  'mesg: ttyname failed: Inappropriate ioctl for device',
  'sudo: unable to open /run/sudo/ts/ann: Read-only file system',
  'sudo: unable to stat /var/lib/sudo/lectured: Permission denied',
  'sudo: timestamp too far in the future: Sat Nov 28 23:00:00 2026',
  'sudo: /run/sudo/ts is owned by uid 1000, should be 0',
  'Warning: your password will expire in 3 days.',
  'Last login: Sat Nov 28 23:00:00 2026 from 10.0.0.1',
].join('\n')

const reasons: readonly [said: string, hint: RegExp][] = [
  ['sudo: a password is required', /"sudo": "password"/],
  [
    'sudo: a terminal is required to read the password; either use the -S option or configure an askpass helper',
    /"sudo": "password"/,
  ],
  ['sudo: no tty present and no askpass program specified', /"sudo": "password"/],
  ['sudo-rs: interactive authentication is required', /"sudo": "password"/],
  ['sudo: Authentication failed, try again.', /give the password/],
  ['sudo: maximum 3 incorrect authentication attempts', /give the password/],
  ['sudo: sh: command not found', /repair sudo/],
  ['sudo: unable to execute /bin/sh: Permission denied', /repair sudo/],
  ['sudo: policy plugin failed session initialization', /repair sudo/],
  [
    'sudo: error in /etc/sudo.conf, line 1 while loading plugin "sudoers_policy": fatal error, unable to load plugins',
    /repair sudo/,
  ],
  ['sudo: sorry, you must have a tty to run sudo', /!requiretty/],
  ['ann is not in the sudoers file.  This incident will be reported.', /let the account use sudo/],
  ['ann is not in the sudoers file.', /let the account use sudo/],
  ["Sorry, user ann is not allowed to execute '/bin/sh -c true' as root on h1.", /let the account use sudo/],
  ['Sorry, user ann may not run sudo on h1.', /let the account use sudo/],
  ["sudo: I'm sorry ann. I'm afraid I can't do that", /let the account use sudo/],
  ['sudo: interactive authentication is required', /"sudo": "password"/],
  ['sudo: 1 incorrect password attempt', /give the password/],
  ['sudo: Account or password is expired, reset your password and try again', /chage -l/],
  ['sudo: account validation failure, is your account locked?', /chage -l/],
  ['sudo: PAM account management error: Permission denied', /chage -l/],
  ['sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set', /repair sudo/],
  ['sudo: The "no new privileges" flag is set, which prevents sudo from running as root.', /repair sudo/],
  ['sudo: no valid sudoers sources found, quitting', /repair sudo/],
  ['sudo: /etc/sudoers is world writable', /repair sudo/],
]

t.test('finds the reason among warnings', (t) => {
  for (const [output, hint] of reasons)
    for (const errors of [output, `${warnings}\n${output}\n`, `${output}\n${warnings}`]) {
      const message = `sudo was refused: ${output.replace(/^sudo(-rs)?: /, '')}`
      t.match(sudoRefusal('free', 1, errors), { code: 'SUDO_REFUSED', message, hint })
    }
  t.end()
})

t.test('of two reasons, names the one to repair first', (t) => {
  const output = 'sudo: a terminal is required to read the password\nsudo: sorry, you must have a tty to run sudo'
  t.match(sudoRefusal('free', 1, output), { message: /must have a tty/, hint: /!requiretty/ })
  t.end()
})

t.test('displays an unknown reason as it is, without the warnings', (t) => {
  const output = `${warnings}\nsudo: the moon is full\nsudo: and so is the disk\n`
  t.match(sudoRefusal('free', 1, output), {
    message: 'sudo was refused: the moon is full; sudo: and so is the disk',
    hint: /let the account use sudo/,
  })
  t.end()
})

t.test('warnings alone are not a refusal, and not the reason of another failure', (t) => {
  t.equal(sudoRefusal('free', 1, warnings), null)
  t.equal(sudoRefusal('free', 127, `${warnings}\nsh: 1: git: not found`), null, 'it is not sudo that is missing')
  t.equal(sudoRefusal('free', 0, 'sudo: a password is required'), null)
  t.equal(sudoRefusal('none', 1, 'sudo: a password is required'), null)
  for (const missing of [
    'env: ‘sudo’: No such file or directory',
    "env: can't execute 'sudo': No such file or directory",
    'sh: 1: sudo: not found',
  ])
    t.match(sudoRefusal('free', 127, missing), {
      message: 'sudo was refused: there is no sudo on the host',
      hint: /^install the package sudo on the host, /,
    })
  t.equal(lastLine(`no space left on device\n${warnings}\n`), 'no space left on device')
  t.equal(lastLine('  \n'), '')
  t.end()
})

t.test('a script that has begun fails for its own reasons, whatever sudo warns of', (t) => {
  const begun = { errors: () => 'sudo: the moon is full\nno space left on device', hasBegun: () => true }
  t.equal(refusalOf('free', 1, begun), null)
  t.end()
})
