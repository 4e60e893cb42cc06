/** Tests an operator's commands on the hosts of a stack (exec, logs and ssh) with real sshd. */
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { hostNeeds, type TestHost, testNetwork } from './support/hosts.ts'
import { Operator } from './support/operator.ts'

/** A role with programs of both kinds; the plan declares their log files, and the test writes to them. */
const recipe = `import { role, service, supervisor_program } from 'converge-engine'
export default role('worker', {
  setup(r) {
    supervisor_program(r, { name: 'worker', app: 'shop', command: '/bin/worker', logDir: '/var/log/probe' })
    supervisor_program(r, { name: 'mailer', command: '/bin/mailer', logDir: '/var/log/probe' })
    service(r, { name: 'ntpd' })
  },
})
`

const journal = `#!/bin/sh
echo "journal $*"
case " $* " in *" -f "*) exec sleep 4714 ;; esac
`

const secret = 'correct horse battery staple'
const namedSecret = 'tulip-9-meadow'

async function operatorOf(t: Test, count: number) {
  const network = await testNetwork(t)
  const hosts = await network.many('h', count)
  const operator = new Operator(network)
  operator.write({
    'recipes/worker.ts': recipe,
    'stack.json': {
      name: 'ops',
      layers: { all: { roles: ['base'] }, work: { roles: ['worker'] } },
      recipes: ['recipes'],
      ssh: { user: 'root' },
      custom_json: {
        converge: { secret_names: ['garden'] },
        deploy: { shop: { environment: { garden: namedSecret } } },
      },
      apps: { shop: { scm: { repository: 'https://git.example.com/shop.git', user: 'shop', password: secret } } },
      hosts: {
        ...Object.fromEntries(hosts.map(({ name, address }) => [name, { address, layers: ['all', 'work'] }])),
        gone: { address: '127.0.0.1', port: 1, layers: ['all'] },
      },
    },
  })
  return { operator, hosts }
}

const reachable = ['--limit', '!gone']

function jsonLines(stdout: string) {
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}

