/**
 * Tests rollouts from start to end: order of phases, failures and their limits, rollbacks, migrations and interrupts.
 */
import * as fc from 'fast-check'
import t from 'tap'
import type { Strategy } from '../../../../core/fleet/planning/batches.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const five = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name): [string, Behaviour] => [name, {}]))

/** Starts a site that answers as listed, one entry for each request, and repeats the last entry. */
function gateWith(...answers: readonly boolean[]) {
  let at = 0
  return async () => {
    const ok = answers[Math.min(at++, answers.length - 1)] === true
    return { ok, what: 'http://site/', detail: ok ? 'status 200' : 'status 500' }
  }
}

t.test('builds everything before any switch, and uses one commit for all hosts', async (t) => {
  const fleet = new Simulation({ zeo: { stage: 0 }, a: { stage: 1 }, b: { stage: 1 }, web: { stage: 2, apps: [] } })
  const { report, changes } = await fleet.go({}, { only: ['zeo', 'a', 'b'] })
  t.match(report, { outcome: 'changed', commits: { site: 'c'.repeat(40) } })
  t.strictSame(fleet.begun, ['zeo build', 'a build', 'b build', 'zeo deploy', 'a deploy', 'b deploy', 'web configure'])
  const commits = fleet.requests.map(({ documents }) => JSON.stringify(documents[0]?.value))
  t.ok(
    commits.every((text) => text.includes('c'.repeat(40))),
    'each got the commit',
  )
  t.strictSame(changes.apps, { site: { commit: 'c'.repeat(40), revision: 'main' } })
  t.equal(fleet.closed.size, 4, 'every connection is closed')
})

t.test('setup prepares all hosts at once, deploys by layers, and configures all at the end', async (t) => {
  const fleet = new Simulation({ zeo: { stage: 0 }, a: { stage: 1 }, web: { stage: 2, apps: [] } })
  const { report, changes } = await fleet.go(
    { action: 'setup', strategy: 'parallel' },
    { recorded: { online: new Set(), behind: new Map(), apps: {} } },
  )
  t.equal(report.outcome, 'changed')
  t.strictSame(fleet.begun.slice(0, 6).sort(), [
    'a build',
    'a setup',
    'web build',
    'web setup',
    'zeo build',
    'zeo setup',
  ])
  t.strictSame(fleet.begun.slice(6, 9), ['zeo deploy', 'a deploy', 'web deploy'])
  t.strictSame(fleet.begun.slice(9).sort(), ['a configure', 'web configure', 'zeo configure'])
  t.strictSame(changes.online, ['zeo', 'a', 'web'])
  t.ok(
    fleet.online.slice(-3).every((online) => online.size === 3),
    'a host that setup prepares counts as online',
  )
})

t.test('a failed build changes nothing on any host', async (t) => {
  const fleet = new Simulation({ ...five, c: { does: { build: 'fails' } } })
  const { report } = await fleet.go({})
  t.match(report, { outcome: 'failed', stopped: 'one host failed, and --max-failures is 0' })
  t.notOk(fleet.begun.some((text) => text.endsWith('deploy')))
  t.equal(report.hosts.find(({ host }) => host === 'c')?.outcome, 'failed')
})

t.test('a failed canary is the only changed host, and rolls back', async (t) => {
  const fleet = new Simulation({ ...five, a: { does: { deploy: 'fails' } } })
  const { report } = await fleet.go({ strategy: 'canary', rollbackOnFailure: true })
  t.strictSame(
    fleet.begun.filter((text) => !text.endsWith('build')),
    ['a deploy'],
    'no host had switched to it',
  )
  t.equal(report.outcome, 'failed')
  const gate = new Simulation(five)
  const health = gateWith(true, false)
  const second = await gate.go({ strategy: 'canary', rollbackOnFailure: true }, { checkHealth: health })
  t.strictSame(
    gate.begun.filter((text) => !text.endsWith('build')),
    ['a deploy', 'a rollback'],
  )
  t.match(second.report, { outcome: 'failed', stopped: /http:\/\/site\/: status 500/ })
  const sick = new Simulation({ ...five, a: { does: { deploy: 'breaks' } } })
  const third = await sick.go({ strategy: 'canary', rollbackOnFailure: true })
  t.match(third.report.hosts[0], { outcome: 'rolled back', phase: 'rollback', failedIn: 'switch' })
  const ends = sick.emitted.flatMap((event) => (event.event === 'done' && event.host === 'a' ? [event] : []))
  t.match(
    ends.filter(({ phase }) => phase === 'switch' || phase === 'rollback'),
    [
      { phase: 'switch', outcome: 'failed', failure: { code: 'BROKEN' } },
      { phase: 'rollback', outcome: 'rolled back', failure: undefined },
    ],
  )
  t.match(second.report.hosts[0], { host: 'a', outcome: 'rolled back', live: [{ app: 'site', release: '1' }] })
})

