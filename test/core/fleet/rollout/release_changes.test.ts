/** Tests the releases that a rollout changes from and to: announced before it begins, and recorded for each host. */
import t from 'tap'
import { type Behaviour, Simulation } from './simulated.ts'

const [old, now, tip] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string]
const host: Behaviour = { history: [old, now] }

t.test('a deploy displays the current and the new commit before any build', async (t) => {
  const fleet = new Simulation({ a: host, b: host, c: { history: [old] } })
  const requestLog: string[] = []
  const { report } = await fleet.go(
    {},
    {
      commitsBetween: async (from, to) => {
        requestLog.push(`${from[0]}${to[0]}`)
        return from === now ? { added: 1, removed: 0, subjects: ['Fix the prices'] } : null
      },
    },
  )
  const at = fleet.emitted.findIndex(({ event }) => event === 'moves')
  t.ok(at >= 0 && at < fleet.emitted.findIndex((event) => event.event === 'phase' && event.phase === 'build'))
  t.match(fleet.emitted[at], {
    phase: 'switch',
    moves: [
      { app: 'site', hosts: ['a', 'b'], from: { release: '2', commit: now }, to: { release: null, commit: tip } },
      { app: 'site', hosts: ['c'], from: { release: '1', commit: old }, to: { release: null, commit: tip } },
    ],
  })
  t.match(fleet.emitted[at], { moves: [{ commits: { subjects: ['Fix the prices'] } }, { commits: undefined }] })
  t.strictSame(requestLog, ['bc', 'ac'], 'once for each change')
  t.match(report.hosts, [
    { host: 'a', moves: [{ app: 'site', from: { commit: now }, to: { release: '3', commit: tip } }] },
    { host: 'b' },
    { host: 'c', moves: [{ from: { commit: old }, to: { commit: tip } }] },
  ])
})

t.test('a rollback displays both releases, and records the change', async (t) => {
  const fleet = new Simulation({ a: host, b: { history: [now, old, now] } })
  const { report } = await fleet.go({ action: 'rollback' })
  const at = fleet.emitted.findIndex(({ event }) => event === 'moves')
  t.ok(at >= 0 && at < fleet.emitted.findIndex((event) => event.event === 'phase' && event.phase === 'rollback'))
  t.match(fleet.emitted[at], {
    moves: [
      { hosts: ['a'], from: { release: '2', commit: now }, to: { release: '1', commit: old } },
      { hosts: ['b'], from: { release: '3', commit: now }, to: { release: '2', commit: old } },
    ],
  })
  t.match(report.hosts, [
    { moves: [{ from: { release: '2' }, to: { release: '1', commit: old } }] },
    { moves: [{ from: { release: '3' }, to: { release: '2', commit: old } }] },
  ])
})

t.test('an automatic rollback displays both releases, and records the change', async (t) => {
  const fleet = new Simulation({ a: host, b: { ...host, does: { deploy: 'fails' } } })
  const { report } = await fleet.go({ rollbackOnFailure: true })
  const moves = fleet.emitted.filter(({ event }) => event === 'moves')
  t.match(moves, [
    { phase: 'switch' },
    {
      phase: 'rollback',
      moves: [{ hosts: ['a'], from: { release: '3', commit: tip }, to: { release: '2', commit: now } }],
    },
  ])
  t.match(report.hosts, [
    { outcome: 'rolled back', moves: [{ from: { commit: tip }, to: { commit: now } }] },
    { outcome: 'failed', moves: undefined },
  ])
})

t.test('records no change if nothing changes', async (t) => {
  const fleet = new Simulation({ a: { history: [tip], does: { build: 'unchanged', deploy: 'unchanged' } } })
  const { report } = await fleet.go({})
  t.match(report.hosts, [{ outcome: 'unchanged', moves: undefined }])
})
