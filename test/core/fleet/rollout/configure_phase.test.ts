/** Tests restarts of hosts that adapt to the stack: they are announced, and run in batches. */
import t from 'tap'
import { type Behaviour, Simulation } from './simulated.ts'

const client = { stage: 1, restarts: 'restart site-client1' }
const stack: Readonly<Record<string, Behaviour>> = {
  zeo: { stage: 0, apps: ['zeo'], restarts: 'restart zeo; start other' },
  a: client,
  b: client,
  c: client,
  calm: { stage: 1, restarts: 'start site-client1' },
  web: { stage: 2, apps: [] },
}

const batches = ({ emitted: reported }: Simulation) =>
  reported.flatMap((event) => (event.event === 'phase' && event.phase === 'configure' ? event.hosts.join(' ') : []))
const announced = ({ emitted: reported }: Simulation) =>
  reported.flatMap((event) => (event.event === 'restarts' ? event.hosts : []))

t.test('configures hosts without a restart at once, then the others one after the other, by layers', async (t) => {
  const fleet = new Simulation(stack)
  const { report } = await fleet.go({ action: 'configure' })
  t.equal(report.outcome, 'changed')
  t.strictSame(fleet.foreseen.sort(), ['a', 'b', 'c', 'calm', 'web', 'zeo'])
  t.strictSame(batches(fleet), ['calm web', 'zeo', 'a', 'b', 'c'])
  t.strictSame(announced(fleet), [
    { host: 'zeo', what: ['zeo'] },
    ...['a', 'b', 'c'].map((host) => ({ host, what: ['site-client1'] })),
  ])
  const order = fleet.emitted.map(({ event }) => event)
  t.ok(order.indexOf('restarts') < order.lastIndexOf('phase'), 'beforehand')
  const two = new Simulation(stack)
  await two.go({ action: 'configure', batchSize: { count: 2 } })
  t.strictSame(batches(two), ['calm web', 'zeo', 'a b', 'c'])
})

t.test('configures all hosts at once if none restarts', async (t) => {
  const fleet = new Simulation({ a: {}, b: {}, web: { apps: [] } })
  await fleet.go({ action: 'configure' })
  t.strictSame(batches(fleet), ['a b web'])
  t.strictSame(announced(fleet), [])
})

t.test('restarts other hosts in turn after a deploy, a setup or a shutdown', async (t) => {
  for (const [action, only] of [
    ['deploy', ['zeo']],
    ['setup', ['zeo']],
    ['shutdown', ['c']],
  ] as const) {
    const fleet = new Simulation({ ...stack, calm: {} })
    await fleet.go({ action }, { only })
    t.strictSame(batches(fleet).slice(1), action === 'shutdown' ? ['zeo', 'a', 'b'] : ['a', 'b', 'c'], action)
  }
})

t.test('configures a host with a missing deployment alone, and in its turn', async (t) => {
  const fleet = new Simulation(stack)
  const known = { online: new Set(Object.keys(stack)), behind: new Map([['calm', '000007']]), apps: {} }
  const { changes } = await fleet.go({ action: 'configure' }, { recorded: known })
  t.strictSame(batches(fleet), ['web', 'zeo', 'a', 'b', 'c', 'calm'])
  t.strictSame(changes.upToDate, ['calm'])
  t.match(announced(fleet).at(-1), { host: 'calm', what: [/deployment 7/] })
})

const twoApps = { apps: ['site', 'shop'], history: { site: ['a'.repeat(40)], shop: ['b'.repeat(40)] } }
const commits = {
  site: { commit: 'd'.repeat(40), revision: 'main' },
  shop: { commit: 'e'.repeat(40), revision: 'main' },
}

t.test('a host that missed a deployment of one app: its other apps stay on their releases', async (t) => {
  const followUps = [{ app: 'shop', event: 'ban' }]
  const catchUp = async (missed?: readonly string[]) => {
    const fleet = new Simulation({ a: twoApps, web: { apps: [], followUps } })
    const missedApps = new Map(missed === undefined ? [] : [['a', missed]])
    const known = { online: new Set(['a', 'web']), behind: new Map([['a', '000007']]), missedApps, apps: commits }
    const { report, changes } = await fleet.go({ action: 'configure' }, { recorded: known })
    t.strictSame(changes.upToDate, ['a'])
    const { documents } = fleet.requests.find(({ host }) => host === 'a') ?? {}
    const { converge } = (documents?.[0]?.value ?? {}) as { converge?: { deployed_apps: string[] } }
    const moves = fleet.emitted.flatMap((event) => (event.event === 'moves' ? event.moves.map(({ app }) => app) : []))
    return {
      site: fleet.current('a', 'site')?.[0],
      shop: fleet.current('a', 'shop')?.[0],
      deployed: converge?.deployed_apps,
      moves,
      banned: fleet.begun.includes('web ban'),
      warnings: report.hostWarnings ?? report.warnings,
    }
  }
  t.match(await catchUp(['site']), {
    site: 'd',
    shop: 'b',
    deployed: ['site'],
    moves: ['site'],
    banned: false,
    warnings: [{ message: 'the host missed deployment 7 of site, and gets it now', hosts: ['a'] }],
  })
  t.match(await catchUp(['site', 'shop']), {
    site: 'd',
    shop: 'e',
    deployed: undefined,
    banned: true,
    warnings: [{ message: 'the host missed deployment 7, and gets it now', hosts: ['a'] }],
  })
  t.match(await catchUp([]), { site: 'a', shop: 'b', deployed: [], moves: [] }, 'a configure')
  t.match(await catchUp(), { site: 'd', shop: 'e', deployed: undefined, banned: true }, 'an older record')
})

