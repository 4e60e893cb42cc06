/** Tests hosts that take no part in a rollout: those that are down, and those that run other apps. */
import t from 'tap'
import { type Behaviour, Simulation } from './simulated.ts'

const lostDuringConfigure: Behaviour = { does: { configure: 'lost' } }
const refused: Behaviour = { connects: 'refused' }

t.test('warns about a host that goes down during a rollout as if it had been down before', async (t) => {
  for (const action of ['setup', 'deploy', 'shutdown', 'undeploy'] as const)
    for (const other of [lostDuringConfigure, refused]) {
      const fleet = new Simulation({ new: {}, other })
      const { report, changes } = await fleet.go({ action }, { only: ['new'] })
      t.equal(report.outcome, 'changed', action)
      t.match(
        report.warnings,
        [
          new RegExp(
            `^other: .*; the host missed this ${action} \\(run converge stack configure when it can be reached\\)$`,
          ),
        ],
        action,
      )
      t.strictSame(changes.outdated, action === 'setup' || action === 'deploy' ? ['other'] : [], action)
    }
})

t.test('fails if a host outside of the rollout fails to configure', async (t) => {
  const { report } = await new Simulation({ new: {}, other: { does: { configure: 'fails' } } }).go(
    {},
    { only: ['new'] },
  )
  t.equal(report.outcome, 'failed')
})

t.test('a host that went down runs no follow-up', async (t) => {
  const followUps = [{ app: 'site', event: 'ban' }]
  const fleet = new Simulation({ a: {}, web: { ...lostDuringConfigure, apps: [], followUps } })
  const { report } = await fleet.go({}, { only: ['a'] })
  t.match(report, { outcome: 'changed', hosts: [{ host: 'a' }, { host: 'web', outcome: 'skipped' }] })
  t.notOk(fleet.begun.includes('web ban'))
})

t.test('only a deployment of one of its apps makes a host out of date', async (t) => {
  for (const other of [lostDuringConfigure, refused])
    for (const apps of [['shop'], []]) {
      const fleet = new Simulation({ a: { apps: ['hello'] }, b: { apps: ['shop'] }, other: { ...other, apps } })
      const { report, changes } = await fleet.go({ apps: ['hello'] }, { only: ['a'] })
      t.strictSame(changes.outdated, [])
      t.match(report.warnings, [
        /^other: .*; it is not configured \(run converge stack configure when it can be reached\)$/,
      ])
    }
  const twin = new Simulation({ a: { apps: ['hello'] }, other: { ...refused, apps: ['shop', 'hello'] } })
  const { report, changes } = await twin.go({ apps: ['hello'] }, { only: ['a'] })
  t.strictSame(changes.outdated, ['other'])
  t.match(report.warnings, [/the host missed this deploy/])
})

t.test('checks the health of a site that was not in service only after the last batch', async (t) => {
  const healths = (fleet: Simulation) => fleet.emitted.flatMap((event) => (event.event === 'health' ? event.ok : []))
  const health = async () => ({ ok: true, what: 'http://site/', detail: 'status 200' })
  const stack = { zeo: { apps: ['zeo'] }, a: { stage: 1 }, b: { stage: 1 }, web: { stage: 2, apps: [] } }
  const healthChecksAfter = async (online: readonly string[], action: 'setup' | 'deploy' = 'setup') => {
    const fleet = new Simulation(stack)
    const known = { online: new Set(online), behind: new Map<string, string>(), apps: {} }
    await fleet.go({ action, batchSize: { count: 1 } }, { recorded: known, checkHealth: health })
    return healths(fleet).length
  }
  t.equal(await healthChecksAfter([]), 1, 'a new stack')
  t.equal(await healthChecksAfter(['zeo']), 1, 'the first setup failed after the first layer')
  t.equal(await healthChecksAfter(['zeo', 'a']), 1, 'the frontend was not configured')
  t.equal(await healthChecksAfter(['zeo', 'web']), 1, 'no host of the app is up')
  t.equal(await healthChecksAfter(['zeo', 'a'], 'deploy'), 1)
  t.ok((await healthChecksAfter(['zeo', 'a', 'web'])) > 1, 'a host joins a site that is in service')
  t.ok((await healthChecksAfter(['zeo', 'a', 'b', 'web'], 'deploy')) > 1)
})