t.test('commands of an operator', async (t) => {
  if (!needs(t, hostNeeds)) return
  const { operator, hosts } = await operatorOf(t, 3)
  const [one, two, three] = hosts as [TestHost, TestHost, TestHost]
  two.write('/root/.bashrc', 'echo welcome\necho noise >&2\nprintf "a title without an end"\n')

  await t.test('exec groups equal output', async (t) => {
    three.write('/tmp/kind', 'other\n')
    const seen = await operator.run([
      'exec',
      ...reachable,
      '--',
      'cat /tmp/kind 2>/dev/null || echo usual; echo oops >&2',
    ])
    t.equal(seen.stderr, '')
    t.equal(seen.stdout, 'h1, h2 (2 hosts)\n  usual\n  oops\nh3\n  other\n  oops\n3 hosts: all succeeded\n')
    t.equal(seen.status, 0)
  })

  await t.test('exec fails where one host fails', async (t) => {
    three.write('/tmp/three', '')
    const seen = await operator.run(['exec', '--', 'test ! -e /tmp/three || exit 7'])
    t.equal(seen.status, 1)
    t.match(seen.stdout, /^h1, h2 \(2 hosts\): no output\n! h3: exit status 7\n! gone: /)
    t.match(seen.stdout, /\n4 hosts: 2 succeeded, 2 failed: h3, gone\n$/)
  })

  await t.test('exec takes several words as they are', async (t) => {
    const seen = await operator.run([
      'exec',
      '--host',
      'h1',
      '--',
      'printf',
      '%s|',
      '$HOME',
      "it's",
      '--json-output',
      '',
    ])
    t.match(seen, { status: 0, stdout: "$HOME|it's|--json-output||", stderr: '' })
    t.match(await operator.run(['exec', 'uptime']), { status: 2, stderr: /write -- before the command/ })
    t.match(await operator.run(['exec']), { status: 2, stderr: /takes a command after --/ })
    t.match(await operator.run(['exec', '--host', 'nobody', '--', 'id']), { status: 2 })
  })

  await t.test('exec runs as another account', async (t) => {
    const show = 'id -un; echo $HOME; pwd'
    t.match(await operator.run(['exec', '--host', 'h1', '--user', 'games', '--', show]), {
      status: 0,
      stdout: /^games\n\/usr\/games\n/,
    })
    t.match(await operator.run(['exec', '--host', 'h1', '--sudo', '--', 'id -un']), { status: 0, stdout: 'root\n' })
    t.match(await operator.run(['exec', '--host', 'h1', '--user', 'nobody-here', '--', 'id']), {
      status: 1,
      stderr: /nobody-here/,
    })
  })

  await t.test('exec hides secrets and escapes', async (t) => {
    const print = `printf '%s %s \\033[2J\\n' '${secret}' 'it is ${namedSecret}'`
    for (const args of [reachable, ['--host', 'h1']]) {
      const seen = await operator.run(['exec', ...args, '--', print])
      t.equal(seen.status, 0)
      t.notOk(seen.stdout.includes(secret), 'no secret')
      t.notOk(seen.stdout.includes(namedSecret), 'no value that converge.secret_names names')
      t.notOk(seen.stdout.includes('\x1b'), 'no escape')
    }
    const seen = await operator.json(['exec', ...reachable, '--', print].toSpliced(1, 0, '--json-output'))
    t.notOk(seen.stdout.includes(secret), 'no secret in JSON')
  })

  await t.test('exec and logs hide secrets that the stack file no longer has', async (t) => {
    const [replaced, present] = ['replaced-words-of-no-name', 'present-words-of-no-name']
    const before = operator.read('stack.json') ?? ''
    const stack = JSON.parse(before)
    stack.custom_json.deploy.shop.environment.GREETING = { $env: 'GREETING' }
    operator.write({ 'stack.json': stack })
    for (const GREETING of [replaced, present])
      t.match(await operator.run(['run', 'configure', '--host', 'h1'], { GREETING }), { status: 0 })
    await one.run(`mkdir -p /var/log/probe; echo 'said ${replaced} and ${present}' > /var/log/probe/worker.log`)
    const reads = [
      ['exec', '--host', 'h1', '--', 'cat /var/log/probe/worker.log'],
      ['exec', '--json-output', '--host', 'h1', '--', 'cat /var/log/probe/worker.log'],
      ['logs', '--host', 'h1', '--program', 'worker'],
    ]
    for (const args of reads) {
      const { status, stdout, stderr } = await operator.run(args, { GREETING: present })
      t.equal(status, 0, stderr)
      t.match(stdout, /said \*+ and \*+/, args.join(' '))
    }
    const elsewhere = ['exec', '--host', 'h2', '--', `echo ${replaced} ${present}`]
    t.match(
      await operator.run(elsewhere, { GREETING: present }),
      { stdout: `${replaced} ********\n` },
      'a host knows its own secrets only',
    )
    await one.run('rm -r /var/log/probe')
    operator.write({ 'stack.json': before })
  })

  await t.test('exec writes JSON lines', async (t) => {
    const seen = await operator.run(['exec', '--json-output', '--', 'echo out; echo err >&2; exit 3'])
    const lines = jsonLines(seen.stdout)
    t.equal(seen.status, 1)
    t.match(lines[0], { event: 'start', hosts: ['h1', 'h2', 'h3', 'gone'] })
    t.match(
      lines.filter(({ host }) => host === 'h2'),
      [{ event: 'done', status: 3, stdout: 'out\n', stderr: 'err\n', failure: null }],
    )
    t.match(
      lines.filter(({ host }) => host === 'gone'),
      [{ event: 'done', status: null, failure: { code: 'CONNECT_FAILED' } }],
    )
    t.match(lines.at(-1), { event: 'end', failed: ['h1', 'h2', 'h3', 'gone'] })
  })

  const isRunning = async (host: TestHost, what: string) => (await host.run(`pgrep -f '^${what}'`)).stdout !== ''

  await t.test('the timeout ends the command on the host', async (t) => {
    const seen = await operator.run(['exec', '--host', 'h1', '--timeout', '1', '--', 'sleep 4711 & sleep 4711'])
    t.match(seen, { status: 1, stderr: /did not end within 1 s/ })
    t.notOk(await isRunning(one, 'sleep 4711'), 'its child processes have ended, too')
  })

  await t.test('Ctrl-C ends the command on the hosts', async (t) => {
    const command = 'trap "" TERM; echo begun; sleep 4712; sleep 4712'
    const running = operator.start(['exec', ...reachable, '--', command])
    await until(() => isRunning(one, 'sleep 4712'), 'one runs')
    running.kill('SIGINT')
    const { status, stdout, stderr } = await running.ended
    t.equal(status, 1)
    t.match(stderr, /^SIGINT: ending the command/)
    t.match(stdout, /begun/)
    t.notOk(await isRunning(one, 'sleep 4712'), 'one')
    t.notOk(await isRunning(three, 'sleep 4712'), 'three')
  })

  await t.test('a lost connection ends the command', async (t) => {
    const running = operator.start(['exec', '--host', 'h1', '--', 'sleep', '4713'])
    await until(() => isRunning(one, 'sleep 4713'), 'it runs')
    running.kill('SIGKILL')
    t.equal((await running.ended).status, null)
    await until(async () => !(await isRunning(one, 'sleep 4713')), 'it has ended')
  })

  const log = (host: TestHost, name: string, text: string) => host.run(`echo '${text}' >> /var/log/probe/${name}.log`)

  await t.test('logs of programs and units', async (t) => {
    for (const host of hosts) {
      await host.run('mkdir -p /var/log/probe')
      host.write('/usr/local/bin/journalctl', journal)
      await host.run('chmod 755 /usr/local/bin/journalctl')
      for (const line of ['one', 'two', 'three']) await log(host, 'worker', `${line} on ${host.name}`)
    }
    await log(one, 'mailer', `password ${secret} \\033[2J`)
    const seen = await operator.run(['logs', ...reachable, '--lines', '2'])
    t.equal(seen.status, 0)
    const ntpd = 'journal -q --no-pager -o short-iso -n 2 -u ntpd'
    const lines = seen.stdout.split('\n')
    t.match(lines[0], /^h1 mailer \| password \*+ /)
    t.notOk(seen.stdout.includes('\x1b'), 'no escape')
    t.strictSame(lines.slice(1, 5), [
      ...[`h1 ntpd | ${ntpd}`, 'h1 worker | two on h1', 'h1 worker | three on h1'],
      `h2 ntpd | ${ntpd}`,
    ])
    const app = await operator.run(['logs', ...reachable, '--app', 'shop', '--lines', '1', '--json-output'])
    t.strictSame(
      jsonLines(app.stdout).map(({ host, program, line }) => [host, program, line]),
      hosts.map(({ name }) => [name, 'worker', `three on ${name}`]),
    )
    t.match(await operator.run(['logs', '--program', 'nonesuch']), { status: 1, stderr: /mailer, ntpd, worker/ })
    t.match(await operator.run(['logs', '--lines', 'many']), { status: 2, stderr: /expected a whole number/ })
    const down = await operator.run(['logs', '--host', 'gone'])
    t.match(down, { status: 1, stderr: /declare no logs/ })
  })

  await t.test('logs -f survives rotation, and ends on the hosts with Ctrl-C', async (t) => {
    const following = operator.start([
      'logs',
      '-f',
      ...reachable,
      '--lines',
      '0',
      '--program',
      'w*,ntpd',
      '--json-output',
    ])
    const has = (text: string) => following.events.some((event) => (event as { line?: string }).line === text)
    for (const host of hosts)
      await until(() => following.events.some((event) => (event as { host?: string }).host === host.name), host.name)
    await until(async () => {
      await log(two, 'worker', 'before')
      return has('before')
    }, 'a new line')
    await two.run('mv /var/log/probe/worker.log /var/log/probe/worker.log.1')
    await log(two, 'worker', 'after')
    await until(() => has('after'), 'a line of the new file')
    following.kill('SIGINT')
    t.equal((await following.ended).status, 0)
    t.notOk(await isRunning(two, 'tail'), 'no tail is left')
    t.notOk(await isRunning(two, 'sleep 4714'), 'no journalctl is left')
  })

  await t.test('logs -f reconnects, and shows each line once', async (t) => {
    const following = operator.start(['logs', '-f', '--host', 'h1,h2', '--lines', '0', '--program', 'worker'])
    const endSessions = `pkill -9 -f '^sshd.*root@notty'`
    for (const host of [one, two]) await until(() => isRunning(host, 'tail'), `${host.name} is followed`)
    for (let n = 1; n <= 3; n++) await log(two, 'worker', `line ${n}`)
    await until(() => following.text.includes('line 3'), 'lines before')
    await two.run(`kill -STOP $(pgrep -o -x sshd); ${endSessions}`)
    await until(() => following.errors.includes('h2: '), 'the operator sees the error')
    await two.run('mv /var/log/probe/worker.log /var/log/probe/worker.log.2')
    for (let n = 4; n <= 6; n++) await log(two, 'worker', `line ${n}`)
    await log(one, 'worker', 'from the other one')
    await until(() => following.text.includes('from the other one'), 'other hosts continue')
    await two.run('kill -CONT $(pgrep -o -x sshd)')
    await until(() => following.text.includes('line 6'), 'lines of the meantime')
    await two.run(endSessions)
    await until(() => following.errors.split('connection lost').length === 3, 'lost again')
    await until(() => following.errors.split('connection is back').length === 3, 'and back')
    await log(two, 'worker', 'line 7')
    await until(() => following.text.includes('line 7'), 'lines afterwards')
    following.kill('SIGINT')
    const { status, stdout, stderr } = await following.ended
    t.equal(status, 0)
    const lines = stdout.split('\n').flatMap((line) => (line.startsWith('h2') ? [line.slice(-1)] : []))
    t.strictSame(lines.join(''), '1234567')
    t.match(stderr, /^h2: connection lost, reconnecting: the host has closed it\nh2: the connection is back\n/)
    t.notOk(await isRunning(two, 'tail'), 'no tail is left')
  })

  await t.test('ssh runs the ssh of the system', async (t) => {
    const seen = await operator.run(['ssh', 'h1', '--', 'echo $((6 * 7))'])
    if (seen.status !== 0) t.comment(seen.stderr)
    t.match(await operator.run(['ssh', 'h1', '--', 'echo $((6 * 7))']), { status: 0, stdout: /42\n$/ })
    t.match(await operator.run(['ssh', 'h3', '--', 'printf', '%s|', 'a b', '$HOME']), {
      status: 0,
      stdout: 'a b|$HOME|',
    })
    t.match(await operator.run(['ssh', 'h1', '--', 'exit 23']), { status: 23 })
    t.match(await operator.run(['ssh', 'gone', '--', 'id']), { status: 255 })
    t.match(await operator.run(['ssh', 'h9']), { status: 2, stderr: /has no host h9/ })
  })
})
