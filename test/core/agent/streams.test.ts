/** Tests the input and the output of commands over the bus: slow links, slow readers, agents that restart. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { AgentConnector } from '../../../core/fleet/remote/agent_transport.ts'
import { newIdentity } from '../../../core/secrets/age_file.ts'
import { TestBus } from '../../support/bus.ts'
import { needs } from '../../support/machine.ts'
import { waitUntil } from '../../support/wait_until.ts'

async function transportTo(t: Test, bus: TestBus, host: string) {
  const transport = await new AgentConnector(bus.directory).open(host)
  t.teardown(() => transport.close())
  return transport
}

/** Forwards connections to a port, with a limit for what the server sends. Bytes per second. */
async function slowProxy(t: Test, port: number, bytesPerSecond: number): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connectTcp(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    client.pipe(upstream)
    upstream.on('data', async (data) => {
      upstream.pause()
      client.write(data)
      await sleep((data.length / bytesPerSecond) * 1000)
      upstream.resume()
    })
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function changeEnrolment(bus: TestBus, host: string, change: Readonly<Record<string, unknown>>): void {
  const file = `${bus.agentDirectory(host).path}/agent.json`
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
}

t.test('an upload over a slow link arrives, and is stored on the bus once', { timeout: 120_000 }, async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  const { port } = (await bus.enrol('web1')).load()
  changeEnrolment(bus, 'web1', { port: await slowProxy(t, port, 120_000) })
  bus.startAgent('web1')
  const transport = await transportTo(t, bus, 'web1')
  const process = await transport.exec('wc -c')
  const size = 600_000
  process.stdin.end(Buffer.alloc(size, 'a'))
  t.equal((await text(process.stdout)).trim(), `${size}`)
  t.match(await process.ended, { code: 0, signal: null })
  const stored = await bus.storedMessages()
  t.ok(stored < 30, `${stored} messages for the command and 19 parts`)
})

t.test('an upload waits for a command that does not read', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  await bus.enrol('web1')
  bus.startAgent('web1')
  const transport = await transportTo(t, bus, 'web1')
  const go = `${bus.agentDirectory('web1').path}/go`
  const process = await transport.exec(`until [ -e ${go} ]; do sleep 0.05; done; wc -c`)
  const size = 12_000_000
  process.stdin.end(Buffer.alloc(size, 'a'))
  await waitUntil(async () => (await bus.storedMessages()) > 30, 'input is on its way')
  await sleep(500)
  const before = await bus.storedMessages()
  t.ok(before < 60, `${before} messages, about a megabyte`)
  writeFileSync(go, '')
  t.equal((await text(process.stdout)).trim(), `${size}`)
})

t.test(
  'a command whose reader is slow is stopped, and continues with all its output',
  { timeout: 120_000 },
  async (t) => {
    if (!needs(t, ['nats-server'])) return
    const bus = await TestBus.start(t)
    const { commands } = await bus.enrol('web1')
    bus.startAgent('web1', { sent: 1 << 20, written: 4 << 20, kept: 2 << 20 })
    const transport = await transportTo(t, bus, 'web1')
    const size = 40_000_000
    const process = await transport.exec(`head -c ${size} /dev/zero | tr '\\0' a; echo end >&2`)
    process.stdin.end()
    process.stdout.once('readable', () => undefined)
    const output = () => readdirSync(commands).map((id) => statSync(`${commands}/${id}/out`))[0]
    await waitUntil(() => (output()?.size ?? 0) > 4 << 20, 'the command is ahead of its reader')
    await sleep(1500)
    t.ok((output()?.size ?? 0) < size / 2, `${output()?.size} bytes were written`)
    const content = await buffer(process.stdout)
    t.equal(content.length, size)
    t.ok(content.equals(Buffer.alloc(size, 'a')))
    t.equal(await text(process.stderr), 'end\n')
    t.match(await process.ended, { code: 0 })
    await waitUntil(() => (output()?.blocks ?? 0) * 512 < size / 2, 'space that was read is free again')
  },
)

t.test('a host that cannot read its commands is reported', { timeout: 120_000 }, async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  await bus.enrol('web1')
  changeEnrolment(bus, 'web1', { identity: (await newIdentity()).key })
  const { log } = bus.startAgent('web1')
  const transport = await transportTo(t, bus, 'web1')
  const process = await transport.exec('true')
  await t.rejects(process.ended, { code: 'COMMAND_UNREADABLE', hint: /enrol the host again/ })
  t.match(log.join('\n'), /could not be read/)
})

t.test(
  'a command whose input is cut off by a restart of the agent has not ended well',
  { timeout: 60_000 },
  async (t) => {
    if (!needs(t, ['nats-server'])) return
    const bus = await TestBus.start(t)
    const { path } = await bus.enrol('web1')
    const start = () =>
      spawn(globalThis.process.execPath, ['--import=tsx', 'test/support/agent_process.ts', path], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    const first = start()
    const transport = await transportTo(t, bus, 'web1')
    const cut = await transport.exec(`cat >${path}/uploaded; echo done`)
    cut.stdin.write('part')
    const complete = await transport.exec(`until [ -e ${path}/go ]; do sleep 0.05; done; echo done`)
    complete.stdin.end()
    await waitUntil(
      () => existsSync(`${path}/uploaded`) && readFileSync(`${path}/uploaded`, 'utf8') === 'part',
      'the command has read the part',
    )
    await waitUntil(
      () => readdirSync(`${path}/commands`).some((id) => existsSync(`${path}/commands/${id}/input-complete`)),
      'the other input is complete',
    )
    first.kill('SIGKILL')
    const second = start()
    t.teardown(() => second.kill('SIGTERM'))
    await t.rejects(cut.ended, { code: 'CONNECTION_LOST' })
    writeFileSync(`${path}/go`, '')
    t.equal(await text(complete.stdout), 'done\n')
    t.match(await complete.ended, { code: 0 })
  },
)
