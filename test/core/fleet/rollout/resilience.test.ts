/**
 * Tests that a started rollout completes: failures outside of hosts, repeated failures, and work for the next rollout.
 */
import * as fc from 'fast-check'
import t from 'tap'
import type { RolloutPorts } from '../../../../core/fleet/rollout/state/ports.ts'
import type { RolloutRequest } from '../../../../core/fleet/rollout/state/request.ts'
import { type Behaviour, Simulation } from './simulated.ts'

const three = { a: {}, b: {}, c: {} }
const deploys = ({ begun }: Simulation) => begun.filter((text) => text.endsWith(' deploy'))
const [old, good] = ['0'.repeat(40), 'd'.repeat(40)]

function known(
  apps: Readonly<Record<string, string>>,
  more: Partial<RolloutPorts['recorded']> = {},
): RolloutPorts['recorded'] {
  const pins = Object.entries(apps).map(([app, commit]) => [app, { commit, revision: 'main' }])
  return { online: new Set(['a', 'b', 'c']), behind: new Map(), apps: Object.fromEntries(pins), ...more }
}

/** Returns the commits that each run received: `host event: app commit, …`. */
function requestsOf({ requests }: Simulation): string[] {
  return requests.map(({ host, events, documents }) => {
    const { deploy = {} } = (documents[0]?.value ?? {}) as { deploy?: Record<string, { scm: { commit?: string } }> }
    const commits = Object.entries(deploy).map(([app, { scm }]) => `${app} ${scm.commit?.[0] ?? '-'}`)
    return `${host} ${events.join('+')}: ${commits.sort().join(', ')}`
  })
}

t.test('a failure of the display or the log does not abort a rollout', async (t) => {
  for (const port of ['emit', 'log'] as const) {
    const fleet = new Simulation(three)
    const broken = () => {
      throw new Error('it broke')
    }
    const { report, changes } = await fleet.go({}, { [port]: broken })
    t.strictSame(deploys(fleet), ['a deploy', 'b deploy', 'c deploy'])
    t.equal(report.outcome, 'changed')
    t.match(report.warnings, [/: it broke$/])
    t.equal(report.warnings.length, 1, 'reported once')
    t.strictSame(changes.online, ['a', 'b', 'c'])
  }
})

t.test('a clock that is set back does not break durations', async (t) => {
  let now = 1_000_000
  const fleet = new Simulation(three)
  const { report } = await fleet.go({}, { clock: () => (now -= 1000) })
  t.ok(report.durationMs >= 0)
  t.ok(report.hosts.every(({ durationMs }) => durationMs >= 0))
  for (const event of fleet.emitted) if (event.event === 'done') t.ok(event.durationMs >= 0)
})

t.test('reports the first failure, also if the rollback fails', async (t) => {
  const fleet = new Simulation({ ...three, a: { does: { deploy: 'breaks', rollback: 'lost' } } })
  const { report } = await fleet.go({ rollbackOnFailure: true })
  t.match(report.hosts[0], { outcome: 'lost', phase: 'rollback', failedIn: 'switch', failure: { code: 'BROKEN' } })
  const end = fleet.emitted.findLast((event) => event.event === 'done' && event.host === 'a')
  t.match(end, { phase: 'rollback', failure: { code: 'HOST_LOST' } })
})

t.test('asks nothing more of a host that another rollout locked in the middle of a run', async (t) => {
  const fleet = new Simulation({ ...three, a: { does: { deploy: 'taken' } } })
  const { report } = await fleet.go({})
  t.match(report.hosts[0], { outcome: 'lost', failedIn: 'switch', failure: { code: 'HOST_TAKEN' } })
  t.match(report.hosts[0]?.failure?.message, /^the end of the run is unknown: /)
  t.strictSame(report.warnings, [])
  t.strictSame(fleet.queried.filter((query) => query === 'a releases').length, 1, 'before the deploy only')
})

t.test('the current release of a host that does not report it is unknown', async (t) => {
  const history = [old, good]
  const hosts = { a: { history }, b: { history, silent: { releases: 1 } }, c: { history } }
  const { report, changes } = await new Simulation(hosts).go(
    { action: 'rollback' },
    { recorded: known({ site: good }) },
  )
  t.strictSame(
    report.hosts.map(({ live }) => live.map(({ commit }) => commit)),
    [[old], [], [old]],
    'not its release before',
  )
  t.strictSame(
    changes.apps,
    { site: { commit: old, revision: old } },
    'a host that catches up does not get the commit that was rolled back',
  )
  t.match(report.warnings, [/^b: b says nothing/])
})

t.test('other hosts that fail to configure are out of date', async (t) => {
  const fleet = new Simulation({ a: {}, web: { apps: [], does: { configure: 'fails' } } })
  const { report, changes } = await fleet.go({}, { only: ['a'] })
  t.equal(report.outcome, 'failed')
  t.strictSame(changes.outdated, ['web'])
})

