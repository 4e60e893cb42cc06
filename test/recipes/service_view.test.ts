/** Tests the readiness that `status` reports for a service. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { servicesOf } from '../../recipes/app/inspect.ts'
import { viewService } from '../../recipes/app/service_view.ts'
import type { ReadyProps } from '../../resources/services/readiness/ready_props.ts'
import { type FakeOptions, FakeSupervisor } from '../support/fake_supervisor.ts'

const socket = '/var/run/supervisor.sock'
const ready: ReadyProps = { kind: 'http', port: 8081, path: '/' }

const spawned = (second: string, pid: number) =>
  `2026-11-30 05:52:${second},000 INFO spawned: 'client1' with pid ${pid}\n`
const exited = (second: string) => `2026-11-30 05:52:${second},000 WARN exited: client1 (exit status 1; not expected)\n`

/** Returns the view of client1, which supervisord runs with pid 100, by both ways to it. */
async function views(options: FakeOptions) {
  const fake = new FakeSupervisor({ programs: { client1: { startsecs: Number.POSITIVE_INFINITY } }, ...options })
  const host = new VirtualHost({ requests: fake.requests })
  const [listed] = await servicesOf(host, socket, [{ name: 'client1', ready }])
  const view = await viewService(host, { name: 'client1', provider: { kind: 'supervisor', socket }, ready })
  return [listed, view]
}

t.test('a program that its manager starts again and again is failing', async (t) => {
  const mainLog = [spawned('10', 98), exited('13'), spawned('13', 99), exited('16'), spawned('16', 100)].join('')
  for (const view of await views({ running: ['client1'], mainLog }))
    t.match(view, { up: false, readiness: 'failing', detail: 'it ended 2 times within a minute of its start' })
})

t.test('a program that ended once is starting: it may have lost a race for a new database', async (t) => {
  const mainLog = [spawned('13', 99), exited('16'), spawned('16', 100)].join('')
  for (const view of await views({ running: ['client1'], mainLog }))
    t.match(view, { up: false, readiness: 'starting', detail: /8081/ })
})

t.test('a program is starting if supervisord has no log', async (t) => {
  for (const view of await views({ running: ['client1'] })) t.match(view, { up: false, readiness: 'starting' })
})

t.test('a program in the pause before its next start is failing', async (t) => {
  for (const view of await views({ failing: ['client1'] }))
    t.match(view, { up: false, readiness: 'failing', detail: 'Exited too quickly (process log may have details)' })
})