t.test('checks a site that did not answer before only at the end', async (t) => {
  const healths = (fleet: Simulation) => fleet.emitted.flatMap((event) => (event.event === 'health' ? event.ok : []))
  const fresh = new Simulation({ zeo: { stage: 0 }, a: { stage: 1 }, web: { stage: 2, apps: [] } })
  const known = { online: new Set<string>(), behind: new Map<string, string>(), apps: {} }
  const first = await fresh.go({ action: 'setup' }, { recorded: known, checkHealth: gateWith(true, false) })
  t.match(first.report, { outcome: 'changed', warnings: [] })
  t.strictSame(healths(fresh), [true], 'the welcome page of a package is not the site')
  const broken = new Simulation(five)
  const second = await broken.go({ action: 'rollback' }, { checkHealth: gateWith(false, true) })
  t.match(second.report, {
    outcome: 'changed',
    warnings: [/^the health check failed before the first switch: http:..site.: status 500/],
  })
  t.strictSame(healths(broken), [true], 'the rollout that would repair it continues')
  const still = new Simulation(five)
  const third = await still.go({}, { checkHealth: gateWith(false) })
  t.match(third.report, { outcome: 'failed', stopped: /http:\/\/site\/: status 500/ })
  t.equal(still.begun.filter((text) => text.endsWith('deploy')).length, 5)
})

t.test('a host that was only prepared when the rollout aborted is neither online nor up to date', async (t) => {
  const fleet = new Simulation({ ...five, b: { does: { deploy: 'fails' } } })
  const known = { online: new Set(['a', 'b']), behind: new Map([['c', '000007']]), apps: {} }
  const { changes } = await fleet.go({ action: 'setup' }, { recorded: known })
  t.strictSame(changes.online, ['a'])
  t.strictSame(changes.upToDate, ['a'])
})

t.test('continues after failures up to --max-failures', async (t) => {
  const fleet = new Simulation({ ...five, b: { does: { deploy: 'fails' } }, d: { does: { deploy: 'fails' } } })
  const { report } = await fleet.go({ maxFailures: { count: 1 } })
  t.equal(fleet.begun.filter((text) => text.endsWith('deploy')).length, 4)
  t.match(report, { outcome: 'failed', stopped: '2 hosts failed, and --max-failures is 1' })
  t.notOk(fleet.begun.includes('e deploy'))
})

t.test('counts hosts that fail after the limit is exceeded', async (t) => {
  const fails = { does: { deploy: 'fails' } } as const
  const { report } = await new Simulation({ ...five, b: fails, d: fails }).go({ strategy: 'parallel' })
  t.match(report, { outcome: 'failed', stopped: '2 hosts failed, and --max-failures is 0' })
})

t.test('the first host migrates, once, alone and before all others', async (t) => {
  const fleet = new Simulation({ ...five, a: { apps: [] } })
  await fleet.go({ migration: 'all', strategy: 'parallel' })
  const deploys = fleet.requests.filter(({ events }) => events[0] === 'deploy')
  t.strictSame(
    deploys.filter(({ options }) => options.includes('--migrate')).map(({ host }) => host),
    ['b'],
  )
  t.equal(deploys.filter(({ options }) => options.includes('--no-migrate')).length, 4)
  t.equal(fleet.begun.filter((text) => text.endsWith('deploy'))[0], 'b deploy')
})

