/** Tests a raw text exchange over a unix socket and over TCP. */
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { LocalHost } from '../../../core/host/local.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { milliseconds } from '../../../core/model/units.ts'
import { freePort, scratch } from '../../support/machine.ts'

const host = new LocalHost('/nowhere')

async function startServer(t: Test, at: string | number, talk: (socket: Socket) => void): Promise<number> {
  const server = createServer(talk)
  await new Promise<void>((resolve) => server.listen(at, resolve))
  t.teardown(() => server.close())
  return typeof at === 'number' ? (server.address() as AddressInfo).port : 0
}

/** Answers in pieces and closes the connection, as HAProxy does. */
const echo = (socket: Socket) =>
  void socket.once('data', (text) => {
    socket.write('you said ')
    setTimeout(() => socket.end(`${text}ü`), 20)
  })

t.test('reads until the other side closes the socket', async (t) => {
  const socketPath = `${scratch(t)}/socket`
  await startServer(t, socketPath, echo)
  const port = await startServer(t, 0, echo)
  t.equal(await host.querySocket({ socketPath, text: 'show stat\n' }), 'you said show stat\nü')
  t.equal(await host.querySocket({ port, text: 'a' }), 'you said aü')
  t.equal(await host.sendToSocket({ host: 'localhost', port, text: 'b' }), 'you said bü')
})

t.test('reports a missing server', async (t) => {
  const directory = scratch(t)
  await t.rejects(host.querySocket({ socketPath: `${directory}/none`, text: 'a' }), { code: 'ENOENT', message: /none/ })
  writeFileSync(`${directory}/file`, '')
  await t.rejects(host.querySocket({ socketPath: `${directory}/file`, text: 'a' }), { code: 'ECONNREFUSED' })
  const port = await freePort()
  await t.rejects(host.sendToSocket({ port, text: 'a' }), { code: 'ECONNREFUSED', message: `127.0.0.1:${port}` })
})

t.test('reports a server that does not close, and accepts one that closes without an answer', async (t) => {
  const socketPath = `${scratch(t)}/socket`
  await startServer(t, socketPath, (socket) => void socket.write('wait'))
  await t.rejects(host.querySocket({ socketPath, text: 'a', timeout: milliseconds(100) }), {
    code: 'REQUEST_TIMEOUT',
    message: `${socketPath} did not answer within 100 ms`,
  })
  const port = await startServer(t, 0, (socket) => void socket.end())
  t.equal(await host.querySocket({ port, text: 'a' }), '')
})

t.test('a message to a socket clears cached answers, and a query does not', async (t) => {
  const port = await startServer(t, 0, echo)
  let requestCount = 0
  const count = () => host.cached('count', async () => ++requestCount)
  await count()
  await host.querySocket({ port, text: 'a' })
  t.equal(await count(), 1)
  await host.sendToSocket({ port, text: 'a' })
  t.equal(await count(), 2)
})

t.test('a wait clears cached answers', async (t) => {
  for (const one of [new LocalHost('/nowhere'), new VirtualHost()]) {
    let requestCount = 0
    const count = () => one.cached('count', async () => ++requestCount)
    await count()
    t.equal(await count(), 1)
    await one.sleep(milliseconds(1))
    t.equal(await count(), 2)
  }
})

t.test('in memory: the handler answers, a message is a change, and a dry run sends none', async (t) => {
  const virtual = new VirtualHost({ exchanges: ({ text, port }) => (port === 1 ? `${text}!` : null) })
  t.equal(await virtual.querySocket({ port: 1, text: 'a' }), 'a!')
  t.strictSame(virtual.changes, [])
  t.equal(await virtual.sendToSocket({ port: 1, text: 'b\n' }), 'b\n!')
  t.strictSame(virtual.changes, ['tell 127.0.0.1:1 b'])
  await t.rejects(virtual.querySocket({ port: 2, text: 'a' }), { code: 'ECONNREFUSED' })
  const overlay = new VirtualHost({ base: virtual })
  t.equal(await overlay.querySocket({ port: 1, text: 'a' }), 'a!')
  await t.rejects(overlay.sendToSocket({ port: 1, text: 'a' }), { code: 'NOT_PREDICTABLE' })
  t.equal(virtual.changes.length, 1)
  t.notOk(existsSync('/nowhere'))
})
