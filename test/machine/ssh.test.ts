/** Tests connections to real sshds: logins, commands, and the detection of closed connections. */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, renameSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import type { Connection } from '../../core/fleet/ssh/connect.ts'
import { runSimple } from '../../core/fleet/ssh/simple_command.ts'
import { wireString } from '../../core/fleet/ssh/wire.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { type OwnSshd, operator, ownSshd } from './support/own_sshd.ts'
import { certify, newKey } from './support/ssh_keys.ts'

const can = needs(t, ['root', 'sshd'])
const test = (name: string, run: (t: Test) => Promise<void>) => t.test(name, { skip: !can }, run)

/** Starts an sshd and makes an operator, each with the other's public key. */
async function acquainted(t: Test, options: Parameters<typeof operator>[1] = {}, lines: readonly string[] = []) {
  const person = await operator(t, options)
  const sshd = await ownSshd(t, { authorized: [person.key], lines })
  person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
  return { person, sshd }
}

const outputOf = (connection: Connection, command: string, input?: string) => runSimple(connection, command, { input })

test('commands return their status, output and errors, and read their input', async (t) => {
  const { person, sshd } = await acquainted(t)
  const connection = await person.connector().connect(await person.target(sshd))
  t.same(await outputOf(connection, 'cat; echo err >&2; exit 3', 'in'), { code: 3, stdout: 'in', stderr: 'err\n' })
  const killed = await connection.exec('kill -TERM $$')
  killed.stdout.resume()
  t.same(await killed.ended, { code: null, signal: 'SIGTERM' })
  const open = await connection.exec('read line; echo "got $line"')
  let text = ''
  open.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  open.stdin.write('later\n')
  t.same(await open.ended, { code: 0, signal: null })
  t.equal(text, 'got later\n')
  const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => outputOf(connection, `echo ${index}`)))
  t.same(
    answers.map(({ stdout }) => stdout),
    ['0\n', '1\n', '2\n', '3\n', '4\n'],
  )
  await t.rejects(runSimple(connection, 'yes', { limit: 5000 }), { code: 'OUTPUT_TOO_LONG' })
  await connection.close()
  t.equal(await connection.closed, null)
  await t.rejects(connection.exec('true'), { code: 'CONNECTION_LOST', message: /it was closed here/ })
})

const block = Buffer.from(Array.from({ length: 65_536 }, (_, index) => (index * 7919) % 251))

/** Makes an input of `count` blocks, and counts those that were read. */
function blocks(count: number) {
  const taken = { count: 0 }
  const stream = Readable.from(
    (function* () {
      for (; taken.count < count; taken.count++) yield block
    })(),
  )
  return { stream, taken }
}

test('input of any length arrives complete, also at a command that does not read at once', async (t) => {
  const { person, sshd } = await acquainted(t)
  const connection = await person.connector().connect(await person.target(sshd))
  const all = Buffer.concat(Array(800).fill(block))
  const sum = `${createHash('sha256').update(all).digest('hex')}  -\n`
  t.equal((await runSimple(connection, 'sha256sum', { input: all })).stdout, sum)

  const gate = join(person.home, 'gate')
  spawnSync('mkfifo', [gate])
  const { stream, taken } = blocks(800)
  const waiting = runSimple(connection, `read go < ${gate}; sha256sum`, { input: stream })
  for (let round = 0; round < 5; round++) await outputOf(connection, 'true')
  t.ok(taken.count < 200, `${taken.count} blocks of 800 are under way`)
  writeFileSync(gate, 'go\n')
  t.equal((await waiting).stdout, sum)
})

test('a command that ends early does not block the writer of its input', async (t) => {
  const { person, sshd } = await acquainted(t)
  const connection = await person.connector().connect(await person.target(sshd))
  const { stream } = blocks(Number.POSITIVE_INFINITY)
  t.match(await runSimple(connection, 'head -c 1', { input: stream }), { code: 0, stdout: '\0' })
  t.ok(stream.destroyed, 'nobody takes the rest')
  const early = await connection.exec('exec true')
  early.stdout.resume()
  await pipeline(blocks(800).stream, early.stdin)
  t.match(await early.ended, { code: 0 })
  const broken = Readable.from(
    (function* () {
      yield 'a'
      throw new Error('the source is broken')
    })(),
  )
  await t.rejects(runSimple(connection, 'cat', { input: broken }), { message: 'the source is broken' })
})