t.test('a plan of configure shows what a host gets that missed a deployment', async (t) => {
  const fleet = new Simulation({ a: twoApps, b: twoApps, web: { apps: [] } })
  const missedApps = new Map([['a', ['site']]])
  const known = { online: new Set(['a', 'b', 'web']), behind: new Map([['a', '000007']]), missedApps, apps: commits }
  const { report, changes } = await fleet.go({ action: 'plan', events: ['configure'] }, { recorded: known })
  t.equal(report.outcome, 'planned')
  t.match(report.warnings, [/^a: the host missed deployment 7 of site, which stack configure deploys$/])
  t.strictSame(fleet.begun.sort(), ['a setup+deploy+configure', 'b configure', 'web configure'])
  t.ok(fleet.requests.every(({ isDryRun }) => isDryRun))
  const { documents } = fleet.requests.find(({ host }) => host === 'a') ?? {}
  t.match(documents?.[0]?.value, {
    converge: { deployed_apps: ['site'], reuse_releases: true },
    deploy: { site: { scm: { commit: 'd'.repeat(40) } }, shop: { scm: { commit: 'b'.repeat(40) } } },
  })
  t.match(
    fleet.emitted.flatMap((event) => (event.event === 'moves' ? event.moves : [])),
    [{ app: 'site', hosts: ['a'], to: { commit: 'd'.repeat(40) } }],
  )
  t.strictSame(changes.upToDate, [])
})

t.test('configure checks the site after each batch, and a site that was down at the end', async (t) => {
  const answers = async (hosts: Readonly<Record<string, Behaviour>>, answered: (times: number) => boolean) => {
    let times = 0
    const health = async () => ({ ok: answered(++times), what: 'http://site/', detail: 'status 503' })
    const { report } = await new Simulation(hosts).go({ action: 'configure' }, { checkHealth: health })
    return [times, report.outcome]
  }
  const hosts = { a: client, web: { apps: [] } }
  t.strictSame(await answers(hosts, () => true), [2, 'changed'])
  t.strictSame(await answers(hosts, (times) => times > 1), [2, 'changed'], 'the configure repairs it')
  t.strictSame(await answers(hosts, (times) => times < 2), [2, 'failed'])
  t.strictSame(await answers({ a: {}, web: { apps: [] } }, () => false), [1, 'failed'], 'without a restart')
  const unchanged = { does: { configure: 'unchanged' } } as const
  const same = { a: unchanged, web: { ...unchanged, apps: [] } }
  t.strictSame(await answers(same, () => false), [1, 'failed'], 'a broken site, and nothing to change')
  t.strictSame(await answers(same, () => true), [1, 'unchanged'])
})

t.test('the report names the releases that configure and other events have built', async (t) => {
  const commit = 'a'.repeat(40)
  const moves = [{ app: 'site', from: { release: '1', commit }, to: { release: '2', commit } }]
  const builder = { ...client, builds: ['configure', 'rebuild'] }
  const movesOf = ({ report }: Awaited<ReturnType<Simulation['go']>>) =>
    Object.fromEntries(report.hosts.flatMap(({ host, moves }) => (moves === undefined ? [] : [[host, moves]])))
  const stack = { a: builder, b: client, web: { apps: [] } }
  t.strictSame(movesOf(await new Simulation(stack).go({ action: 'configure' })), { a: moves })
  t.strictSame(movesOf(await new Simulation({ ...stack, zeo: {} }).go({}, { only: ['zeo'] })).a, moves, 'a bystander')
  t.strictSame(movesOf(await new Simulation(stack).go({ action: 'run', events: ['rebuild'] })), { a: moves })
  t.strictSame(movesOf(await new Simulation(stack).go({ action: 'run', events: ['restart'] })), {})
  const late = { recorded: { online: new Set(['a']), behind: new Map([['a', '000007']]), apps: commits } }
  t.match(movesOf(await new Simulation({ a: client }).go({ action: 'configure' }, late)), {
    a: [{ from: { commit }, to: { commit: 'd'.repeat(40) } }],
  })
  const quiet = { builds: ['configure'] }
  t.strictSame(movesOf(await new Simulation({ a: quiet }).go({ action: 'configure' })), { a: moves }, 'no restart')
  const silent = { ...builder, silent: { releases: 0 } }
  t.equal((await new Simulation({ a: silent }).go({ action: 'configure' })).report.outcome, 'changed')
})

