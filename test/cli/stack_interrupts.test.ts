/** Ctrl-C while hosts are only looked at: it ends at once, whoever has not answered yet. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import { Sandbox } from '../support/program.ts'

for (const action of ['status', 'plan'])
  t.test(`stack ${action}`, async (t) => {
    // Accepts, and says nothing: a connection is waited for.
    const open: Socket[] = []
    const server = createServer((socket) => open.push(socket.on('error', () => undefined)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      for (const socket of open) socket.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const place = new Sandbox(t)
    const hosts = { one: { address: '127.0.0.1', port, user: 'root', layers: ['all'] } }
    place.write({ 'stack.json': JSON.stringify({ name: 'site', layers: { all: { roles: ['base'] } }, hosts }) })
    const run = place.start(['stack', action, '--json-output'], { bare: true })
    await once(server, 'connection')
    run.child.kill('SIGINT')
    const { status, stdout, stderr } = await run.finished
    t.equal(status, 1)
    t.equal(stderr, 'error: SIGINT: ended before all have answered; nothing was changed\n')
    t.match(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''), { event: 'error', code: 'INTERRUPTED' })
  })
