/**
 * Tests events that hosts run after a deploy on others, such as a ban of cached pages: once, after the last batch has
 * switched.
 */
import t from 'tap'
import { type Behaviour, Simulation } from './simulated.ts'

const web: Behaviour = { apps: [], followUps: [{ app: 'site', event: 'ban' }], without: ['build', 'deploy'] }
const clients = ['a', 'b']

const banned = (fleet: Simulation) =>
  fleet.requests.flatMap(({ host, events, documents }) => {
    if (!events.includes('ban')) return []
    const { converge } = (documents[0]?.value ?? {}) as { converge?: { deployed?: object } }
    return [{ host, deployed: converge?.deployed }]
  })
const commit = 'c'.repeat(40)

t.test('a deploy: runs once, after the last batch and after all others are configured', async (t) => {
  const fleet = new Simulation({ a: {}, b: {}, web })
  const { report } = await fleet.go({}, { only: clients })
  t.equal(report.outcome, 'changed')
  t.strictSame(banned(fleet), [{ host: 'web', deployed: { site: { commit, deployment: '000001' } } }])
  t.equal(fleet.begun.at(-1), 'web ban')
  const phases = fleet.emitted.flatMap((event) => (event.event === 'phase' ? event.phase : []))
  t.equal(phases.at(-1), 'follow-up')
})

t.test('a deploy without a change names only the commit, for one that was killed before its end', async (t) => {
  const unchanged = { does: { deploy: 'unchanged' } } as const
  const fleet = new Simulation({ a: unchanged, b: unchanged, web })
  await fleet.go({}, { only: clients })
  t.strictSame(banned(fleet), [{ host: 'web', deployed: { site: { commit, deployment: null } } }])
})

t.test('a rollback: runs after one by the operator and after an automatic one', async (t) => {
  const history = ['a'.repeat(40), 'b'.repeat(40)]
  const fleet = new Simulation({ a: { history }, b: { history }, web })
  await fleet.go({ action: 'rollback' }, { only: clients })
  t.strictSame(banned(fleet), [{ host: 'web', deployed: { site: { commit: null, deployment: '000001' } } }])

  const failing = new Simulation({ a: {}, b: { does: { deploy: 'fails' } }, web })
  const { report } = await failing.go({ rollbackOnFailure: true }, { only: clients })
  t.equal(report.outcome, 'failed')
  t.match(banned(failing), [{ deployed: { site: { commit: null, deployment: '000001' } } }])
})

t.test('does not run if the rollout aborted, for another app, or on an unreachable host', async (t) => {
  const stopped = new Simulation({ a: {}, b: { does: { deploy: 'fails' } }, web })
  await stopped.go({}, { only: clients })
  t.strictSame(banned(stopped), [])

  const other = new Simulation({ a: { apps: ['shop'] }, web })
  await other.go({}, { only: ['a'] })
  t.strictSame(banned(other), [])

  const down = new Simulation({ a: {}, web: { ...web, connects: 'refused' } })
  const { report } = await down.go({}, { only: ['a'] })
  t.equal(report.outcome, 'changed')
  t.strictSame(banned(down), [])
})

t.test('a host of the rollout runs it after the last one', async (t) => {
  const both: Behaviour = { followUps: web.followUps ?? [] }
  const fleet = new Simulation({ a: both, b: {} })
  await fleet.go({})
  t.equal(fleet.begun.at(-1), 'a ban')
  t.equal(banned(fleet).length, 1)
})

t.test('a host that missed the deployment: configure deploys it, then bans its pages', async (t) => {
  const fleet = new Simulation({ a: {}, web })
  await fleet.go(
    { action: 'configure' },
    { recorded: { online: new Set(['a', 'web']), behind: new Map([['a', '3']]), apps: {} } },
  )
  t.equal(fleet.begun.at(-1), 'web ban')
  const nothing = new Simulation({ a: {}, web })
  await nothing.go({ action: 'configure' })
  t.strictSame(banned(nothing), [])
})