t.test('a failed migration aborts, whatever --max-failures is', async (t) => {
  const fleet = new Simulation({ ...three, a: { does: { deploy: 'fails' } } })
  const { report } = await fleet.go({ migration: 'all', maxFailures: { count: 3 }, batchSize: { count: 3 } })
  t.strictSame(deploys(fleet), ['a deploy'])
  t.match(report, { outcome: 'failed', stopped: 'a must succeed before all other hosts, and failed' })
})

t.test('the migrating host is in the first batch, and completes before the others begin', async (t) => {
  const order: string[] = []
  const fleet = new Simulation({ ...three, b: {}, a: { migrating: [] } })
  fleet.onRun = (host, event) => {
    if (event === 'deploy') order.push(`${host} after ${fleet.ended.filter((text) => text.endsWith(' deploy')).length}`)
  }
  await fleet.go({ migration: 'all', strategy: 'canary', batchSize: { count: 2 } })
  t.strictSame(order, ['b after 0', 'a after 1', 'c after 2'])
  const phases = fleet.emitted.flatMap((event) => (event.event === 'phase' && event.phase === 'switch' ? [event] : []))
  t.match(phases, [
    { hosts: ['b', 'a'], batch: 1, batches: 2 },
    { hosts: ['c'], batch: 2, batches: 2 },
  ])
})

t.test('the first layer of an app migrates it', async (t) => {
  const fleet = new Simulation({ web: { stage: 1 }, worker: { stage: 0 } })
  await fleet.go({ migration: 'all' })
  t.strictSame(
    fleet.requests.flatMap(({ host, options }) => (options.includes('--migrate') ? host : [])),
    ['worker'],
  )
})

t.test('only hosts with a build event build', async (t) => {
  const hosts: Readonly<Record<string, Behaviour>> = { a: {}, lb: { stage: 1, apps: [], without: ['build'] } }
  const fleet = new Simulation(hosts)
  await fleet.go({ action: 'setup' })
  const phases = fleet.emitted.flatMap((event) =>
    event.event === 'phase' && event.phase === 'build' ? [event.hosts] : [],
  )
  t.strictSame(phases, [['a']])
  t.notOk(fleet.begun.includes('lb build'))
})

const two = { apps: ['site', 'shop'], history: { site: ['a'.repeat(40)], shop: ['b'.repeat(40)] } }

t.test('an app that is not selected stays on its commit', async (t) => {
  const fleet = new Simulation({ a: two, b: { apps: ['site'] } })
  const { report } = await fleet.go({ apps: ['site'] })
  t.match(report.hosts[0]?.live, [
    { app: 'site', commit: 'c'.repeat(40) },
    { app: 'shop', commit: 'b'.repeat(40) },
  ])
  t.strictSame(requestsOf(fleet), [
    'a build: shop b, site c',
    'b build: site c',
    'a deploy: shop b, site c',
    'b deploy: site c',
  ])
  const deployed = ({ host, documents }: (typeof fleet.requests)[number]) => {
    const { converge } = (documents[0]?.value ?? {}) as { converge?: { deployed_apps: string[] } }
    return `${host}: ${converge?.deployed_apps ?? 'all'}`
  }
  t.strictSame(
    [...new Set(fleet.requests.map(deployed))].sort(),
    ['a: site', 'b: all'],
    'shop stays stopped where it is',
  )
})

t.test('refuses undeploy of one of two apps before any change', async (t) => {
  const fleet = new Simulation({ a: two, b: { apps: ['site'] } })
  const { report } = await fleet.go({ action: 'undeploy', apps: ['site'] })
  t.strictSame(fleet.begun, [])
  t.match(report.hosts[0]?.failure, {
    code: 'USAGE',
    message: /the host runs shop as well, and undeploy removes all apps/,
  })
})

t.test('rolls back two apps on one host', async (t) => {
  const history = { site: ['1', '2', '3'].map((n) => n.repeat(40)), shop: ['7', '8'].map((n) => n.repeat(40)) }
  const currentCommits = ({ hosts }: { hosts: readonly { live: readonly { commit: string | null }[] }[] }) =>
    hosts.map(({ live }) => live.map(({ commit }) => commit?.[0]).join(' '))
  const hosts = { a: { ...two, history }, b: { ...two, history }, c: { history: history.site } }
  const all = await new Simulation(hosts).go({ action: 'rollback' })
  t.strictSame(currentCommits(all.report), ['2 7', '2 7', '2'])
  t.match(all.changes.apps, { site: { commit: /^2/ }, shop: { commit: /^7/ } })
  const one = await new Simulation(hosts).go({ action: 'rollback', apps: ['shop'] }, { only: ['a', 'b'] })
  t.strictSame(currentCommits(one.report), ['3 7', '3 7'], 'the rollout does not touch the other host')
  t.match(one.changes.apps, { shop: { commit: /^7/ } })
})

