/** Tests how a command's output on many hosts is displayed, and the command line of ssh. */
import picocolors from 'picocolors'
import t from 'tap'
import { sshArguments } from '../../../../core/fleet/operate/openssh.ts'
import { type CommandResult, describeGroup, groupResults, summarize } from '../../../../core/fleet/operate/results.ts'
import { resolveTarget } from '../../../../core/fleet/ssh/target.ts'
import type { UserConfig } from '../../../../core/fleet/ssh/user_config.ts'

const paint = picocolors.createColors(false)

function result(host: string, change: Partial<CommandResult> = {}): CommandResult {
  return { host, status: 0, stdout: '', stderr: '', truncated: false, failure: null, durationMs: 1, ...change }
}

function shown(results: readonly CommandResult[]): string {
  return `${groupResults(results)
    .map((group) => describeGroup(group, paint))
    .join('')}${summarize(results)}\n`
}

t.test('groups hosts with the same result, failed ones last', async (t) => {
  const full = { stdout: '/dev/vda1  40G  21G  18G  54% /\n' }
  const failed = result('client6', { status: 1, stderr: 'df: /srv: No such file or directory\n' })
  t.equal(
    shown([failed, ...['client1', 'client2', 'client3', 'client4', 'client5'].map((host) => result(host, full))]),
    `client[1-5] (5 hosts)
  /dev/vda1  40G  21G  18G  54% /
! client6: exit status 1
  df: /srv: No such file or directory
6 hosts: 5 succeeded, 1 failed: client6
`,
  )
})

t.test('names the signal that ended a command', async (t) => {
  t.match(shown([result('web1', { status: 137 })]), '! web1: ended by SIGKILL (exit status 137)\n')
  t.match(shown([result('web1', { status: 130 })]), '! web1: ended by SIGINT (exit status 130)\n')
  t.match(shown([result('web1', { status: 255 })]), '! web1: exit status 255\n')
})

t.test('groups hosts with the same failure', async (t) => {
  const down = (host: string) => {
    const failure = { code: 'CONNECT_FAILED', message: `cannot connect to ${host}: refused`, hint: 'start sshd' }
    return result(host, { status: null, failure })
  }
  t.equal(
    shown([down('web1'), down('web2')]),
    `! web1, web2 (2 hosts): cannot connect to web1: refused
  hint: start sshd
2 hosts: 0 succeeded, 2 failed: web1, web2
`,
  )
})

t.test('output cannot control the terminal or imitate a line of converge', async (t) => {
  t.equal(
    shown([result('a', { stdout: '\x1b[2Jx\r\n! b: failed\n' })]),
    'a\n  x\\x0d\n  ! b: failed\n1 host: all succeeded\n',
  )
})

t.test('passes the settings of the stack file and of ssh_config to ssh', async (t) => {
  const none: UserConfig = {
    home: '/home/ann',
    user: 'ann',
    agent: null,
    warnings: new Set(),
    settings: () => new Map(),
  }
  const more = { command: [], terminal: true, acceptNew: false, hasOtherHome: false, config: null }
  const plain = { name: 'web1', address: 'web1.example.org' }
  const words = (host: Parameters<typeof resolveTarget>[0], change: object = {}) =>
    sshArguments(host, resolveTarget(host, none), { ...more, ...change })
  const known = ['-o', 'UserKnownHostsFile="/home/ann/.ssh/known_hosts" "/home/ann/.ssh/known_hosts2"']
  t.strictSame(words(plain), ['-p', '22', '-l', 'ann', ...known, '--', 'web1.example.org'])
  t.strictSame(words(plain, { hasOtherHome: true }).slice(4, 6), ['-i', '/home/ann/.ssh/id_ed25519'])
  const full = { ...plain, port: 2222, user: 'ops', identity: '/keys/50%', jump: 'bastion:2200' }
  t.strictSame(words(full, { command: ['echo', 'a b'], acceptNew: true, config: '/c' }), [
    ...['-F', '/c', '-p', '2222', '-l', 'ops', '-i', '/keys/50%', '-J', 'bastion:2200', ...known],
    ...['-o', 'StrictHostKeyChecking=accept-new', '-t', '--', 'web1.example.org', "echo 'a b'"],
  ])
  t.strictSame(words(plain, { command: ['a | b'], terminal: false }).slice(-2), ['web1.example.org', 'a | b'])
})

t.test('where only moments are reported, groups hosts that report them within a minute', async (t) => {
  const clock = (host: string, time: string, status = 0) =>
    result(host, { status, stdout: `warning  clock: 2026-11-30T${time}Z, and not synchronized\n` })
  const results = [clock('a', '13:51:59'), clock('b', '13:52:01'), clock('c', '13:53:30'), clock('d', '13:51:59', 1)]
  const grouped = (moments?: 'similar') =>
    groupResults(results, moments).map((group) => group.map(({ host }) => host).join(' '))
  t.strictSame(grouped(), ['a', 'b', 'c', 'd'], 'the output of a command is compared as it is')
  t.strictSame(grouped('similar'), ['a b', 'c', 'd'], 'a clock that differs by more than that stands out')
})