t.test('a host with an app to migrate migrates, and only for a commit that is new to the stack', async (t) => {
  const both = { apps: ['site', 'shop'] }
  const fleet = new Simulation({ zeo: { migrating: [] }, a: {}, b: both, c: { apps: ['shop'] } })
  const deployWithMigration = () =>
    fleet.requests.splice(0).flatMap(({ host, options }) => (options.includes('--migrate') ? host : []))
  await fleet.go({ migration: 'new', strategy: 'parallel' })
  t.strictSame(deployWithMigration(), ['a', 'c'], 'the host with both apps does not migrate the first app again')
  const commit = 'c'.repeat(40)
  const apps = { site: { commit, revision: 'main' }, shop: { commit: 'd'.repeat(40), revision: 'main' } }
  const known = { online: new Set<string>(), behind: new Map<string, string>(), apps }
  await fleet.go({ migration: 'new', action: 'setup' }, { recorded: known })
  t.strictSame(deployWithMigration(), ['b'], 'the stack is on this commit of the site already')
  await fleet.go({ migration: 'all' }, { recorded: known })
  t.strictSame(deployWithMigration(), ['a', 'c'], 'unless it is asked for')
})

t.test('hosts that are down abort the rollout, or --down skip leaves them out of date', async (t) => {
  const hosts = { ...five, c: { connects: 'refused' } as const }
  const refused = new Simulation(hosts)
  const first = await refused.go({})
  t.strictSame(refused.begun, [])
  t.match(first.report, {
    outcome: 'failed',
    stopped: 'c cannot be used; nothing was changed; add --down skip to continue without it',
  })
  const skipped = new Simulation(hosts)
  const second = await skipped.go({ onUnreachable: 'skip' })
  t.match(second.report, { outcome: 'changed', warnings: [] })
  t.match(
    second.report.hosts.find(({ host }) => host === 'c'),
    { outcome: 'skipped', reason: /refused/ },
    'its operator asked for that',
  )
  t.strictSame(second.changes.outdated, ['c'])
  const wrong = new Simulation({ ...five, c: { connects: 'wrong key' } })
  t.match((await wrong.go({ onUnreachable: 'skip' })).report, { outcome: 'failed', stopped: /nothing was changed$/ })
  const late = new Simulation(five)
  const known = {
    online: new Set(Object.keys(five)),
    behind: new Map([['c', '000007']]),
    apps: { site: { commit: 'd'.repeat(40), revision: 'main' } },
  }
  const third = await late.go({ action: 'configure' }, { recorded: known })
  t.ok(late.begun.includes('c setup+deploy+configure'))
  t.match(JSON.stringify(late.requests.find(({ host }) => host === 'c')?.documents), 'd'.repeat(40))
  t.strictSame(third.changes.upToDate, ['c'])
})

t.test('hosts that fail within --max-failures are out of date', async (t) => {
  const fleet = new Simulation({ ...five, b: { does: { deploy: 'fails' } }, c: { does: { deploy: 'lost' } } })
  const { changes } = await fleet.go({ maxFailures: { count: 2 } })
  t.strictSame(changes.outdated, ['b', 'c'])
})

const [old, bad, good] = ['0'.repeat(40), 'b'.repeat(40), 'd'.repeat(40)]

t.test('a rollback switches all hosts to one commit, also one that had another release in between', async (t) => {
  const history = [old, good]
  const fleet = new Simulation({ a: { history: [old, bad, good] }, b: { history }, c: { history } })
  const { report } = await fleet.go({ action: 'rollback' })
  t.strictSame(
    report.hosts.map(({ live }) => live[0]?.commit),
    [old, old, old],
  )
  const named = new Simulation({ a: { history: [old, bad, good] }, b: { history } })
  const refused = await named.go({ action: 'rollback', rollbackTo: bad.slice(0, 8) })
  t.match(refused.report, { stopped: /one host failed/, hosts: [{}, { failure: { code: 'NO_SUCH_RELEASE' } }] })
  t.notOk(named.begun.includes('a rollback'), 'not even where there is one')
  const back = await new Simulation({ a: { history } }).go({ action: 'rollback', rollbackTo: old.slice(0, 8) })
  t.equal(back.report.hosts[0]?.live[0]?.commit, old)
})

