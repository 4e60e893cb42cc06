/** Tests that a process survives a bus that closes its connection at any moment. */
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { TestBus } from '../../support/bus.ts'
import { needs } from '../../support/machine.ts'

/** The parts of the library that carry the bytes of a connection. */
interface Transport {
  readonly socket: Socket
  send(frame: Uint8Array): void
  discard(): void
}

t.test('a message that is sent while the server closes the connection ends no process', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  await bus.enrol('web1')
  const connection = await bus.connectAs('web1')
  const { transport } = (connection as unknown as { readonly protocol: { readonly transport: Transport } }).protocol
  const errors: Error[] = []
  const onError = (error: Error) => void errors.push(error)
  process.prependListener('uncaughtException', onError)
  t.teardown(() => process.removeListener('uncaughtException', onError))
  // The library answers the end of the server so, and may have a message left.
  transport.socket.end()
  transport.send(Buffer.from('PING\r\n'))
  transport.discard()
  await nextTurn()
  t.strictSame(errors, [])
})