t.test('rolls back each app to its own previous release', async (t) => {
  const history = { site: ['1', '2'].map((n) => n.repeat(40)), shop: ['7', 'c'].map((n) => n.repeat(40)) }
  const fleet = new Simulation({ a: { ...two, history }, b: { ...two, history, does: { deploy: 'breaks' } } })
  const { report } = await fleet.go({ rollbackOnFailure: true })
  t.match(
    report.hosts.map(({ live }) => live.map(({ commit }) => commit?.[0]).join(' ')),
    ['2 c', '2 c'],
    'there was nothing new of the shop, and it stays',
  )
})

t.test('rolls back a host whose deploy was killed, because it may have switched', async (t) => {
  for (const end of ['dies', 'lost'] as const) {
    const fleet = new Simulation({ ...three, b: { does: { deploy: end } } })
    const { report } = await fleet.go({ rollbackOnFailure: true })
    t.strictSame(
      report.hosts.map(({ outcome, phase }) => `${outcome}, ${phase}`),
      ['rolled back, rollback', 'rolled back, rollback', 'changed, build'],
      end,
    )
    t.equal(report.hosts[1]?.live[0]?.commit, 'a'.repeat(40))
  }
})

t.test('a health check that throws counts as failed', async (t) => {
  let requestCount = 0
  const fleet = new Simulation(three)
  const health = async () => {
    if (++requestCount === 1) return { ok: true, what: 'x', detail: '' }
    throw new Error('it cannot be queried')
  }
  const { report } = await fleet.go({ strategy: 'canary', rollbackOnFailure: true }, { checkHealth: health })
  t.match(report, { outcome: 'failed', stopped: /the health check failed: .*the check cannot run/ })
  t.strictSame(
    fleet.begun.filter((text) => !text.endsWith(' build')),
    ['a deploy', 'a rollback'],
  )
})

t.test('a plan uses the current commit of the branch, or the given revision', async (t) => {
  const fleet = new Simulation({ a: {} })
  await fleet.go({ action: 'plan' }, { recorded: known({ site: good }) })
  await fleet.go({ action: 'plan', apps: ['site'], revision: 'v2' }, { recorded: known({ site: good }) })
  t.strictSame(
    fleet.requests.map(({ documents }) => documents[0]?.value),
    [{}, { deploy: { site: { scm: { revision: 'v2' } } } }],
  )
})

t.test('another host that catches up gets the commit of the stack, not the one of this rollout', async (t) => {
  const fleet = new Simulation(three)
  await fleet.go({}, { only: ['a'], recorded: known({ site: good }, { behind: new Map([['b', '000007']]) }) })
  t.strictSame(requestsOf(fleet).slice(-2), ['c configure: site d', 'b setup+deploy+configure: site d'])
})

t.test('a host without a current release, or far out of date, does not prevent a rollback', async (t) => {
  const history = ['9', '1', '2'].map((n) => n.repeat(40))
  const fleet = new Simulation({ a: { history }, b: { history }, c: { history: ['9'.repeat(40)] }, d: { history: [] } })
  const { report, changes } = await fleet.go({ action: 'rollback' })
  t.match(report.hosts, [
    { outcome: 'changed', live: [{ commit: /^1/ }] },
    { outcome: 'changed', live: [{ commit: /^1/ }] },
    { outcome: 'skipped', reason: /no release of 1{12}/ },
    { outcome: 'unchanged' },
  ])
  t.strictSame(changes.outdated, ['c'])
  t.match(changes.apps, { site: { commit: /^1/ } })
})

t.test('waits for all hosts of a batch, whatever fails', async (t) => {
  let endSlowDeploy: () => void = () => undefined
  const slow = new Promise<void>((resolve) => {
    endSlowDeploy = resolve
  })
  const fleet = new Simulation({ ...three, a: { waits: { deploy: slow } } })
  let calls = 0
  const { report } = await fleet.go(
    { strategy: 'parallel', parallel: 2 },
    {
      clock: () => {
        // At the start of the next host.
        if (!fleet.ended.includes('b deploy') || ++calls !== 2) return 0
        // The other host of the batch ends later: the rollout must wait for it.
        setTimeout(endSlowDeploy, 30)
        throw new Error('no clock')
      },
    },
  )
  t.strictSame(
    fleet.begun.filter((text) => !fleet.ended.includes(text)),
    [],
  )
  t.match(report, { outcome: 'failed', stopped: 'no clock' })
})

