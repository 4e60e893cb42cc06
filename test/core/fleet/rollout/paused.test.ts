/** Tests a rollout that an operator pauses: no further host starts until it continues, or is interrupted. */
import t from 'tap'
import type { RolloutPause } from '../../../../core/fleet/types.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const three = Object.fromEntries(['a', 'b', 'c'].map((name): [string, Behaviour] => [name, {}]))
const pause: RolloutPause = { by: 'ann', since: '2026-11-30T10:00:00Z', comment: 'lunch' }
const switches = (fleet: Simulation) => fleet.begun.filter((one) => one.endsWith(' deploy'))

/** Waits until the rollout has paused, and then so long that a host that ignores the pause would have started. */
async function untilPaused(fleet: Simulation): Promise<void> {
  while (!fleet.emitted.some(({ event }) => event === 'paused')) await new Promise(setImmediate)
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
}

t.test('no further host starts until it continues', async (t) => {
  let current: RolloutPause | null = null
  const fleet = new Simulation(three)
  fleet.onRun = (host, event) => {
    if (host === 'a' && event === 'deploy') current = pause
  }
  const rollout = fleet.go({ strategy: 'rolling' }, { paused: () => current })
  await untilPaused(fleet)
  t.strictSame(switches(fleet), ['a deploy'], 'the host that runs completes its phase')
  t.match(
    fleet.emitted.filter(({ event }) => event === 'paused'),
    [{ by: 'ann', comment: 'lunch' }],
  )
  current = null
  const { report } = await rollout
  t.equal(report.outcome, 'changed')
  t.strictSame(switches(fleet), ['a deploy', 'b deploy', 'c deploy'])
  t.equal(fleet.emitted.filter(({ event }) => event === 'continued').length, 1)
})

t.test('an interrupt ends a paused rollout', async (t) => {
  const fleet = new Simulation(three)
  const rollout = fleet.go({ strategy: 'parallel' }, { paused: () => pause })
  await untilPaused(fleet)
  fleet.interrupt('no more hosts')
  const { report } = await rollout
  t.equal(report.outcome, 'interrupted')
  t.strictSame(fleet.begun, [])
  t.equal(fleet.emitted.filter(({ event }) => event === 'paused').length, 1, 'once for all hosts')
})

t.test('a pause does not hold back the rollback after a failure', async (t) => {
  let current: RolloutPause | null = null
  const fleet = new Simulation({ ...three, c: { does: { deploy: 'breaks' } } })
  fleet.onRun = (host, event) => {
    if (host === 'c' && event === 'deploy') current = pause
  }
  const { report } = await fleet.go({ rollbackOnFailure: true, strategy: 'rolling' }, { paused: () => current })
  t.equal(report.outcome, 'failed')
  t.equal(fleet.begun.filter((text) => text.endsWith(' rollback')).length, 3)
})

t.test('a pause that cannot be read leaves the rollout as it was, with one warning', async (t) => {
  const paused = (): RolloutPause | null => {
    throw new Error('EACCES: permission denied')
  }
  const fleet = new Simulation(three)
  const { report } = await fleet.go({ strategy: 'rolling' }, { paused })
  t.equal(report.outcome, 'changed')
  const warnings = fleet.emitted.filter(({ event }) => event === 'warning')
  t.match(warnings, [{ message: 'cannot read whether the rollout is paused: EACCES: permission denied' }])
  t.equal(warnings.length, 1)
})
