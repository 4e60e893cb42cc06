/** Tests that a host can do nothing on the bus but take its commands and report as itself. */
import t, { type Test } from 'tap'
import { connectControl, type NatsConnection, streamsOf } from '../../../core/bus/connection.ts'
import { revokeHost } from '../../../core/bus/control_plane.ts'
import { subjectsOf } from '../../../core/bus/subjects.ts'
import { TestBus } from '../../support/bus.ts'
import { needs } from '../../support/machine.ts'
import { waitUntil } from '../../support/wait_until.ts'

const subjects = subjectsOf('shop')

/** Collects the violations that the server reports to a connection. */
function violationsOf(connection: NatsConnection): string[] {
  const violations: string[] = []
  void (async () => {
    for await (const status of connection.status())
      if (status.type === 'error') violations.push(status.error.message.toLowerCase())
  })()
  return violations
}

async function isRefused(connection: NatsConnection, violations: string[], act: () => void): Promise<string> {
  violations.length = 0
  act()
  await connection.flush()
  // The violation arrives before the answer to the flush, and its listener is called after it.
  await new Promise((done) => setImmediate(done))
  return violations.join('\n')
}

t.test('a host may not do what is not its own', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  await bus.enrol('a.1')
  await bus.enrol('b')
  const host = await bus.connectAs('a.1')
  const violations = violationsOf(host)
  const control = await connectControl(bus.directory, 'test')
  t.teardown(() => control.close())
  const { js, manager } = await streamsOf(control)
  await js.publish(subjects.command('b'), 'for b')

  const refusedPublishes: Readonly<Record<string, string>> = {
    "read another's command": '$JS.API.CONSUMER.MSG.NEXT.CMD.b',
    "look at another's consumer": '$JS.API.CONSUMER.INFO.CMD.b',
    "acknowledge another's command": '$JS.ACK.CMD.b.1.1.1.1.0',
    'report as another': subjects.answer('b', 'pong'),
    'beat as another': subjects.beat('b'),
    'command another': subjects.command('b'),
    'command itself': subjects.command('a.1'),
    'wake another': subjects.wake('b'),
    'create a consumer': '$JS.API.CONSUMER.CREATE.CMD.mine.>',
    'create a durable consumer': '$JS.API.CONSUMER.DURABLE.CREATE.CMD.mine',
    'delete its consumer': '$JS.API.CONSUMER.DELETE.CMD.a=1',
    'create a stream': '$JS.API.STREAM.CREATE.mine',
    'change the stream': '$JS.API.STREAM.UPDATE.CMD',
    'delete the stream': '$JS.API.STREAM.DELETE.CMD',
    'purge the stream': '$JS.API.STREAM.PURGE.CMD',
    'read a message of the stream': '$JS.API.STREAM.MSG.GET.CMD',
    'read a message directly': '$JS.API.DIRECT.GET.CMD',
    'look at the stream': '$JS.API.STREAM.INFO.CMD',
    'list the streams': '$JS.API.STREAM.NAMES',
    'read a key-value bucket': '$JS.API.DIRECT.GET.KV_fleet.$KV.fleet.generation',
    'write a key-value bucket': '$KV.fleet.generation',
    'ask the server': '$SYS.REQ.SERVER.PING',
  }
  for (const [what, subject] of Object.entries(refusedPublishes))
    t.match(await isRefused(host, violations, () => host.publish(subject, '{}')), /permissions violation/, what)

  const refusedSubscriptions: Readonly<Record<string, string>> = {
    'subscribe to everything': '>',
    "subscribe to another's commands": subjects.command('b'),
    'subscribe to its commands without the consumer': subjects.command('a.1'),
    'subscribe to all answers': subjects.answers,
    'subscribe to all beats': subjects.beats,
    "subscribe to another's inbox": '_INBOX_b.>',
    'subscribe to the inbox of the control plane': '_INBOX.>',
    'subscribe to acknowledgements': '$JS.ACK.>',
    "subscribe to another's wake-up": subjects.wake('b'),
  }
  for (const [what, subject] of Object.entries(refusedSubscriptions))
    t.match(
      await isRefused(host, violations, () => host.subscribe(subject, { callback: () => undefined })),
      /permissions violation/,
      what,
    )
  t.equal((await manager.streams.info('CMD')).state.messages, 1, "the other's command is still there")

  await t.test('what it may', async (t) => allowed(t, host, violations))
})

async function allowed(t: Test, host: NatsConnection, violations: string[]): Promise<void> {
  for (const subject of [subjects.answer('a.1', 'pong'), subjects.beat('a.1')])
    t.equal(await isRefused(host, violations, () => host.publish(subject, '{}')), '', subject)
  const { js } = await streamsOf(host)
  const consumer = await js.consumers.get('CMD', 'a=1')
  t.equal((await consumer.info(true)).name, 'a=1')
}

t.test('what the server answers to a reply subject that a host names reaches no other host', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  await bus.enrol('a')
  await bus.enrol('b')
  const host = await bus.connectAs('a')
  const control = await connectControl(bus.directory, 'test')
  t.teardown(() => control.close())
  const { js, manager } = await streamsOf(control)
  await js.publish(subjects.command('a'), 'a command for a')
  host.publish('$JS.API.CONSUMER.MSG.NEXT.CMD.a', '{"batch":1}', { reply: subjects.command('b') })
  // The server stores its own message again, under the subject that it had: a copy for the same host.
  await waitUntil(async () => (await manager.streams.info('CMD')).state.messages === 2, 'the copy is stored')
  t.match(await manager.consumers.info('CMD', 'b'), { num_pending: 0, delivered: { consumer_seq: 0 } })
})

t.test('a revoked host is disconnected, and refused', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  await bus.enrol('a')
  const host = await bus.connectAs('a')
  const lost = new Promise<string>((resolve) => {
    void (async () => {
      for await (const { type } of host.status()) if (type === 'disconnect') resolve(type)
    })()
  })
  t.equal(await revokeHost(bus.directory, 'a'), true)
  t.equal(await lost, 'disconnect')
  await t.rejects(bus.connectAs('a'), { message: /authorization/i })
  await bus.enrol('a')
  t.equal((await bus.connectAs('a')).isClosed(), false, 'it may be enrolled again, with new keys')
})
