/** Tests Ctrl-C: the effect of each one, signals that repeat it, and that read-only commands end at once. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import { Interrupts, untilInterrupted } from '../../core/cli/stack/interrupts.ts'
import { Sandbox } from '../support/program.ts'

for (const action of ['status', 'plan'])
  t.test(`stack ${action} ends at Ctrl-C`, async (t) => {
    // Accepts connections but sends nothing, so that the operator waits for the connection.
    const open: Socket[] = []
    const server = createServer((socket) => open.push(socket.on('error', () => undefined)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      for (const socket of open) socket.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const sandbox = new Sandbox(t)
    const hosts = { one: { address: '127.0.0.1', port, user: 'root', layers: ['all'] } }
    sandbox.write({ 'stack.json': JSON.stringify({ name: 'site', layers: { all: { roles: ['base'] } }, hosts }) })
    const run = sandbox.start(['stack', action, '--json-output'], { bare: true })
    await once(server, 'connection')
    run.child.kill('SIGINT')
    const { status, stdout, stderr } = await run.finished
    t.equal(status, 1)
    t.equal(stderr, 'error: SIGINT: ended before all have answered; nothing was changed\n')
    t.match(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''), { event: 'error', code: 'INTERRUPTED' })
  })

t.test('each Ctrl-C raises the level once, and a repeated signal does not', (t) => {
  let now = 0
  const messages: string[] = []
  const interrupts = new Interrupts(
    (text) => messages.push(text),
    () => now,
  )
  const received: string[] = []
  const off = interrupts.on((state) => received.push(state))
  const onEvent = (at: number, signal: NodeJS.Signals) => {
    now = at
    interrupts.receive(signal)
    return interrupts.state
  }
  t.equal(interrupts.state, 'none')
  t.equal(onEvent(0, 'SIGHUP'), 'no more hosts')
  t.equal(onEvent(10, 'SIGHUP'), 'no more hosts', 'the terminal and its shell')
  t.equal(onEvent(60_000, 'SIGHUP'), 'no more hosts')
  t.equal(onEvent(61_000, 'SIGINT'), 'finish steps')
  t.equal(onEvent(61_050, 'SIGINT'), 'finish steps', 'passed on by what it was started by')
  t.equal(onEvent(61_500, 'SIGINT'), 'leave')
  t.equal(onEvent(62_000, 'SIGTERM'), 'leave')
  t.strictSame(received, ['no more hosts', 'finish steps', 'leave', 'leave'])
  t.match(messages[0], /^SIGHUP: no further host is started/)
  off()
  interrupts.close()
  t.equal(process.listeners('SIGHUP').includes(interrupts.receive), false)
  t.end()
})

t.test('catches a signal that arrives with the first line of output', async (t) => {
  let ended = 0
  const printAndReceive = async () => {
    process.kill(process.pid, 'SIGINT')
    await new Promise<never>(() => undefined)
  }
  const keepsRunning = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(keepsRunning))
  await t.rejects(
    untilInterrupted(printAndReceive, () => ended++, 'nothing was begun'),
    { code: 'INTERRUPTED', message: 'SIGINT: nothing was begun' },
  )
  t.equal(ended, 1)
})