test('uses the given keys, those of ssh_config, and the default ones', async (t) => {
  const { person, sshd } = await acquainted(t)
  const other = await newKey(join(person.home, 'other'))
  const connect = async (host = {}) => person.connector().connect(await person.target(sshd, host))
  t.ok(await connect(), 'the usual key')
  t.ok(await connect({ identity: '~/.ssh/id_ed25519' }), 'the named one')
  await t.rejects(connect({ identity: other.file }), {
    code: 'AUTH_FAILED',
    usage: true,
    message: `web1 (127.0.0.1:${sshd.port}): login as root failed: the host accepts none of these keys: ${other.file}`,
  })
  person.setConfig(`IdentityFile ~/absent\nIdentityFile ${person.key.file}`)
  t.ok(await connect({ identity: other.file }), 'the next one')
  person.setConfig('IdentityFile ~/absent')
  await t.rejects(connect(), { code: 'AUTH_FAILED', message: /requires a key, and none was found; also: .*absent/ })
})

test('an unreadable key is an error before anything is sent', async (t) => {
  const person = await operator(t)
  const named = async (identity: string) => person.connector().connect(await person.target({ port: 1 }, { identity }))
  await t.rejects(named('~/absent'), { code: 'KEY_NOT_READABLE', usage: true, message: /absent: no such file/ })
  writeFileSync(join(person.home, 'text'), 'no key', { mode: 0o600 })
  await t.rejects(named('~/text'), { code: 'KEY_NOT_READABLE', message: /text: is not a private key/ })
  chmodSync(person.key.file, 0o644)
  const hint = `chmod 600 ${person.key.file}`
  await t.rejects(named(person.key.file), { code: 'KEY_NOT_READABLE', message: /others may read/, hint })
  await t.rejects(named(`${person.key.file}.pub`), { code: 'KEY_NOT_READABLE', message: /this is a public key/ })
})

/** Makes a key with a passphrase that an sshd accepts, in OpenSSH's own format or the older one. */
async function locked(t: Test, format: 'OpenSSH' | 'PEM', answers?: readonly string[]) {
  const person = await operator(t, answers ? { answers } : {})
  const key = await newKey(join(person.home, 'locked'), { passphrase: 'two words', type: 'ecdsa' })
  const rewrite = ['-q', '-p', '-m', 'PEM', '-P', 'two words', '-N', 'two words', '-f', key.file]
  if (format === 'PEM') spawnSync('ssh-keygen', rewrite)
  const sshd = await ownSshd(t, { authorized: [key] })
  person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
  return { person, key, sshd, target: await person.target(sshd, { identity: key.file }) }
}

test('asks for a passphrase once for all connections, and only if the host accepts the key', async (t) => {
  for (const format of ['OpenSSH', 'PEM'] as const) {
    const { person, key, target } = await locked(t, format, ['wrong', 'two words'])
    const connector = person.connector()
    const all = await Promise.all(Array.from({ length: 4 }, () => connector.connect(target)))
    for (const connection of all) t.match(await outputOf(connection, 'echo in'), { stdout: 'in\n' })
    t.same(person.requestLog, [`Passphrase of ${key.file}: `, `Wrong. Passphrase of ${key.file}: `], format)
  }
  const { person, sshd } = await acquainted(t, { answers: [] })
  await newKey(join(person.home, 'unknown'), { passphrase: 'two words' })
  await person
    .connector()
    .connect(await person.target(sshd, { identity: '~/unknown' }))
    .catch((error) => {
      t.match(error, { code: 'AUTH_FAILED' })
    })
  t.same(person.requestLog, [], 'a key the host does not take needs no passphrase')
})

