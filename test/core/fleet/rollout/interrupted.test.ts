/**
 * Tests Ctrl-C in every phase: no further host starts, the rollout waits for running hosts, and skips work that no
 * longer matters.
 */
import * as fc from 'fast-check'
import t from 'tap'
import type { Interruption } from '../../../../core/fleet/rollout/state/ports.ts'
import type { RolloutRequest } from '../../../../core/fleet/rollout/state/request.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const five = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name): [string, Behaviour] => [name, {}]))
const history = ['1', '2'].map((n) => n.repeat(40))
const never = new Promise<never>(() => undefined)

t.test('while it connects to hosts', async (t) => {
  let go: () => void = () => undefined
  const waiting = new Promise<void>((resolve) => {
    go = resolve
  })
  const fleet = new Simulation({ ...five, a: { waits: { connect: waiting } } })
  const rollout = fleet.go({ parallel: 1 })
  while (fleet.connected.length === 0) await new Promise(setImmediate)
  fleet.interrupt('no more hosts')
  go()
  const { report } = await rollout
  t.strictSame(fleet.connected, ['a'], 'the others are not even connected to')
  t.match(report, { outcome: 'interrupted', stopped: undefined })
  t.strictSame(fleet.begun, [])
})

t.test('before it begins', async (t) => {
  const fleet = new Simulation(five)
  fleet.interrupt('no more hosts')
  const { report } = await fleet.go({})
  t.strictSame([fleet.connected, fleet.begun], [[], []])
  t.match(report, { outcome: 'interrupted', stopped: undefined })
})

t.test('during a health check', async (t) => {
  for (const state of ['no more hosts', 'finish steps', 'leave'] as const) {
    const fleet = new Simulation(five)
    let requestCount = 0
    let given: AbortSignal | undefined
    const { report } = await fleet.go(
      { strategy: 'canary' },
      {
        checkHealth: (_, watch) => {
          if (++requestCount === 1) return Promise.resolve({ ok: true, what: 'x', detail: '' })
          given = watch?.signal
          setImmediate(() => fleet.interrupt(state))
          return never
        },
      },
    )
    t.equal(report.outcome, 'interrupted')
    t.equal(given?.aborted, true, 'the rollout does not wait for its answer')
    t.notOk(fleet.begun.includes('b deploy'))
  }
})

t.test('during a rollback of many hosts at once', async (t) => {
  const hosts = Object.fromEntries(Object.keys(five).map((name): [string, Behaviour] => [name, { history }]))
  const fleet = new Simulation(hosts)
  fleet.onRun = (host) => {
    if (host === 'b') fleet.interrupt('no more hosts')
  }
  const { report } = await fleet.go({ action: 'rollback', strategy: 'parallel', parallel: 2 })
  t.strictSame(fleet.begun, ['a rollback', 'b rollback'])
  t.equal(report.outcome, 'interrupted')
  const failing = new Simulation({ ...hosts, a: { history, does: { rollback: 'fails' } } })
  await failing.go({ action: 'rollback', strategy: 'parallel', parallel: 2 })
  t.ok(failing.begun.length <= 3, 'nor where too many have failed')
})

t.test('during an automatic rollback', async (t) => {
  const fleet = new Simulation({ ...five, c: { does: { deploy: 'breaks' } } })
  fleet.onRun = (_, event) => {
    if (event === 'rollback') fleet.interrupt('no more hosts')
  }
  const { report } = await fleet.go({ rollbackOnFailure: true, parallel: 1 })
  t.equal(fleet.begun.filter((text) => text.endsWith(' rollback')).length, 1)
  t.equal(report.outcome, 'interrupted')
})

t.test('a host that ends after its current step has not failed, and causes no rollback', async (t) => {
  const fleet = new Simulation({ ...five, b: { does: { deploy: 'ends' } } })
  fleet.onRun = (host, event) => {
    if (host === 'b' && event === 'deploy') fleet.interrupt('finish steps')
  }
  const { report } = await fleet.go({ rollbackOnFailure: true })
  t.match(report, { outcome: 'interrupted', stopped: undefined })
  t.match(report.hosts[1]?.failure, { code: 'INTERRUPTED', message: /ended after the current step/ })
  t.notOk(fleet.begun.some((text) => text.endsWith(' rollback')))
})

t.test('queries no host after the operator has left', async (t) => {
  const fleet = new Simulation(five)
  fleet.onRun = (host, event) => {
    if (host === 'b' && event === 'deploy') fleet.interrupt('leave')
  }
  const { report } = await fleet.go({})
  t.strictSame(report.warnings, [])
  t.strictSame(report.hosts[1]?.live, [], 'its current release is not known')
})

t.test('during status', async (t) => {
  const fleet = new Simulation({ ...five, a: {} })
  const rollout = fleet.go(
    { action: 'status', parallel: 1 },
    {
      emit: (event) => {
        if (event.event === 'done' && event.phase === 'status') fleet.interrupt('no more hosts')
      },
    },
  )
  const { report } = await rollout
  t.strictSame(
    report.hosts.map(({ outcome }) => outcome),
    ['unchanged', 'untouched', 'untouched', 'untouched', 'untouched'],
  )
})

t.test('at any moment: begins nothing more, waits for what has begun, and reports an interruption', async () => {
  const actions = ['setup', 'deploy', 'rollback', 'configure', 'shutdown', 'undeploy', 'run', 'plan'] as const
  const doings = fc.constantFrom('changed', 'unchanged', 'fails', 'breaks', 'lost')
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        action: fc.constantFrom(...actions),
        strategy: fc.constantFrom('parallel', 'rolling', 'canary'),
        parallel: fc.integer({ min: 1, max: 4 }),
        rollbackOnFailure: fc.boolean(),
        migration: fc.constantFrom('all', 'none'),
      }),
      fc.constantFrom<Interruption>('no more hosts', 'finish steps', 'leave'),
      fc.nat(25),
      fc.array(fc.record({ deploy: doings, rollback: doings, stage: fc.nat(1) }), { minLength: 1, maxLength: 6 }),
      async (request, state, when, all) => {
        const hosts = all.map(({ stage, ...does }, at): [string, Behaviour] => {
          const unusual = Object.fromEntries(Object.entries(does).filter(([, what]) => what !== 'changed'))
          return [`h${at}`, { stage, history, does: unusual as Behaviour['does'] & object }]
        })
        const fleet = new Simulation(Object.fromEntries(hosts))
        let events = 0
        let begunBy: number | null = null
        const { report } = await fleet.go({ events: ['restart'], ...request } as Partial<RolloutRequest>, {
          emit: () => {
            if (events++ !== when) return
            fleet.interrupt(state)
            // Includes the host to which this event belongs.
            begunBy = fleet.begun.filter((text) => !text.endsWith(' interrupted')).length + 1
          },
        })
        const runs = fleet.begun.filter((text) => !text.endsWith(' interrupted'))
        if (begunBy !== null && runs.length > begunBy) throw new Error(`${runs.length - begunBy} more were begun`)
        if (runs.length !== fleet.ended.length) throw new Error('not all were waited for')
        if (begunBy !== null && report.outcome !== 'interrupted' && events - 1 > when) throw new Error(report.outcome)
        if (fleet.closed.size !== all.length) throw new Error('a connection is left open')
      },
    ),
  )
})