t.test('configure without a record: it checks a site that it has changed, and none that has no release', async (t) => {
  const nothing = { online: new Set<string>(), behind: new Map<string, string>(), apps: {} }
  const checked = async (host: Behaviour) => {
    let times = 0
    const health = async () => ({ ok: ++times > 1, what: 'http://site/', detail: '' })
    await new Simulation({ a: host }).go({ action: 'configure' }, { recorded: nothing, checkHealth: health })
    return times
  }
  t.equal(await checked(client), 1)
  t.equal(await checked({ ...client, history: [] }), 0)
  t.equal(await checked({ does: { configure: 'unchanged' } }), 0)
})

t.test('other hosts break the site after a deploy or before a shutdown: the rollout fails', async (t) => {
  const web = { apps: [], stage: 1 }
  const ends = async (action: 'deploy' | 'shutdown' | 'undeploy', web: Behaviour) => {
    const fleet = new Simulation({ a: {}, b: {}, web })
    const health = async () => ({ ok: !fleet.ended.includes('web configure'), what: 'http://site/', detail: '' })
    const { report } = await fleet.go(
      { action },
      { only: action === 'deploy' ? ['a', 'b'] : ['b'], checkHealth: health },
    )
    return [report.outcome, fleet.begun.filter((text) => text === `b ${action}`).length, report.warnings]
  }
  const restarting = { ...web, restarts: 'restart varnish' }
  t.strictSame(await ends('deploy', web), ['failed', 1, []], 'it reloads')
  t.strictSame(await ends('deploy', restarting), ['failed', 1, []])
  t.strictSame(await ends('shutdown', restarting), ['failed', 0, []])
  t.strictSame(await ends('deploy', { ...web, does: { configure: 'unchanged' } }), ['changed', 1, []])
})

t.test('a site that was broken before does not prevent a shutdown', async (t) => {
  const fleet = new Simulation({ a: {}, b: {}, web: { apps: [], restarts: 'restart varnish' } })
  const health = async () => ({ ok: false, what: 'http://site/', detail: 'status 503' })
  const { report } = await fleet.go({ action: 'shutdown' }, { only: ['b'], checkHealth: health })
  t.equal(report.outcome, 'changed')
  t.match(report.warnings, [/^the health check failed before .*; it is not repeated$/])
})

t.test('a plan of a deploy shows which hosts missed a deployment, and what they get', async (t) => {
  const missedApps = new Map([['a', ['site']]])
  const behind = new Map(['a', 'web'].map((host) => [host, '000007']))
  const known = { online: new Set(['a', 'b', 'web']), behind, missedApps, apps: commits }
  const hosts = { a: { history: ['a'.repeat(40)] }, b: {}, web: { apps: [] } }
  for (const events of [[], ['deploy']]) {
    const fleet = new Simulation(hosts)
    const { report } = await fleet.go({ action: 'plan', events }, { recorded: known, only: ['a', 'b'] })
    t.equal(report.outcome, 'planned')
    t.match(report.hostWarnings, [
      { message: 'the host missed deployment 7; stack deploy updates it', hosts: ['a', 'web'] },
    ])
    t.match(
      fleet.emitted.flatMap((event) => (event.event === 'moves' ? event.moves : [])),
      [{ app: 'site', hosts: ['a'], from: { commit: 'a'.repeat(40) }, to: { commit: 'c'.repeat(40) } }],
    )
    t.ok(fleet.requests.every(({ isDryRun, documents }) => isDryRun && !JSON.stringify(documents).includes('commit')))
  }
  const mute = new Simulation({ ...hosts, a: { silent: { revisions: 0 } } })
  t.equal((await mute.go({ action: 'plan', events: ['deploy'] }, { recorded: known })).report.outcome, 'planned')
})