t.test('a parallel rollback begins no further host after too many failures', async (t) => {
  const hosts = Object.fromEntries(
    Object.keys(five).map((name): [string, Behaviour] => [name, { history: [old, good] }]),
  )
  const fleet = new Simulation({ ...hosts, a: { history: [old, good], does: { rollback: 'fails' } } })
  await fleet.go({ action: 'rollback', strategy: 'parallel', parallel: 2 })
  t.ok(fleet.begun.length <= 3, fleet.begun.join(', '))
})

t.test('after a rollback, a host that was down gets the commit of the others', async (t) => {
  const history = [old, good]
  const hosts = { a: { history }, b: { connects: 'refused' } as const, c: { history } }
  const apps = { site: { commit: good, revision: 'main' } }
  const known = { online: new Set(['a', 'b', 'c']), behind: new Map<string, string>(), apps }
  const { changes } = await new Simulation(hosts).go({ action: 'rollback', onUnreachable: 'skip' }, { recorded: known })
  t.strictSame(changes.outdated, ['b'])
  t.strictSame(changes.apps, { site: { commit: old, revision: old } })
  const part = await new Simulation({ a: { history }, c: { history } }).go(
    { action: 'rollback' },
    { recorded: known, only: ['a'] },
  )
  t.strictSame(part.changes.apps, {}, 'a rollback of one host changes no commit of the stack')
})

t.test('a deploy of one of two apps does not make a host up to date', async (t) => {
  const fleet = new Simulation({ a: { apps: ['site', 'shop'] }, b: {} })
  const { changes } = await fleet.go({ apps: ['site'] })
  t.strictSame(changes.upToDate, ['b'])
})

t.test('a new host gets the commit of the others', async (t) => {
  const fleet = new Simulation({ a: {}, b: {}, new: {} })
  const apps = { site: { commit: good, revision: 'main' } }
  const known = { online: new Set(['a', 'b']), behind: new Map<string, string>(), apps }
  const { report } = await fleet.go({ action: 'setup' }, { recorded: known, only: ['new'] })
  t.strictSame(report.commits, { site: good })
  const all = await new Simulation({ a: {}, b: {} }).go(
    { action: 'setup' },
    { recorded: { ...known, online: new Set() } },
  )
  t.strictSame(all.report.commits, { site: 'c'.repeat(40) }, 'a stack that is set up again gets the newest')
})

t.test('other hosts that are unreachable are out of date', async (t) => {
  const fleet = new Simulation({ a: {}, web: { apps: [], connects: 'refused' } })
  const { report, changes } = await fleet.go({}, { only: ['a'] })
  t.match(report, { outcome: 'changed', warnings: [/^web: /] })
  t.strictSame(changes.outdated, ['web'])
})

t.test('shutdown configures the other hosts first', async (t) => {
  const fleet = new Simulation({ a: {}, b: {}, web: { apps: [], stage: 1 } })
  const { changes } = await fleet.go({ action: 'shutdown' }, { only: ['b'] })
  t.strictSame(fleet.begun, ['a configure', 'web configure', 'b shutdown'])
  t.notOk(fleet.online[0]?.has('b'))
  t.strictSame(changes.stopped, ['b'])
})

t.test('Ctrl-C: begins no further host, then finishes the steps, then leaves', async (t) => {
  const fleet = new Simulation(five)
  fleet.onRun = (host, event) => {
    if (host === 'b' && event === 'deploy') fleet.interrupt('no more hosts')
  }
  const { report } = await fleet.go({})
  t.strictSame(
    fleet.begun.filter((text) => text.endsWith('deploy')),
    ['a deploy', 'b deploy'],
  )
  t.equal(report.outcome, 'interrupted')
  const twice = new Simulation(five)
  twice.onRun = (host, event) => {
    if (host === 'b' && event === 'deploy') twice.interrupt('finish steps')
  }
  await twice.go({})
  t.ok(twice.begun.includes('b interrupted'))
})

