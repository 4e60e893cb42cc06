/** Tests commands that leave processes behind, requests that fail midway, and locks of processes that have exited. */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import t from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { acquireLock, lockHolder } from '../../../core/host/lock.ts'
import { minutes, seconds } from '../../../core/model/units.ts'
import { needs, scratch } from '../../support/machine.ts'

const host = new LocalHost('/nowhere')
const none = seconds(0)

t.test('a time limit of more than 24 days does not end a command at once', async (t) => {
  for (const timeout of [seconds(3_000_000), seconds(Number.MAX_SAFE_INTEGER)]) {
    t.equal((await host.run(['sh', '-c', 'sleep 0.05; echo done'], { timeout })).stdout, 'done\n', `${timeout}`)
    const server = createServer((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nyes')).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    t.match(await host.request({ port, timeout }), { status: 200 }, `${timeout}`)
  }
})

t.test('a line of output ends a command that cannot succeed, and its processes', async (t) => {
  const command = ['sh', '-c', 'echo first; sleep 600 & echo hopeless; echo $!; wait; echo never']
  const lines: string[] = []
  const onLine = (line: string) => void lines.push(line)
  const ends = (endsAt: (line: string) => boolean) => host.run(command, { onLine, endsAt })
  await t.rejects(
    ends((line) => line === 'hopeless'),
    {
      code: 'COMMAND_FAILED',
      message: / was ended by this run, because it cannot succeed$/,
      output: /^first\nhopeless/,
    },
  )
  t.notOk(lines.includes('never'))
})

t.test('a daemon that keeps the output open does not delay the end of the run', async (t) => {
  for (const command of [
    'echo one; echo two >&2; printf three; sleep 30 &',
    'echo one; echo two >&2; printf three; setsid sleep 30 & exit 3',
  ]) {
    const began = performance.now()
    const lines: string[] = []
    const result = await host.run(['sh', '-c', command], {
      accept: 'any',
      timeout: minutes(1),
      onLine: (line) => lines.push(line),
    })
    t.match(result, { status: command.endsWith('3') ? 3 : 0, stdout: 'one\nthree', stderr: 'two\n' })
    t.strictSame(lines.sort(), ['one', 'three', 'two'])
    t.ok(performance.now() - began < 20_000, 'long before the daemon ends')
  }
})

t.test('only a missing program is reported as one', async (t) => {
  const directory = scratch(t)
  const script = `${directory}/script`
  writeFileSync(script, '#!/nowhere/interpreter\n', { mode: 0o755 })
  writeFileSync(`${directory}/data`, '')
  await t.rejects(host.query(['gone-program']), {
    code: 'NO_PROGRAM',
    message: 'cannot run gone-program: no such program',
  })
  await t.rejects(host.query([`${directory}/gone`]), { code: 'NO_PROGRAM' })
  await t.rejects(host.query(['true'], { cwd: `${directory}/gone` }), {
    code: 'COMMAND_FAILED',
    message: `cannot run true: no such directory ${directory}/gone`,
  })
  await t.rejects(host.query([script]), {
    code: 'COMMAND_FAILED',
    message: `cannot run ${script}: ${script} exists, but the system cannot start it; its interpreter or its loader may be missing`,
  })
  await t.rejects(host.query([`${directory}/data`]), { code: 'COMMAND_FAILED', message: /EACCES/ })
  await t.rejects(host.query(['true', 'x'.repeat(4_000_000)]), { code: 'COMMAND_FAILED', message: /E2BIG/ })
})

t.test('a program that the system cannot start is not reported as missing', async (t) => {
  if (!needs(t, ['strace', 'git'])) return
  const program = `
    import { LocalHost } from './core/host/local.ts'
    import { gitFailure } from './resources/git/remote.ts'
    try { await new LocalHost('/nowhere').query(['git', '--version']) }
    catch (error) { console.log(gitFailure(error, 'git failed').message) }
  `
  const path = `${scratch(t)}/program.mts`
  writeFileSync(path, program.replaceAll("'./", `'${process.cwd()}/`))
  // The first call of execve starts Node.js itself.
  for (const error of ['ENOENT', 'ENOMEM', 'EACCES', 'EAGAIN', 'ETXTBSY']) {
    const inject = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=execve', '-e', `inject=execve:error=${error}:when=2+`]
    const { stdout } = spawnSync('strace', [...inject, process.execPath, '--import=tsx', path], { encoding: 'utf8' })
    t.equal(stdout, 'git failed\n', error)
  }
})

t.test('reports a record of a command that cannot be removed, and closes it once', async (t) => {
  const state = scratch(t)
  const guarding = new LocalHost(state)
  t.teardown(() => guarding.close())
  const swap = `cd ${state}/commands && for one in *; do rm "$one" && mkdir "$one"; done`
  await t.rejects(guarding.run(['sh', '-c', swap]), { code: 'ERR_FS_EISDIR' })
})

t.test('does not wait for a background process that ends soon', async (t) => {
  const began = performance.now()
  await host.run(['sh', '-c', 'sleep 0.2 & exit 0'])
  t.ok(performance.now() - began < 1900)
})

t.test('reports an answer that breaks off', async (t) => {
  const server = createServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
    setTimeout(() => socket.resetAndDestroy(), 50)
  }).listen(0, '127.0.0.1')
  t.teardown(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  await t.rejects(host.request({ port, timeout: seconds(500) }), {
    name: 'ConvergeError',
    code: 'ECONNRESET',
    message: /cannot talk to 127/,
  })
  t.ok(timers() <= before, 'its timer is removed')
})

/** Writes a claim into a lock's directory, as a process would leave it. */
function claim(directory: string, change: object): void {
  mkdirSync(`${directory}/lock.d`, { recursive: true })
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  const holder = { pid: process.pid, started: `${boot} ${ticks}`, user: 'root', since: 'then', command: 'converge x' }
  writeFileSync(
    `${directory}/lock.d/1`,
    JSON.stringify({ ...holder, host: 'elsewhere', machine: 'm', space: 's', ...change }),
  )
}

t.test('knows whether the lock holder is alive', async (t) => {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const lock = await acquireLock(`${scratch(t)}/own`, 'me', none)
  lock.release()
  const own = scratch(t)
  await acquireLock(`${own}/lock`, 'me', none)
  const me = lockHolder(`${own}/lock`)
  t.match(me, { pid: process.pid, command: 'me' })
  const cases: readonly [name: string, change: object, alive: boolean][] = [
    ['this process, the host having got another name', { space: me?.space }, true],
    ['a process of this boot that has ended, with any name', { space: me?.space, started: `${boot} 1` }, false],
    ['another container on this kernel', { started: `${boot} 1` }, true],
    ['an earlier boot, the same name', { started: 'b 1', host: me?.host }, false],
    ['an earlier boot, another name, the same host', { started: 'b 1', machine: me?.machine }, me?.machine === ''],
    ['another machine', { started: 'b 1' }, true],
    ['a claim of an older version', { host: me?.host, machine: undefined, space: undefined }, true],
  ]
  for (const [name, change, alive] of cases) {
    const directory = scratch(t)
    claim(directory, change)
    t.equal(lockHolder(`${directory}/lock`) !== null, alive, name)
  }
})

t.test('describes the lock holder to a run that waits', async (t) => {
  const directory = scratch(t)
  claim(directory, {})
  await t.rejects(acquireLock(`${directory}/lock`, 'me', none), {
    code: 'LOCKED',
    message: /^another run is under way: .* of root on elsewhere/,
    hint: new RegExp(`whether that process still runs; .* remove ${directory}/lock.d`),
  })
  const [one, other] = [scratch(t), scratch(t)]
  await acquireLock(`${one}/lock`, 'me', none)
  await t.rejects(acquireLock(`${one}/lock`, 'me', none), { code: 'LOCKED', hint: /--wait SECONDS/ })
  const locking = new LocalHost(`${other}/var/state`)
  await locking.locked('/srv/site/shared/.build', none, async () => {
    await t.rejects(
      locking.locked('/srv/site/shared/.build', none, async () => undefined),
      {
        message: /^\/srv\/site\/shared\/\.build is locked by another run: process \d+ \(converge\)/,
        hint: /frees the lock/,
      },
    )
    await locking.locked('/srv/other/.build', none, async () => t.pass('another lock'))
  })
  await locking.locked('/srv/site/shared/.build', none, async () => t.pass('free again'))
  t.equal(statSync(`${other}/var/state`).mode & 0o777, 0o700)
  t.equal(readdirSync(`${other}/var/state/locks`).length, 2)
})

t.test('never writes a lock through a link', async (t) => {
  const directory = scratch(t)
  writeFileSync(`${directory}/precious`, 'precious')
  const lock = await acquireLock(`${directory}/lock`, 'me', none)
  const [claimed = ''] = readdirSync(`${directory}/lock.d`)
  renameSync(`${directory}/lock.d/${claimed}`, `${directory}/away`)
  symlinkSync('../precious', `${directory}/lock.d/${claimed}`)
  t.throws(() => lock.release(), { code: 'ELOOP' })
  t.equal(readFileSync(`${directory}/precious`, 'utf8'), 'precious')
  // An attacker can guess the name of a claim's temporary file.
  const other = scratch(t)
  mkdirSync(`${other}/lock.d`)
  symlinkSync(`${directory}/made`, `${other}/lock.d/.${process.pid}-1`)
  const second = await acquireLock(`${other}/lock`, 'me', none)
  t.notOk(existsSync(`${directory}/made`))
  second.release()
  t.equal(lockHolder(`${other}/lock`), null)
})
