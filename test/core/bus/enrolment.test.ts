/** Tests what an enrolment leaves on a host, and what a control plane that fails leaves behind. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { AgentDirectory } from '../../../core/agent/agent_directory.ts'
import { enrol } from '../../../core/agent/enrol.ts'
import { BusDirectory } from '../../../core/bus/bus_directory.ts'
import { startControlPlane } from '../../../core/bus/control_plane.ts'
import { runningServer } from '../../../core/bus/server.ts'
import { TestBus } from '../../support/bus.ts'
import { needs, scratch } from '../../support/machine.ts'
import { freeBusPort, natsServer } from '../../support/nats_server.ts'

t.test('a refused token leaves the earlier enrolment in place', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const bus = await TestBus.start(t)
  const directory = await bus.enrol('web1')
  const before = directory.load()
  const used = bus.directory.invite('web2', 60, Date.now())
  await enrol(used, new AgentDirectory(`${scratch(t)}/web2`))
  await t.rejects(enrol(used, directory), { code: 'TOKEN_REFUSED' })
  t.strictSame(directory.load(), before)
})

t.test('another control plane counts rollouts from the beginning, the same one continues', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const [first, second] = [await TestBus.start(t), await TestBus.start(t)]
  const directory = await first.enrol('web1')
  directory.saveRevision(57)
  await enrol(first.directory.invite('web1', 60, Date.now()), directory)
  t.equal(directory.revision(), 57)
  await enrol(second.directory.invite('web1', 60, Date.now()), directory)
  t.equal(directory.revision(), 0)
})

t.test('a control plane that cannot start leaves no server, and only one runs for a stack', async (t) => {
  if (!needs(t, ['nats-server'])) return
  const directory = new BusDirectory(`${scratch(t)}/bus`)
  const port = await freeBusPort()
  await directory.prepare({ stack: 'shop', listen: { host: '127.0.0.1', port }, address: '127.0.0.1' })
  const options = { directory, program: natsServer() ?? '', log: () => undefined }
  const other = createServer().listen(port + 1, '127.0.0.1')
  await once(other, 'listening')
  await t.rejects(startControlPlane(options), { code: 'EADDRINUSE' })
  t.equal(runningServer(directory), null)
  other.close()
  await once(other, 'close')
  const control = await startControlPlane(options)
  t.teardown(() => control.stop())
  const pid = runningServer(directory)
  await t.rejects(startControlPlane(options), { code: 'CONTROL_RUNS' })
  t.equal(runningServer(directory), pid)
})