t.test('whatever fails: never exceeds the batch, begins none after the limit, reports every host', async () => {
  const behaviour = fc.record({
    deploy: fc.constantFrom('changed', 'unchanged', 'fails', 'lost'),
    build: fc.constantFrom('changed', 'changed', 'unchanged', 'fails'),
    stage: fc.nat(2),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(behaviour, { minLength: 1, maxLength: 12 }),
      fc.constantFrom<Strategy>('parallel', 'rolling', 'canary'),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(3),
      fc.boolean(),
      async (all, strategy, count, most, rollbackOnFailure) => {
        const hosts = all.map(({ deploy, build, stage }, at): [string, Behaviour] => {
          const does = { ...(deploy === 'changed' ? {} : { deploy }), ...(build === 'changed' ? {} : { build }) }
          return [`h${at}`, { stage, does: does as Behaviour['does'] & object }]
        })
        const fleet = new Simulation(Object.fromEntries(hosts))
        const { report } = await fleet.go({
          strategy,
          batchSize: { count },
          maxFailures: { count: most },
          rollbackOnFailure,
        })
        if (report.hosts.length !== all.length) throw new Error('a host is missing from the report')
        if (strategy === 'rolling' && (fleet.atOnce.get('deploy') ?? 0) > count) throw new Error('too many at once')
        const broken = all.filter(({ build }) => build === 'fails').length
        if (broken > most && fleet.atOnce.has('deploy')) throw new Error('switched in spite of the failures')
        // Includes hosts that have been rolled back since.
        const failed = report.hosts.filter(({ failure }) => failure !== undefined)
        if (failed.length > 0 !== (report.outcome === 'failed')) throw new Error(`failures, and ${report.outcome}`)
        // At most those that were running when the limit was exceeded.
        const deploys = fleet.begun.filter((text) => text.endsWith(' deploy')).length
        const succeeded = report.hosts.filter(({ live }) => live.length > 0).length
        if (strategy === 'rolling' && broken <= most && failed.length > most + count)
          throw new Error('it went on after the limit')
        if (deploys > all.length || succeeded > all.length) throw new Error('a host went twice')
        const rolledBack = fleet.begun.filter((text) => text.endsWith(' rollback')).length
        if (!(rollbackOnFailure && report.stopped !== undefined) && rolledBack > 0) throw new Error('unasked rollback')
      },
    ),
  )
})

t.test('only a rollout of all roles stores the command that the host runs later', async (t) => {
  const kept = async (request: object) => {
    const simulation = new Simulation({ one: { apps: ['site'] } })
    await simulation.go(request)
    return simulation.requests.map(({ events, persist }) => `${events} ${persist ?? '-'}`)
  }
  t.strictSame(await kept({ action: 'deploy' }), ['build -', 'deploy online'])
  t.strictSame(await kept({ action: 'rollback' }), ['rollback same'])
  t.strictSame(await kept({ action: 'shutdown' }), ['shutdown stopped'])
  t.strictSame(await kept({ action: 'run', events: ['restart'] }), ['restart -'])
  t.strictSame(await kept({ action: 'hooks', events: ['hooks_install'], schedule: { interval: '5m' } }), [
    'hooks_install first',
  ])
})

t.test('a plan of a rollback names the release of the real rollback', async (t) => {
  const [old, good, bad] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string]
  const history = [old, good, bad]
  const hosts = { canary: { history }, stays: { history: [old, good] }, later: { history: [good, bad] } }
  const announcedMoves = async (action: 'plan' | 'rollback') => {
    const fleet = new Simulation(hosts)
    await fleet.go({ action, events: action === 'plan' ? ['rollback'] : [] })
    t.ok(fleet.requests.every(({ isDryRun }) => isDryRun === (action === 'plan')))
    return fleet.requests.map(({ host, events, options }) => [host, ...events, ...options])
  }
  const planned = await announcedMoves('plan')
  t.strictSame(planned, [
    ['canary', 'rollback', '--to', '2'],
    ['stays', 'rollback', '--to', '2'],
    ['later', 'rollback', '--to', '1'],
  ])
  t.strictSame(planned, await announcedMoves('rollback'))
})

t.test('a dry run of hooks is a plan of each host with its options', async (t) => {
  const simulation = new Simulation({ one: {}, two: {} })
  const { report } = await simulation.go({ action: 'plan', events: ['hooks_install'], schedule: { interval: '5m' } })
  t.equal(report.outcome, 'planned')
  t.strictSame(
    simulation.requests.map(({ events, isDryRun, options, persist }) => [...events, isDryRun, ...options, persist]),
    [1, 2].map(() => ['hooks_install', true, '--interval', '5m', undefined]),
  )
})