t.test('a rollout records the apps that a host missed, and those that it got', async (t) => {
  const down = { ...twoApps, connects: 'refused' } as const
  const known = { online: new Set(['a', 'b', 'web']), behind: new Map([['a', '000007']]), apps: commits }
  const missed = (changes: { missedApps: object; receivedApps: object }) => [changes.missedApps, changes.receivedApps]
  const fleet = () => new Simulation({ a: twoApps, b: down, web: { apps: [] } })
  const deploy = await fleet().go({ apps: ['site'] }, { recorded: known, only: ['a'] })
  t.strictSame(missed(deploy.changes), [{ b: ['site'] }, { a: ['site'] }])
  t.strictSame(deploy.changes.upToDate, [], 'an older record does not say what else it missed')
  const missedApps = new Map([['a', ['site']]])
  const after = await fleet().go({ apps: ['site'] }, { recorded: { ...known, missedApps }, only: ['a'] })
  t.strictSame(after.changes.upToDate, ['a'])
  const whole = await fleet().go({ onUnreachable: 'skip' })
  t.strictSame(missed(whole.changes), [{ b: ['site', 'shop'] }, { a: ['site', 'shop'], web: [] }])
  const configured = await fleet().go({ action: 'configure', onUnreachable: 'skip' })
  t.strictSame(missed(configured.changes), [{ b: [] }, {}])
})

t.test('a failed restart: no further host restarts', async (t) => {
  const broken = { ...stack, a: { ...client, does: { configure: 'fails' } } } as const
  const fleet = new Simulation(broken)
  const { report } = await fleet.go({ action: 'configure' })
  t.strictSame(batches(fleet), ['calm web', 'zeo', 'a'])
  t.match(report, { outcome: 'failed', stopped: /^one host failed/ })
  const others = new Simulation(broken)
  const { report: deployed, changes } = await others.go({}, { only: ['zeo'] })
  t.strictSame(batches(others), ['calm web', 'a'])
  t.match(
    deployed.hosts.find(({ host }) => host === 'b'),
    { outcome: 'skipped', reason: /another host failed/ },
  )
  t.match(deployed.warnings, [/^b, c were not restarted, because another host failed/])
  t.ok(changes.apps.zeo, 'the deploy itself went through')
  const allowed = new Simulation(broken)
  await allowed.go({ action: 'configure', maxFailures: { count: 1 } })
  t.strictSame(batches(allowed), ['calm web', 'zeo', 'a', 'b', 'c'])
})

t.test('a failed health check after a batch: no further host restarts', async (t) => {
  let requestCount = 0
  const health = async () => ({ ok: ++requestCount < 3, what: 'http://site/', detail: '' })
  const fleet = new Simulation(stack)
  const { report } = await fleet.go({ action: 'configure' }, { checkHealth: health })
  t.strictSame(batches(fleet), ['calm web', 'zeo', 'a'])
  t.match(report, { outcome: 'failed', stopped: /the health check failed/ })
})

t.test('a host whose dry run fails is configured in its turn', async (t) => {
  const fleet = new Simulation({ a: { does: { configure: 'lost' } }, web: { apps: [] } })
  await fleet.go({ action: 'configure' })
  t.strictSame(batches(fleet), ['web', 'a'])
})

t.test('deploys the first client of a new database alone', async (t) => {
  const sharing = { sharing: ['site'], stage: 1 }
  const clients = { zeo: { apps: ['zeo'] }, a: sharing, b: sharing, c: sharing, shop: { apps: ['shop'], stage: 1 } }
  const deploys = ({ emitted: reported }: Simulation) =>
    reported.flatMap((event) => (event.event === 'phase' && event.phase === 'switch' ? event.hosts.join(' ') : []))
  const nothing = { online: new Set<string>(), behind: new Map<string, string>(), apps: {} }
  const fresh = new Simulation(clients)
  const { report } = await fresh.go({ action: 'setup', strategy: 'parallel' }, { recorded: nothing })
  t.equal(report.outcome, 'changed')
  t.strictSame(deploys(fresh), ['zeo', 'a', 'b c shop'])
  t.notOk(
    fresh.requests.some(({ options }) => options.includes('--migrate')),
    'it migrates only where that is asked for',
  )
  const grown = new Simulation(clients)
  const known = { ...nothing, online: new Set(['zeo', 'a']) }
  await grown.go({ action: 'setup', strategy: 'parallel' }, { recorded: known })
  t.strictSame(deploys(grown), ['zeo', 'a b c shop'])
  const failing = new Simulation({ ...clients, a: { ...sharing, does: { deploy: 'fails' } } })
  const failed = await failing.go(
    { action: 'setup', strategy: 'parallel', maxFailures: { count: 3 } },
    { recorded: nothing },
  )
  t.match(failed.report.stopped, /^a must succeed before all other hosts, and failed$/)
})

t.test('a dry run that fails: the announcement of the restarts has the reason', async (t) => {
  const fleet = new Simulation({ a: { restarts: 'restart site' }, b: { does: { configure: 'lost' } } })
  await fleet.go({ action: 'configure' })
  const restarts = fleet.emitted.find(({ event }) => event === 'restarts')
  t.match(restarts, { hosts: [{ host: 'a' }, { host: 'b', what: ['not known, since its dry run failed: gone'] }] })
})
