/** Tests random balancers, faults and kills: in the end, only servers that an operator has drained are drained. */
import * as fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { FakeHaproxy } from '../../support/fake_haproxy.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const names = ['c1', 'c2', 'c3']
const port = (name: string) => 8080 + Number(name.slice(1))

const balancer = fc.record({
  sticky: fc.boolean(),
  busyFor: fc.constantFrom(0, 1, 3, 1e6),
  level: fc.constantFrom('admin' as const, 'admin' as const, 'operator' as const),
  knows: fc.subarray(names, { minLength: 0 }),
  /** The servers that an operator has drained or set to maintenance. */
  operator: fc.dictionary(fc.constantFrom(...names), fc.constantFrom('drain' as const, 'maint' as const)),
  /** The balancer fails during the run that is killed, from this change on. */
  goneFrom: fc.option(fc.integer({ min: 0, max: 40 })),
})

const world = fc.record({
  balancers: fc.array(balancer, { minLength: 1, maxLength: 3 }),
  maxUnavailable: fc.constantFrom(1, 2, '50%', '100%'),
  stopped: fc.subarray(names),
  killAt: fc.integer({ min: 1, max: 45 }),
})

t.test('repairs drained servers after a kill at any point, with any balancers', async (t) => {
  await fc.assert(
    fc.asyncProperty(world, async ({ balancers, maxUnavailable, stopped, killAt }) => {
      const supervisor = new FakeSupervisor({
        running: names.filter((name) => !stopped.includes(name)),
        stopped,
        programs: (name) => ({ port: port(name), startsecs: 1, readyAfter: 2, stopAfter: 1 }),
      })
      let calm = true
      const at = (index: number) => `/run/${index}.sock`
      const healthy = (server: string, host: VirtualHost) =>
        supervisor.requests({ port: port(server.split('/')[1] ?? ''), path: '/' }, host)?.status === 200
      const haproxy = new FakeHaproxy(
        balancers.map(({ sticky, busyFor, level, knows, goneFrom }, index) => ({
          at: at(index),
          sticky,
          busyFor,
          level,
          healthy,
          backends: { site: [...knows, 'other'] },
          listening: (host) => calm || goneFrom === null || host.changes.length < goneFrom,
        })),
      )
      const host = new VirtualHost({
        requests: supervisor.requests,
        exchanges: haproxy.exchanges,
        beforeChange: (count) => {
          if (!calm && count >= killAt) throw new Error('killed')
        },
      })
      for (const name of names) host.given(`/etc/supervisor/conf.d/${name}.conf`, `[program:${name}]\n`)
      const operators = balancers.flatMap(({ operator, knows, level }, index) =>
        Object.entries(operator).flatMap(([name, state]) =>
          knows.includes(name) && level === 'admin' ? [[at(index), `site/${name}`, state] as const] : [],
        ),
      )
      for (const command of operators) haproxy.set(host, ...command)
      calm = false
      const plan = () =>
        planOf((r) => {
          const cause = file(r, { path: '/srv/cause', content: 'new' })
          service_restart(r, {
            provider: { kind: 'supervisor' },
            services: names.map((name) => ({ name, ready: { port: port(name) }, server: `site/${name}` })),
            balancers: balancers.map((_, index) => ({ socket: at(index) })),
            drainDeadline: seconds(5),
            deadline: seconds(30),
            maxUnavailable,
            when: [cause],
          })
        })
      await run(plan(), host)
      calm = true
      host.record('time passes', '')
      const planned = await run(plan(), new VirtualHost({ base: host }), 'plan')
      const repaired = await run(plan(), host)
      if (failureOf(repaired) !== undefined) throw new Error(JSON.stringify(failureOf(repaired)))
      if (patchOf(planned).join() !== patchOf(repaired).join()) throw new Error('the dry run said otherwise')
      const wrong = balancers.flatMap(({ knows }, index) =>
        knows.flatMap((name) => {
          const expected = operators.find(
            ([balancer, server]) => balancer === at(index) && server === `site/${name}`,
          )?.[2]
          const found = haproxy.state(host, at(index), `site/${name}`)
          return found === (expected ?? 'ready') ? [] : [`${name} at ${index}: ${found}, not ${expected ?? 'ready'}`]
        }),
      )
      if (wrong.length > 0) throw new Error(wrong.join('; '))
      const calls = haproxy.calls
      if (patchOf(await run(plan(), host)).length > 0) throw new Error('there is still something to do')
      if (haproxy.calls !== calls) throw new Error('a balancer was asked for nothing')
    }),
    { numRuns: 150 },
  )
  t.pass('150 worlds')
})