test('without the passphrase: names who could be asked, and prints nothing of the input', async (t) => {
  const nobody = await locked(t, 'OpenSSH')
  await t.rejects(nobody.person.connector().connect(nobody.target), {
    code: 'KEY_PASSPHRASE',
    usage: true,
    message: `${nobody.key.file}: the key has a passphrase, and there is no terminal to ask for it`,
  })
  const guessing = await locked(t, 'PEM', ['hunter1', 'hunter2', 'hunter3', 'hunter4'])
  const error = await guessing.person
    .connector()
    .connect(guessing.target)
    .catch((thrown) => thrown)
  t.match(error, { code: 'KEY_PASSPHRASE', message: `${guessing.key.file}: the passphrase was wrong 3 times` })
  t.notMatch(JSON.stringify(error), /hunter/)
})

test('an agent signs with the keys that ssh_config selects', async (t) => {
  const socket = join(scratch(t), 'agent')
  const agent = spawn('env', ['-u', 'NODE_OPTIONS', 'ssh-agent', '-D', '-a', socket], { stdio: 'ignore' })
  t.teardown(() => agent.kill('SIGKILL'))
  await until(() => existsSync(socket), 'the agent')
  const person = await operator(t, { agent: socket })
  const sshd = await ownSshd(t, { authorized: [person.key] })
  person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
  const add = (file: string) => spawnSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
  for (let number = 0; number < 6; number++) add((await newKey(join(person.home, `many${number}`))).file)
  add(person.key.file)
  const connect = async (host = {}) => person.connector().connect(await person.target(sshd, host))

  // sshd allows six attempts: the key that the configuration names must precede the rest of the agent's.
  t.match(await outputOf(await connect(), 'echo in'), { stdout: 'in\n' })
  const elsewhere = join(person.home, 'elsewhere')
  renameSync(person.key.file, elsewhere)
  renameSync(`${person.key.file}.pub`, `${elsewhere}.pub`)
  await t.rejects(connect(), { code: 'AUTH_FAILED', message: /Too many authentication failures/ })
  t.ok(await connect({ identity: elsewhere }))
  t.ok(await connect({ identity: `${elsewhere}.pub` }), 'a public key names one of the agent')
  person.setConfig('IdentitiesOnly yes')
  await t.rejects(connect(), { code: 'AUTH_FAILED', message: /requires a key, and none was found/ })
  person.setConfig('IdentityAgent ~/nobody-listens')
  await t.rejects(connect(), { code: 'AUTH_FAILED', message: /the agent at .*nobody-listens does not answer/ })
  person.setConfig(`IdentityAgent none\nIdentityFile ${elsewhere}`)
  t.ok(await connect())
})

test('reports an agent that ends before it signs', async (t) => {
  const socket = join(scratch(t), 'agent')
  const agent = spawn('env', ['-u', 'NODE_OPTIONS', 'ssh-agent', '-D', '-a', socket], { stdio: 'ignore' })
  t.teardown(() => agent.kill('SIGKILL'))
  await until(() => existsSync(socket), 'the agent')
  const person = await operator(t, { agent: socket })
  const other = await newKey(join(person.home, 'other'))
  const [one, two] = await Promise.all([person.key, other].map((key) => ownSshd(t, { authorized: [key] })))
  if (!one || !two) throw new Error('there are two')
  person.setKnownHosts(...[one, two].map(({ name, hostKey }) => `${name} ${hostKey.line}`))
  for (const { file } of [person.key, other])
    spawnSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
  const connector = person.connector()
  t.ok(await connector.connect(await person.target(one)))
  t.ok(await connector.connect(await person.target(two)))
  agent.kill('SIGKILL')
  await until(() => agent.signalCode !== null, 'its end')
  t.match(
    await outputOf(await connector.connect(await person.target(one)), 'echo in'),
    { stdout: 'in\n' },
    'by the file',
  )
  await t.rejects(connector.connect(await person.target(two)), {
    code: 'AUTH_FAILED',
    message: /accepts none of these keys: .*also: .* of the agent did not sign \(Failed to connect to agent\)/,
  })
})

