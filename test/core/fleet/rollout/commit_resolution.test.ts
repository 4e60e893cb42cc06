/** Tests which commits a rollout deploys, and when it refuses: what hosts report of revisions and repositories. */
import t from 'tap'
import { ConvergeError } from '../../../../core/model/errors.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const [old, tip] = ['a'.repeat(40), 'c'.repeat(40)]
const reason = 'cannot list the branches and tags of git://git.example.com/site.git: fatal: unable to connect'
const stale: Behaviour = { revisions: () => [{ app: 'site', revision: 'main', commit: old, unconfirmed: reason }] }

const eventsOf = (fleet: Simulation, ...names: readonly string[]) =>
  fleet.emitted.filter(({ event }) => names.includes(event))

t.test('refuses a deploy of a branch whose repository is unreachable', async (t) => {
  const fleet = new Simulation({ web1: stale, web2: stale })
  for (const revision of [null, 'main']) {
    const { refusal } = await fleet.go({ revision })
    t.match(refusal, {
      code: 'REPOSITORY_UNREACHABLE',
      message: `web1: ${reason}; site is not deployed, since main may have a newer commit than ${old}`,
      hint: `make the repository reachable, or name the commit: --app site --revision ${old}`,
    })
  }
  t.strictSame(fleet.begun, [])
  t.strictSame(eventsOf(fleet, 'end', 'deployment', 'commit'), [], 'nothing was begun, so there is no number')
  t.equal(fleet.closed.size, 2)
})

t.test('a setup continues with the commit of the hosts, and warns', async (t) => {
  const fleet = new Simulation({ web1: stale, web2: stale })
  const { report, refusal } = await fleet.go({ action: 'setup' })
  t.equal(refusal, null)
  t.match(report, { outcome: 'changed', commits: { site: old } })
  t.match(report.warnings, [
    /^web1: cannot list the branches and tags of git:.*; site gets commit a{40}, and main may have a newer one \(/,
  ])
  t.match(eventsOf(fleet, 'warning', 'commit'), [
    { event: 'warning', message: /main may have a newer one/ },
    { event: 'commit', commit: old, unconfirmed: reason },
  ])
  const named = await new Simulation({ web1: stale }).go({ action: 'setup', revision: 'main' })
  t.match(named.report, {
    outcome: 'failed',
    hosts: [{ failedIn: 'look', failure: { code: 'REPOSITORY_UNREACHABLE' } }],
  })
})

t.test('a setup keeps the commit that the stack runs, not one that was only fetched', async (t) => {
  const fetched: Behaviour = { revisions: () => [{ app: 'site', revision: 'main', commit: tip, unconfirmed: reason }] }
  const fleet = new Simulation({ web1: fetched, web2: fetched })
  const recorded = {
    online: new Set(['web1', 'web2']),
    behind: new Map(),
    apps: { site: { commit: old, revision: 'v1' } },
  }
  const { report } = await fleet.go({ action: 'setup' }, { recorded })
  t.match(report.commits, { site: old })
  t.match(report.warnings, [
    /^web1: cannot list the branches and tags of git:.*; site keeps commit a{40}, and main may have a newer one \(/,
  ])
  t.match(eventsOf(fleet, 'commit'), [{ commit: old, revision: 'v1', unconfirmed: reason }])
  for (const host of ['web1', 'web2']) t.equal(fleet.current(host, 'site'), old)
})

t.test('an invalid revision refuses a deploy, and fails a setup', async (t) => {
  const error = new ConvergeError('git://git.example.com/site.git has no branch, tag or commit nope', {
    code: 'UNKNOWN_REVISION',
    hint: 'it has: main',
  })
  const wrong: Behaviour = { revisions: () => error }
  const fleet = new Simulation({ web1: wrong })
  const { refusal, changes } = await fleet.go({ revision: 'nope' })
  t.equal(refusal, error)
  t.strictSame([changes.online, changes.outdated, changes.upToDate], [[], [], []])
  t.strictSame(eventsOf(fleet, 'end', 'deployment'), [])
  const setup = await new Simulation({ web1: wrong }).go({ action: 'setup', revision: 'nope' })
  t.equal(setup.refusal, null)
  t.match(setup.report.hosts, [{ failure: { code: 'UNKNOWN_REVISION', hint: 'it has: main' } }])
})

t.test('an abbreviated commit is resolved by the build, and displayed before the switch', async (t) => {
  const answers: Behaviour = {
    revisions: (times) => [{ app: 'site', revision: 'c0ffee1', commit: times === 0 ? null : tip }],
  }
  const fleet = new Simulation({ web1: answers, web2: answers })
  const { report } = await fleet.go({ revision: 'c0ffee1' })
  t.match(report, { outcome: 'changed', commits: { site: tip } })
  const shown = eventsOf(fleet, 'commit', 'moves', 'phase').flatMap((event) =>
    event.event === 'phase' ? event.phase : event.event,
  )
  t.strictSame(shown, ['connect', 'build', 'commit', 'moves', 'switch', 'switch'])
  t.match(eventsOf(fleet, 'moves'), [{ moves: [{ app: 'site', from: { commit: old }, to: { commit: tip } }] }])
  const last = fleet.requests.at(-1)?.documents[0]?.value
  t.match(last, { deploy: { site: { scm: { revision: 'c0ffee1', commit: tip } } } })
})

t.test('displays the number of the deployment after it has locked the hosts', async (t) => {
  const locked = new Simulation({ web1: {}, web2: { connects: 'held' } })
  const { lockedHosts } = await locked.go({})
  t.match(lockedHosts, [{ host: 'web2' }])
  t.match(eventsOf(locked, 'start', 'deployment'), [{ event: 'start', id: null }])
  t.equal(eventsOf(locked, 'deployment').length, 0)
  for (const action of ['setup', 'deploy', 'configure', 'rollback', 'shutdown'] as const) {
    const fleet = new Simulation({ web1: { history: [old, tip] } })
    await fleet.go({ action })
    t.strictSame(eventsOf(fleet, 'deployment'), [{ event: 'deployment', id: '000001' }], action)
  }
})
