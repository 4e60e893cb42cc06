/** Tests the comparison of a host's clock with the operator's, and the warnings about it. */
import t from 'tap'
import { clockProblem } from '../../../core/fleet/host_clock.ts'
import { Simulation } from './rollout/simulated.ts'

const at = Date.parse('2026-11-30T10:00:00Z')
const times = { askedAt: at, answeredAt: at + 2000 }
const iso = (ms: number) => new Date(ms).toISOString()

t.test('the time of the answer does not count', (t) => {
  for (const offset of [-5000, 0, 1000, 2000, 7000]) t.equal(clockProblem(iso(at + offset), times), null, `${offset}`)
  t.match(clockProblem(iso(at + 7001), times), { detail: /^its clock is 5 s ahead of the clock of this computer; / })
  t.match(clockProblem(iso(at - 5001), times), { detail: /^its clock is 5 s behind the clock of this computer; / })
  t.match(clockProblem(iso(at - 7_380_000), times), { detail: /^its clock is 2 h 3 min behind / })
  t.end()
})

t.test('a host that sends no time has no finding', (t) => {
  for (const time of [undefined, null, 'soon', 0, {}]) t.equal(clockProblem(time, times), null)
  t.end()
})

t.test('stack status warns of each clock that differs', async (t) => {
  const fleet = new Simulation({
    right: { status: { time: iso(at) } },
    ahead: { status: { time: iso(at + 60_000) } },
    old: { status: {} },
  })
  const { report } = await fleet.go({ action: 'status' }, { clock: () => at })
  t.match(report.hostWarnings, [
    { hosts: ['ahead'], message: /^its clock is 60 s ahead of .*; synchronize the wrong one: run timedatectl / },
  ])
  t.equal(report.hostWarnings?.length, 1)
  t.equal(report.outcome, 'unchanged')
})