t.test('whatever happens to any host: none passes the migrating host, and the commit of each is known', async () => {
  const apps = fc.subarray(['site', 'shop'])
  const what = fc.constantFrom('changed', 'changed', 'changed', 'unchanged', 'fails', 'breaks', 'dies', 'lost')
  const one = fc.record({
    apps,
    migrating: apps,
    stage: fc.nat(2),
    does: fc.record({ build: what, deploy: what, rollback: fc.constantFrom('changed', 'changed', 'lost') }),
    silent: fc.constantFrom({}, {}, {}, {}, { releases: 0 }, { releases: 1 }),
  })
  const requests = fc.record({
    action: fc.constantFrom('deploy', 'setup'),
    strategy: fc.constantFrom('parallel', 'rolling', 'canary'),
    batch: fc.record({ count: fc.integer({ min: 1, max: 3 }) }),
    maxFailures: fc.record({ count: fc.nat(4) }),
    apps: fc.constantFrom([], ['site']),
    parallel: fc.integer({ min: 1, max: 5 }),
    rollbackOnFailure: fc.boolean(),
    migration: fc.constantFrom('all', 'none'),
  })
  const [site, shop, tip] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string]
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 7 }), requests, async (all, request) => {
      const hosts = all.map(({ does, apps, migrating, ...more }, at) => {
        const unusual = Object.fromEntries(Object.entries(does).filter(([, what]) => what !== 'changed'))
        const own = migrating.filter((app) => apps.includes(app))
        const history = { site: [site], shop: [shop] }
        const host: Behaviour = { ...more, apps, history, migrating: own, does: unusual as Behaviour['does'] & object }
        return [`h${at}`, host] as const
      })
      const fleet = new Simulation(Object.fromEntries(hosts))
      const of = new Map<string, Behaviour>(hosts)
      const means = (app: string) => request.apps.length === 0 || app === 'site'
      const migrated = new Set<string>()
      fleet.onRun = (host, event) => {
        if (event !== 'deploy' || request.migration === 'none') return
        for (const ended of fleet.ended) {
          const [name = '', before] = ended.split(' ')
          const isFirst = fleet.requests.some(({ host, options }) => host === name && options.includes('--migrate'))
          const { does, migrating } = of.get(name) ?? {}
          if (before !== 'deploy' || !isFirst || !['unchanged', undefined].includes(does?.deploy)) continue
          for (const app of migrating ?? []) migrated.add(app)
        }
        if (fleet.requests.at(-1)?.options.includes('--migrate')) return
        for (const app of of.get(host)?.migrating ?? [])
          if (means(app) && !migrated.has(app)) throw new Error(`${host} is ahead of who migrates ${app}`)
      }
      const { report, changes } = await fleet.go(request as Partial<RolloutRequest>)
      const runs = fleet.begun.filter((text) => /deploy|rollback/.test(text))
      if (new Set(runs).size !== runs.length) throw new Error('a host went twice')
      for (const { host, live, failure } of report.hosts) {
        // An exception during a host's run is reported as the host's failure.
        if (failure?.code === 'INTERNAL') throw new Error(failure.message)
        const { apps = [], does } = of.get(host) ?? {}
        if (!means('shop') && apps.includes('shop') && fleet.current(host, 'shop') !== shop)
          throw new Error('shop moved')
        for (const { app, commit } of live)
          if (commit !== fleet.current(host, app)) throw new Error(`${host} is not on ${commit}`)
        const goesBack = request.rollbackOnFailure && report.stopped !== undefined && does?.rollback !== 'lost'
        const isOn = (app: string) => fleet.current(host, app) === tip
        if (goesBack && apps.some((app) => means(app) && isOn(app))) throw new Error(`${host} has not gone back`)
        for (const [app, { commit }] of Object.entries(changes.apps))
          if (apps.includes(app) && fleet.current(host, app) !== commit && !changes.outdated.includes(host))
            if (does?.deploy !== 'unchanged') throw new Error(`${host} is not on ${app} ${commit}, and nobody knows`)
      }
    }),
    { numRuns: 400 },
  )
})

t.test('runs learn which hosts the rollout could not connect to, and not those that were lost later', async (t) => {
  const fleet = new Simulation({ ...three, b: { connects: 'refused' }, d: { connects: 'refused' }, e: {} })
  await fleet.go(
    { onUnreachable: 'skip' },
    { only: ['a', 'b', 'c'], recorded: known({}, { online: new Set('abcde') }) },
  )
  const absent = fleet.requests.map(({ host, events, absentHosts }) => `${host} ${events}: ${absentHosts}`)
  t.ok(absent.includes('a deploy: b,d'), absent.join('\n'))
  t.ok(absent.includes('e configure: b,d'), absent.join('\n'))
  const lost = new Simulation({ ...three, a: { does: { deploy: 'lost' } } })
  await lost.go({ maxFailures: { count: 1 } })
  t.strictSame(
    lost.requests.filter(({ absentHosts = [] }) => absentHosts.length > 0),
    [],
    'its run may continue, and set its clients ready',
  )
})
