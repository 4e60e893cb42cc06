/**
 * Tests each kind of readiness check with real listeners, and ZEO servers that accept connections but are not ready.
 */
import { spawn } from 'node:child_process'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { LocalHost } from '../../../../core/host/local.ts'
import { VirtualHost } from '../../../../core/host/virtual.ts'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { seconds } from '../../../../core/model/units.ts'
import { jettyAddress, zeoAddress } from '../../../../resources/services/readiness/listening_address.ts'
import {
  type CheckedReadiness,
  checkName,
  readinessProblem,
  takenPort,
} from '../../../../resources/services/readiness/readiness.ts'
import { type ReadyProps, readyProp } from '../../../../resources/services/readiness/ready_props.ts'
import { service_restart } from '../../../../resources/services/service_restart.ts'
import { failureOf, planOf, run } from '../../../support/contract.ts'
import { FakeSupervisor } from '../../../support/fake_supervisor.ts'
import { scratch } from '../../../support/machine.ts'

const host = () => new LocalHost('/nonexistent')
const problem = (ready: ReadyProps) => readinessProblem(host(), readyProp.parse(ready) as CheckedReadiness, seconds(1))

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

/** Checks the readiness of a socket whose server handles each connection with `connected`. */
async function problemAt(ready: ReadyProps & { socket: string }, connected: (socket: Socket) => void) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    connected(socket)
  })
  await new Promise<void>((resolve) => server.listen(ready.socket, resolve))
  try {
    return await problem(ready)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

const greets = (text: string) => (socket: Socket) => void socket.on('error', () => undefined).write(text)

t.test('zeo: accepts the banner of every protocol, and nothing else', async (t) => {
  for (const banner of ['\0\0\0\x04Z310', '\0\0\0\x02Z4', '\0\0\0\x02Z5', '\0\0\0\x02M5']) {
    const port = await listen(t, createServer(greets(banner)))
    t.equal(await problem({ kind: 'zeo', port }), null, JSON.stringify(banner))
  }
  const ssh = await listen(t, createServer(greets('SSH-2.0-OpenSSH_9.2\r\n')))
  t.match(await problem({ kind: 'zeo', port: ssh }), /is not a ZEO server/)
  const silent = await listen(
    t,
    createServer((socket) => socket.on('error', () => undefined).setTimeout(3000, () => socket.destroy())),
  )
  t.match(await problem({ kind: 'zeo', port: silent }), /did not answer within 1 s/)
  t.match(await problem({ kind: 'zeo', port: 1 }), /ECONNREFUSED/)
})

t.test('http: sends the Host and the headers', async (t) => {
  const server = createHttpServer((request, response) => {
    response.statusCode = request.headers.host === 'www.example.com' && request.headers['x-probe'] === '1' ? 200 : 400
    response.end()
  })
  const port = await listen(t, server)
  t.match(await problem({ port }), /HTTP status 400/)
  t.equal(await problem({ port, headers: { Host: 'www.example.com', 'X-Probe': '1' } }), null)
  t.throws(() => readyProp.parse({ port, headers: { Host: 'a\nb' } }))
})

t.test('solr, tcp and command', async (t) => {
  const server = createHttpServer((request, response) => {
    response.statusCode = request.url === '/solr/' ? 200 : 404
    response.end()
  })
  const port = await listen(t, server)
  t.equal(await problem({ kind: 'solr', port }), null)
  t.match(await problem({ kind: 'solr', port, path: '/other/' }), /HTTP status 404/)
  t.equal(await problem({ kind: 'tcp', port }), null)
  t.match(await problem({ kind: 'tcp', port: 1 }), /nothing listens/)
  t.equal(await problem({ kind: 'command', command: ['true'] }), null)
  t.match(await problem({ kind: 'command', command: ['sh', '-c', 'echo no broker; exit 69'] }), /status 69: no broker/)
})

t.test('fastcgi: a worker answers without running a script', async (t) => {
  const at = scratch(t)
  const serves = (name: string, connected: (socket: Socket) => void) =>
    problemAt({ kind: 'fastcgi', socket: `${at}/${name}` }, connected)
  const result = Buffer.from('010a000000120600', 'hex')
  const worker = (socket: Socket) =>
    void socket.on('data', (request) =>
      socket.write(request[1] === 9 ? Buffer.concat([result, Buffer.alloc(24)]) : 'no'),
    )
  t.equal(await serves('fine', worker), null)
  const hangs = (socket: Socket) => void socket.on('data', () => undefined)
  t.match(await serves('hangs', hangs), /hangs did not answer within 1 s/)
  t.match(await serves('ssh', greets('SSH-2.0-OpenSSH_9.2\r\n')), /ssh is not a FastCGI server/)
  t.match(await serves('ends', (socket) => void socket.end()), /ends is not a FastCGI server/)
  t.match(await problem({ kind: 'fastcgi', socket: `${at}/none` }), /ENOENT/)
  const forbidden = new VirtualHost()
  forbidden.querySocket = () => Promise.reject(new ConvergeError('no', { code: 'EACCES' }))
  const check = { kind: 'fastcgi', socket: '/run/php/app.sock' } as const
  t.equal(await readinessProblem(forbidden, check, seconds(1)), null, 'an account that may not ask')
})

t.test('haproxy: its port, and its runtime socket', async (t) => {
  const at = scratch(t)
  const port = await listen(t, createServer())
  const checkRequest = (name: string, answer: string | null) =>
    problemAt({ kind: 'haproxy', port, socket: `${at}/${name}` }, (socket) =>
      socket.on('data', () => answer !== null && socket.end(answer)),
    )
  t.equal(await checkRequest('fine', 'Name: HAProxy\nVersion: 2.6.12\n'), null)
  t.match(await checkRequest('hangs', null), /hangs did not answer within 1 s/)
  t.match(await checkRequest('other', '* OK\n'), /other is not HAProxy/)
  t.match(await problem({ kind: 'haproxy', port, socket: `${at}/none` }), /ENOENT/)
  t.match(await problem({ kind: 'haproxy', port: 1, socket: `${at}/fine` }), /nothing listens on 127.0.0.1:1/)
})

t.test('haproxy: a port whose queue is full of visitors', async (t) => {
  const listener =
    'import socket, sys\ns = socket.socket()\ns.bind(("127.0.0.1", 0))\ns.listen(0)\nprint(s.getsockname()[1], flush=True)\nsys.stdin.read()'
  const child = spawn('python3', ['-c', listener])
  t.teardown(() => child.kill())
  const port = Number(await new Promise((resolve) => child.stdout.once('data', resolve)))
  const visitors = Array.from({ length: 5 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => undefined))
  t.teardown(() => {
    for (const visitor of visitors) visitor.destroy()
  })
  await new Promise((resolve) => visitors[0]?.once('connect', resolve))
  t.match(await problem({ kind: 'tcp', port }), /^a process listens on 127.0.0.1:\d+ and accepts no connection$/)
  const socket = `${scratch(t)}/fine`
  t.equal(
    await problemAt({ kind: 'haproxy', port, socket }, (one) => one.on('data', () => one.end('Name: HAProxy\n'))),
    null,
  )
})

t.test('varnish: requires its own header in the answer', async (t) => {
  const checkHeaders = async (headers: Record<string, string> | null) => {
    const server = createHttpServer((_, response) => headers && response.writeHead(405, headers).end())
    return problem({ kind: 'varnish', port: await listen(t, server) })
  }
  t.equal(await checkHeaders({ 'X-Varnish': '2' }), null)
  t.match(await checkHeaders({ Server: 'nginx' }), /is not Varnish/)
  t.match(await checkHeaders(null), /did not answer within 1 s/)
})

t.test('finds addresses in the configuration that a build wrote', (t) => {
  const fallback = { host: '127.0.0.1', port: 8001 }
  const found = (text: string) => {
    const machine = new VirtualHost()
    machine.given('/z/zeo.conf', text)
    machine.given('/z/bin/zeoserver', `main(["-C", '/z/zeo.conf'] + sys.argv[1:])`)
    return zeoAddress(machine, { program: '/z/bin/zeoserver', ...fallback })
  }
  const section = (address: string) => `%define HERE /srv\n<zeo>\n  address ${address}\n</zeo>\n<runner>\n</runner>\n`
  t.strictSame(found(section('8100')).endpoint, { host: '0.0.0.0', port: 8100 })
  t.strictSame(found(section('0.0.0.0:8100')).endpoint, { host: '0.0.0.0', port: 8100 })
  t.strictSame(found(section('[::1]:8100')).endpoint, { host: '::1', port: 8100 })
  t.strictSame(found(section('$HERE/zeo.sock')).endpoint, { socketPath: '/srv/zeo.sock' })
  t.strictSame(found('').endpoint, fallback)
  t.ok(found('<zeo>\naddress 1\n<ssl>\n</ssl>\n</zeo>').tls)
  const jetty = new VirtualHost()
  jetty.given(
    '/j.xml',
    '<SystemProperty name="jetty.host" default="10.0.0.1"/><SystemProperty name="jetty.port" default="8984"/>',
  )
  t.strictSame(jettyAddress(jetty, '/j.xml', { host: '127.0.0.1', port: 8983 }), { host: '10.0.0.1', port: 8984 })
  jetty.given(
    '/recipe.xml',
    '<!-- <Set name="port"><SystemProperty name="jetty.port" default="8983"/></Set> --><!--x-->\n<Set name="host">127.0.0.2</Set><Set name="port">8984</Set><!-- open',
  )
  t.strictSame(jettyAddress(jetty, '/recipe.xml', { host: '127.0.0.1', port: 8983 }), { host: '127.0.0.2', port: 8984 })
  t.strictSame(jettyAddress(jetty, '/none', { host: '127.0.0.1', port: 8983 }), { host: '127.0.0.1', port: 8983 })
  t.end()
})

t.test(
  'a ZEO server on all addresses: its check connects to localhost, and each listener takes its port',
  async (t) => {
    const machine = new VirtualHost()
    machine.given('/z/zeo.conf', '<zeo>\naddress 8100\n</zeo>\n')
    machine.given('/proc/net/tcp', ' 0: 0500000A:1FA4 00000000:0000 0A\n')
    const ready = { kind: 'zeo', config: '/z/zeo.conf', host: '127.0.0.1', port: 8001 } as const
    t.equal(checkName(machine, ready), 'the ZEO server at 127.0.0.1:8100')
    t.equal(await takenPort(machine, ready), 8100)
  },
)

t.test('a ZEO server that ends after 1.6 s, and one that never listens, end the run', async (t) => {
  for (const [behaviour, reason] of [
    [{ dies: { after: 1.6, as: 'again' as const } }, /was started again/],
    [{}, /not ready within 20 s \(cannot talk to 127.0.0.1:8001/],
  ] as const) {
    const fake = new FakeSupervisor({ running: ['zeoserver'], programs: { zeoserver: { startsecs: 1, ...behaviour } } })
    const machine = new VirtualHost({ requests: fake.requests })
    machine.given('/etc/supervisor/conf.d/zeoserver.conf', '[program:zeoserver]\n')
    const plan = planOf((r) => {
      service_restart(r, {
        services: [{ name: 'zeoserver', ready: { kind: 'zeo' } }],
        provider: { kind: 'supervisor' },
        deadline: seconds(20),
      })
    })
    t.match(failureOf(await run(plan, machine)), { message: reason })
  }
})

t.test('a program without a port that ends after 1.6 s', async (t) => {
  const fake = new FakeSupervisor({
    running: ['w'],
    programs: { w: { startsecs: 1, dies: { after: 1.6, as: 'again' } } },
  })
  const machine = new VirtualHost({ requests: fake.requests })
  machine.given('/etc/supervisor/conf.d/w.conf', '[program:w]\n')
  const plan = planOf((r) => {
    service_restart(r, { services: [{ name: 'w' }], provider: { kind: 'supervisor' } })
  })
  t.match(failureOf(await run(plan, machine)), { message: /w did not come up: it ended right after its start/ })
  t.match(failureOf(await run(plan, machine)), { message: /w did not come up/ }, 'the next run retries')
})

t.test('a fatal line of its log ends the wait', async (t) => {
  const { findFatalLine } = await import('../../../../resources/services/readiness/fatal_log_lines.ts')
  const { LogPosition } = await import('../../../../resources/services/managers/log_position.ts')
  const at = `${scratch(t)}/log`
  const { appendFileSync } = await import('node:fs')
  appendFileSync(at, 'Failed startup of context old\n')
  const mark = new LogPosition(host(), at)
  const fatal = [{ text: 'Failed startup of context', hints: { LoginService: 'give it a realm' } }]
  t.equal(findFatalLine(mark.lines(), fatal), null)
  appendFileSync(
    at,
    'WARN Failed startup of context x\njava.lang.IllegalStateException: No LoginService for y\n\tat z\n',
  )
  t.match(findFatalLine(mark.lines(), fatal), { text: /No LoginService/, hint: 'give it a realm' })
})

t.test('a position in a log outlives a rotation', async (t) => {
  const { LogPosition } = await import('../../../../resources/services/managers/log_position.ts')
  const { appendFileSync, copyFileSync, renameSync, truncateSync, writeFileSync } = await import('node:fs')
  const at = `${scratch(t)}/log`
  const since = (...steps: readonly (() => void)[]) => {
    writeFileSync(at, 'line 1\n'.repeat(100))
    const position = new LogPosition(host(), at)
    for (const step of steps) step()
    return position.lines()
  }
  const write = (text: string) => () => appendFileSync(at, text)
  const rename = () => renameSync(at, `${at}.1`)
  const copyAndTruncate = () => {
    copyFileSync(at, `${at}.1`)
    truncateSync(at)
  }
  t.strictSame(since(), [])
  t.strictSame(since(write('é\nb\n')), ['é', 'b'])
  for (const rotate of [rename, copyAndTruncate]) {
    t.strictSame(since(write('a\n'), rotate, write('b\n')), ['a', 'b'])
    t.strictSame(since(rotate, write('other\n'.repeat(200))).length, 200, 'a new log that is longer than the old one')
    t.strictSame(since(write('a\n'), rotate), ['a'])
  }
  const missing = new LogPosition(host(), `${at}.missing`)
  t.strictSame(missing.lines(), [])
  writeFileSync(`${at}.missing`, 'new\n')
  t.strictSame(missing.lines(), ['new'])
})
