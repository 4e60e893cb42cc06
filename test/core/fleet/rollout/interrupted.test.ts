/**
 * Tests Ctrl-C in every phase: no further host starts, the rollout waits for running hosts, and skips work that no
 * longer matters.
 */
import * as fc from 'fast-check'
import t from 'tap'
import type { Interruption } from '../../../../core/fleet/rollout/state/ports.ts'
import type { RolloutRequest } from '../../../../core/fleet/rollout/state/request.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const fiveHosts = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name): [string, Behaviour] => [name, {}]))
const commits = ['1', '2'].map((digit) => digit.repeat(40))
const pending = new Promise<never>(() => undefined)

t.test('an interrupt during the first connection connects to no other host', async (t) => {
  let acceptConnection: () => void = () => undefined
  const accepted = new Promise<void>((resolve) => {
    acceptConnection = resolve
  })
  const fleet = new Simulation({ ...fiveHosts, a: { waits: { connect: accepted } } })
  const rollout = fleet.go({ parallel: 1 })
  while (fleet.connected.length === 0) await new Promise(setImmediate)
  fleet.interrupt('no more hosts')
  acceptConnection()
  const { report } = await rollout
  t.strictSame(fleet.connected, ['a'])
  t.match(report, { outcome: 'interrupted', stopped: undefined })
  t.strictSame(fleet.begun, [])
})

t.test('an interrupt before the rollout begins connects to no host', async (t) => {
  const fleet = new Simulation(fiveHosts)
  fleet.interrupt('no more hosts')
  const { report } = await fleet.go({})
  t.strictSame([fleet.connected, fleet.begun], [[], []])
  t.match(report, { outcome: 'interrupted', stopped: undefined })
})

t.test('an interrupt during a health check ends the check, and begins no other host', async (t) => {
  for (const interruption of ['no more hosts', 'finish steps', 'leave'] as const) {
    const fleet = new Simulation(fiveHosts)
    let checkCount = 0
    let signal: AbortSignal | undefined
    const { report } = await fleet.go(
      { strategy: 'canary' },
      {
        checkHealth: (_, watch) => {
          if (++checkCount === 1) return Promise.resolve({ ok: true, what: 'x', detail: '' })
          signal = watch?.signal
          setImmediate(() => fleet.interrupt(interruption))
          return pending
        },
      },
    )
    t.equal(report.outcome, 'interrupted')
    t.equal(signal?.aborted, true, 'the rollout does not wait for the answer')
    t.notOk(fleet.begun.includes('b deploy'))
  }
})

t.test('an interrupt during a parallel rollback begins no other host', async (t) => {
  const hosts = Object.fromEntries(
    Object.keys(fiveHosts).map((name): [string, Behaviour] => [name, { history: commits }]),
  )
  const fleet = new Simulation(hosts)
  fleet.onRun = (host) => {
    if (host === 'b') fleet.interrupt('no more hosts')
  }
  const { report } = await fleet.go({ action: 'rollback', strategy: 'parallel', parallel: 2 })
  t.strictSame(fleet.begun, ['a rollback', 'b rollback'])
  t.equal(report.outcome, 'interrupted')
})

t.test('an interrupt during an automatic rollback rolls back no other host', async (t) => {
  const fleet = new Simulation({ ...fiveHosts, c: { does: { deploy: 'breaks' } } })
  fleet.onRun = (_, event) => {
    if (event === 'rollback') fleet.interrupt('no more hosts')
  }
  const { report } = await fleet.go({ rollbackOnFailure: true, parallel: 1 })
  t.equal(fleet.begun.filter((text) => text.endsWith(' rollback')).length, 1)
  t.equal(report.outcome, 'interrupted')
})

t.test('a host that ends after its current step has not failed, and causes no rollback', async (t) => {
  const fleet = new Simulation({ ...fiveHosts, b: { does: { deploy: 'ends' } } })
  fleet.onRun = (host, event) => {
    if (host === 'b' && event === 'deploy') fleet.interrupt('finish steps')
  }
  const { report } = await fleet.go({ rollbackOnFailure: true })
  t.match(report, { outcome: 'interrupted', stopped: undefined })
  t.match(report.hosts[1]?.failure, { code: 'INTERRUPTED', message: /ended after the current step/ })
  t.notOk(fleet.begun.some((text) => text.endsWith(' rollback')))
})

t.test('queries no host after the operator has left', async (t) => {
  const fleet = new Simulation(fiveHosts)
  fleet.onRun = (host, event) => {
    if (host === 'b' && event === 'deploy') fleet.interrupt('leave')
  }
  const { report } = await fleet.go({})
  t.strictSame(report.warnings, [])
  t.strictSame(report.hosts[1]?.live, [], 'its current release is not known')
})

t.test('an interrupt during status queries no other host', async (t) => {
  const fleet = new Simulation(fiveHosts)
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

t.test('an interrupt at any moment begins no other run, waits for running ones, and is reported', async () => {
  const actions = ['setup', 'deploy', 'rollback', 'configure', 'shutdown', 'undeploy', 'run', 'plan'] as const
  const behaviours = fc.constantFrom('changed', 'unchanged', 'fails', 'breaks', 'lost')
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
      fc.array(fc.record({ deploy: behaviours, rollback: behaviours, stage: fc.nat(1) }), {
        minLength: 1,
        maxLength: 6,
      }),
      async (request, interruption, eventNumber, generatedHosts) => {
        const hosts = generatedHosts.map(({ stage, ...does }, index): [string, Behaviour] => {
          const unusual = Object.fromEntries(Object.entries(does).filter(([, behaviour]) => behaviour !== 'changed'))
          return [`h${index}`, { stage, history: commits, does: unusual as Behaviour['does'] & object }]
        })
        const fleet = new Simulation(Object.fromEntries(hosts))
        const startedRuns = () => fleet.begun.filter((text) => !text.endsWith(' interrupted')).length
        let eventCount = 0
        let allowedRuns: number | null = null
        const { report } = await fleet.go({ events: ['restart'], ...request } as Partial<RolloutRequest>, {
          emit: () => {
            if (eventCount++ !== eventNumber) return
            fleet.interrupt(interruption)
            // Includes the host to which this event belongs.
            allowedRuns = startedRuns() + 1
          },
        })
        const runs = startedRuns()
        if (allowedRuns !== null && runs > allowedRuns) throw new Error(`${runs - allowedRuns} more runs were begun`)
        if (runs !== fleet.ended.length) throw new Error('the rollout did not wait for all runs')
        // After the last event there is nothing left to interrupt.
        const wasInterrupted = eventCount > eventNumber + 1
        if (wasInterrupted && report.outcome !== 'interrupted') throw new Error(report.outcome)
        if (fleet.closed.size !== generatedHosts.length) throw new Error('a connection is left open')
      },
    ),
  )
})