test('explains that a server requires more than a key', async (t) => {
  const person = await operator(t)
  const connect = async (...lines: string[]) => {
    const sshd = await ownSshd(t, { authorized: [person.key], lines })
    person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
    return person.connector().connect(await person.target(sshd))
  }
  await t.rejects(connect('PubkeyAuthentication no'), {
    code: 'AUTH_FAILED',
    usage: true,
    message: /login as root failed: the host accepts no keys, only password/,
    hint: /converge logs in with a key only: allow keys \(PubkeyAuthentication yes/,
  })
  await t.rejects(connect('AuthenticationMethods publickey,password', 'PermitRootLogin yes'), {
    code: 'AUTH_FAILED',
    message: new RegExp(`the host accepts ${person.key.file}, but also requires password$`),
    hint: /AuthenticationMethods publickey, after Match User root/,
  })
})

test('reports keys that cannot be used', async (t) => {
  const person = await operator(t)
  const sshd = await ownSshd(t, { authorized: [] })
  person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
  await certify(person.key, `${person.key.file}.pub`, { of: 'account', principals: ['root'] })
  const publicKey = Buffer.concat(
    ['sk-ssh-ed25519@openssh.com', Buffer.alloc(32), 'ssh:'].map((part) => wireString(part)),
  )
  const parts = [
    wireString('none'),
    wireString('none'),
    wireString(''),
    Buffer.from([0, 0, 0, 1]),
    wireString(publicKey),
  ]
  const token = Buffer.concat([Buffer.from('openssh-key-v1\0'), ...parts, wireString(Buffer.alloc(64))]).toString(
    'base64',
  )
  const file = join(person.home, '.ssh/id_ed25519_sk')
  const begin = '-----BEGIN OPENSSH PRIVATE KEY-----'
  writeFileSync(file, `${begin}\n${token}\n${begin.replace('BEGIN', 'END')}\n`, { mode: 0o600 })
  const connect = async (identity?: string) =>
    person.connector().connect(await person.target(sshd, identity === undefined ? {} : { identity }))
  const onToken = `${file}: the key is on a security key (sk-ssh-ed25519@openssh.com), which is not supported here`
  await t.rejects(connect(file), { code: 'KEY_NOT_READABLE', message: onToken, hint: /name a key that is in a file/ })
  const error = await connect().catch((thrown) => thrown)
  t.match(error, { code: 'AUTH_FAILED' })
  t.match(error.message, 'id_ed25519-cert.pub is not shown: certificates of accounts are not supported here')
  t.match(error.message, onToken)
})

test('uses keys of all types, from a file and from an agent', async (t) => {
  const socket = join(scratch(t), 'agent')
  const agent = spawn('env', ['-u', 'NODE_OPTIONS', 'ssh-agent', '-D', '-a', socket], { stdio: 'ignore' })
  t.teardown(() => agent.kill('SIGKILL'))
  await until(() => existsSync(socket), 'the agent')
  const person = await operator(t, { agent: socket })
  const types = ['rsa', 'ecdsa', 'ed25519'] as const
  const keys = await Promise.all(types.map((type) => newKey(join(person.home, type), { type })))
  for (const { file, line } of keys) {
    const sshd = await ownSshd(t, { authorized: [{ file, line }] })
    person.setKnownHosts(`${sshd.name} ${sshd.hostKey.line}`)
    const connect = async (identity: string) => person.connector().connect(await person.target(sshd, { identity }))
    t.match(await outputOf(await connect(file), 'echo in'), { stdout: 'in\n' }, `${file} alone`)
    spawnSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
    t.match(await outputOf(await connect(`${file}.pub`), 'echo in'), { stdout: 'in\n' }, `${file}, by the agent`)
  }
})

test('one connection to a jump host serves all hosts behind it, and checks each host key', async (t) => {
  const { person, sshd: gate } = await acquainted(t)
  const inner = await Promise.all([1, 2, 3].map(() => ownSshd(t, { authorized: [person.key] })))
  const known = [gate, ...inner].map(({ name, hostKey }) => `${name} ${hostKey.line}`)
  person.setKnownHosts(...known)
  const through = { jump: `root@127.0.0.1:${gate.port}` }
  const connector = person.connector()
  const connections = await Promise.all(
    inner.map(async (sshd) => connector.connect(await person.target(sshd, through))),
  )
  for (const [index, connection] of connections.entries())
    t.match(await outputOf(connection, 'echo $SSH_CONNECTION'), {
      stdout: new RegExp(` 127.0.0.1 ${inner[index]?.port}\n`),
    })
  t.equal(gate.log().match(/Accepted publickey/g)?.length, 1)
  const sum = createHash('sha256').update(block).digest('hex')
  t.match(await runSimple(connections[0] as Connection, 'sha256sum', { input: block }), { stdout: `${sum}  -\n` })

  const twice = { jump: `127.0.0.1:${inner[0]?.port},127.0.0.1:${gate.port}` }
  const far = await person.connector().connect(await person.target(inner[1] as OwnSshd, twice))
  t.match(await outputOf(far, 'echo far'), { stdout: 'far\n' })
  t.equal(inner[0]?.log().match(/Accepted publickey/g)?.length, 2, 'the connection passes the nearest jump host first')

  const closed = { port: await freePort() }
  await t.rejects(connector.connect(await person.target(closed, through)), {
    code: 'CONNECT_FAILED',
    message: new RegExp(`web1 \\(127.0.0.1:${closed.port} through 127.0.0.1\\): cannot connect: `),
  })
  person.setKnownHosts(...known.slice(0, 3))
  await t.rejects(person.connector().connect(await person.target(inner[2] as OwnSshd, through)), {
    code: 'HOST_KEY_UNKNOWN',
  })
  person.setKnownHosts(...known.slice(1))
  await t.rejects(person.connector().connect(await person.target(inner[2] as OwnSshd, through)), {
    code: 'HOST_KEY_UNKNOWN',
    message: new RegExp(`127.0.0.1:${gate.port}`.replace('127.0.0.1', '.127.0.0.1.')),
  })
})

/** Sends a signal to the processes of connections on the host. */
function signal(sshd: OwnSshd, name: NodeJS.Signals): number[] {
  const sessions = sshd.sessions()
  for (const pid of sessions) process.kill(pid, name)
  return sessions
}

test('a lost jump host takes its connections down, and the next connection restores it', async (t) => {
  const { person, sshd: gate } = await acquainted(t)
  const sshd = await ownSshd(t, { authorized: [person.key] })
  person.setKnownHosts(...[gate, sshd].map(({ name, hostKey }) => `${name} ${hostKey.line}`))
  const connector = person.connector()
  const target = await person.target(sshd, { jump: `127.0.0.1:${gate.port}` })
  const connection = await connector.connect(target)
  const waiting = await connection.exec('sleep 60')
  t.equal(signal(gate, 'SIGKILL').length, 1)
  await t.rejects(waiting.ended, { code: 'CONNECTION_LOST' })
  t.match(await connection.closed, { code: 'CONNECTION_LOST', message: /web1 \(.* through 127.0.0.1\)/ })
  const again = await Promise.all([1, 2].map(() => connector.connect(target)))
  for (const one of again) t.match(await outputOf(one, 'echo again'), { stdout: 'again\n' })
  await again[0]?.close()
  t.match(await outputOf(again[1] as Connection, 'echo still'), { stdout: 'still\n' })
  t.equal(gate.sessions().length, 1)
  await again[1]?.close()
  await until(() => gate.sessions().length === 0, 'the end of the connection that nobody goes through any more')
})

test('reports an sshd that is killed in the middle of a command', async (t) => {
  const { person, sshd } = await acquainted(t)
  const connection = await person.connector().connect(await person.target(sshd))
  const running = await connection.exec('echo begun; sleep 60')
  const writing = await connection.exec('sleep 60', blocks(Number.POSITIVE_INFINITY).stream)
  await new Promise((resolve) => running.stdout.once('data', resolve))
  signal(sshd, 'SIGKILL')
  await t.rejects(running.ended, { code: 'CONNECTION_LOST', message: /web1 .*connection lost: / })
  await t.rejects(writing.ended, { code: 'CONNECTION_LOST' })
  t.match(await connection.closed, { code: 'CONNECTION_LOST' })
  await t.rejects(connection.exec('true'), { code: 'CONNECTION_LOST' })
  await connection.close()
})

test('detects an sshd that has stopped, and accepts one that is silent', async (t) => {
  const { person, sshd } = await acquainted(t)
  const connector = person.connector({ keepalive: { interval: 0.5, count: 4 } })
  const connection = await connector.connect(await person.target(sshd))
  t.match(await outputOf(connection, 'sleep 4; echo done'), { stdout: 'done\n' })
  const running = await connection.exec('sleep 60')
  const sessions = signal(sshd, 'SIGSTOP')
  t.teardown(() => {
    for (const pid of sessions) process.kill(pid, 'SIGKILL')
  })
  await t.rejects(running.ended, { code: 'CONNECTION_LOST', message: /silent/ })
  t.match(await connection.closed, { code: 'CONNECTION_LOST', hint: /continues there/ })
})

/** Opens a port that forwards connections to another one, with `rate` bytes a second from the client. */
async function slowWay(t: Test, to: number, rate: number): Promise<{ readonly port: number }> {
  const server = createServer((socket) => {
    const onward = connect(to, '127.0.0.1')
    onward.pipe(socket)
    socket.on('error', () => onward.destroy()).on('close', () => onward.destroy())
    onward.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    socket.on('data', (chunk) => {
      onward.write(chunk)
      socket.pause()
      setTimeout(() => socket.resume(), (chunk.length / rate) * 1000)
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { port }
}

test('does not mistake a host on a slow link for a silent one', async (t) => {
  const { person, sshd } = await acquainted(t)
  const slow = await slowWay(t, sshd.port, 150_000)
  person.setKnownHosts(`[127.0.0.1]:${slow.port} ${sshd.hostKey.line}`)
  const connector = person.connector({ keepalive: { interval: 0.5, count: 4 } })
  const connection = await connector.connect(await person.target(slow))
  t.match(await outputOf(connection, 'wc -c', 'x'.repeat(1_000_000)), { stdout: '1000000\n' })
})

test('names the unreachable host, and likely reasons', async (t) => {
  const person = await operator(t)
  const connect = async (port: number, host = {}) =>
    person.connector({ connectTimeout: 1 }).connect(await person.target({ port }, host))
  const refusing = await freePort()
  await t.rejects(connect(refusing), {
    code: 'CONNECT_FAILED',
    message: `web1 (127.0.0.1:${refusing}): cannot connect: connection refused`,
  })
  await t.rejects(connect(22, { address: 'no-such-host.invalid' }), {
    code: 'CONNECT_FAILED',
    message: /web1 \(no-such-host.invalid:22\): cannot connect: (unknown host name|the name servers do not answer)/,
  })
  const greetings = { silent: '', 'a web server': 'HTTP/1.1 400 Bad Request\r\n\r\n', closing: null }
  for (const [what, greeting] of Object.entries(greetings)) {
    const server = createServer((socket) => (greeting === null ? socket.destroy() : socket.write(greeting)))
    const port = await freePort()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    await t.rejects(connect(port), { code: 'CONNECT_FAILED', message: new RegExp(`127.0.0.1:${port}.: cannot`) }, what)
    if (greeting === null)
      await t.rejects(connect(port), { message: /closed the connection immediately/, hint: /MaxStartups/ }, what)
  }
})

test('retries when sshd refuses connections because it has too many', async (t) => {
  const { person, sshd } = await acquainted(t)
  let away = 0
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (away++ < 3) return socket.destroy()
    const onward = connect(sshd.port, '127.0.0.1')
    onward.on('error', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  person.setKnownHosts(`[127.0.0.1]:${port} ${sshd.hostKey.line}`)
  const connection = await person.connector().connect(await person.target({ port }))
  t.match(await outputOf(connection, 'echo in'), { stdout: 'in\n' })
  t.equal(away, 4)
  await connection.close()
})

test('reports a host that allows no more sessions', async (t) => {
  const { person, sshd } = await acquainted(t, {}, ['MaxSessions 1'])
  const connection = await person.connector().connect(await person.target(sshd))
  const first = await connection.exec('read line')
  first.stdout.resume()
  await t.rejects(connection.exec('true'), {
    code: 'COMMAND_REFUSED',
    message: /web1: the host does not run a command/,
  })
  first.stdin.end()
  await first.ended
})
