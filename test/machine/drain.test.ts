/** Tests rolling restarts behind a real HAProxy under continuous requests, and counts the failed ones. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Recipe } from '../../core/compile/role.ts'
import { seconds } from '../../core/model/units.ts'
import type { RunReport } from '../../core/report/events.ts'
import { service } from '../../resources/services/service.ts'
import { failureOf, patchOf } from '../support/contract.ts'
import { freePort, needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { RealBalancer } from './support/haproxy_site.ts'
import { type Load, underLoad } from './support/load.ts'
import {
  answers,
  type Environments,
  names,
  restartOnItsHost,
  run,
  type Site,
  servers,
  siteOf,
} from './support/supervisor_site.ts'

t.setTimeout(240_000)

/** Each request takes a moment, so that a stop without draining interrupts some of them. */
const busy = (more: Environments = {}): Environments =>
  Object.fromEntries(names.map((name) => [name, { TAKES: '0.02', ...more[name] }]))

interface World {
  readonly site: Site
  readonly balancer: RealBalancer
  /** Runs the restarts that a new cause or changed environments require. */
  readonly roll: (environments?: Environments, options?: object) => Promise<RunReport>
  readonly reported: string[]
}

async function worldOf(t: Test): Promise<World> {
  const site = await siteOf(t)
  const reported: string[] = []
  let cause = 0
  const balancer = await RealBalancer.create(t, site)
  const roll = (environments: Environments = {}, options: object = {}) => {
    reported.length = 0
    cause++
    const given = { backend: 'site', balancers: [{ socket: balancer.socket }], ...options }
    return run(site, servers(site, busy(environments), `${cause}`, given), reported)
  }
  t.strictSame(failureOf(await roll({}, { balancers: [] })), undefined, 'the servers start')
  await balancer.start()
  return { site, balancer, roll, reported }
}

function noneFailed(t: Test, { requests, failed }: Load, what: string): void {
  t.strictSame(failed.slice(0, 5), [], `${what}: none of ${requests} requests failed`)
  t.ok(requests > 20, `${requests} requests`)
}

const allReady = 'ready ready ready'

t.test('behind a balancer', async (t) => {
  if (!needs(t, ['supervisord', 'haproxy', 'python3'])) return
  const world = await worldOf(t)
  const { site, balancer, roll, reported } = world
  /** Runs a rolling restart under requests. */
  const visited = async (environments?: Environments, options?: object, port = balancer.port) => {
    let report: RunReport | undefined
    const load = await underLoad(port, async () => {
      report = await roll(environments, options)
    })
    if (report === undefined) throw new Error('no report')
    return { load, report }
  }

  await t.test('without draining, requests fail', async (t) => {
    const { load } = await visited({}, { balancers: [] })
    t.ok(load.failed.length > 0, `${load.failed.length} of ${load.requests} failed`)
    await until(async () => (await balancer.servers()).every(({ up }) => up), 'all are up again')
  })

  await t.test('one after the other: no request fails, and all clients are new', async (t) => {
    const before = await answers(site)
    const { load, report } = await visited()
    t.strictSame(failureOf(report), undefined)
    t.strictSame(report.warnings, [])
    noneFailed(t, load, 'a rolling restart')
    t.equal(await balancer.states(), allReady)
    t.ok((await answers(site)).every((one, index) => one !== before[index]))
    t.equal(reported.filter((line) => line.startsWith('draining site/')).length, 3)
  })

  await t.test('two at once: no request fails', async (t) => {
    const { load, report } = await visited({}, { maxUnavailable: 2 })
    t.strictSame(failureOf(report), undefined)
    noneFailed(t, load, 'two at once')
    t.equal(await balancer.states(), allReady)
  })

  await t.test('visitors with a cookie stay on their server until it drains', async (t) => {
    const { load, report } = await visited({}, { backend: 'sticky' }, balancer.stickyPort)
    t.strictSame(failureOf(report), undefined)
    t.strictSame(report.warnings, [])
    noneFailed(t, load, 'bound by a cookie')
    t.equal(await balancer.states('sticky'), allReady)
  })

  for (const [what, backend, port] of [
    ['three hosts at the same moment', 'site', balancer.port],
    ['and where a cookie binds visitors', 'sticky', balancer.stickyPort],
  ] as const)
    await t.test(`${what}: their servers restart one after the other`, async (t) => {
      const reports: RunReport[] = []
      const balancers = [{ socket: balancer.socket }]
      const load = await underLoad(port, async () => {
        const runs = names.map((name) => restartOnItsHost(site, name, { backend, balancers }))
        reports.push(...(await Promise.all(runs)))
      })
      for (const report of reports) t.match(report, { outcome: 'changed', warnings: [] })
      noneFailed(t, load, what)
      t.equal(await balancer.states(backend), allReady)
      const checks = (await balancer.servers()).filter((one) => one.claimed)
      t.strictSame(checks, [], 'no claim remains')
    })

  await t.test('waits while a health path answers 500', async (t) => {
    const { load, report } = await visited({ c2: { BAD_FOR: '1' } })
    t.strictSame(failureOf(report), undefined)
    noneFailed(t, load, '500 for a while')
    t.equal(await balancer.states(), allReady)
  })

  for (const [what, environment, message, output] of [
    [
      'one that does not start',
      { DIES: '0.2' },
      /^c2 did not come up: it ended right after its start/,
      /dying: no database/,
    ],
    [
      'a health path that answers 500 for ever',
      { STATUS: '500' },
      /^c2 did not come up: it was not ready within 8 s/,
      /./,
    ],
  ] as const)
    await t.test(`${what}: it stays drained, the restarts stop, the site still answers`, async (t) => {
      const old = await answers(site)
      const { load, report } = await visited({ c2: environment }, { deadline: seconds(8) })
      t.match(failureOf(report), { message, output })
      t.match(failureOf(report), { message: /restarted before it: c1; left on the old process: c3$/ })
      noneFailed(t, load, what)
      t.equal(await balancer.states(), 'ready drain ready')
      t.equal((await site.host.request({ port: site.ports[2] ?? 0 })).body, old[2])
      const repaired = await visited()
      t.strictSame(failureOf(repaired.report), undefined)
      noneFailed(t, repaired.load, 'the run that repairs it')
      t.equal(await balancer.states(), allReady)
    })

  await t.test('reports a port that another program uses', async (t) => {
    t.strictSame(failureOf(await roll({ c1: { CLINGS: '4' } })), undefined)
    const { load, report } = await visited({}, { deadline: seconds(1) })
    t.match(failureOf(report), {
      message: /^c1 did not come up: port \d+ was still taken by another process after 1 s/,
    })
    noneFailed(t, load, 'a port that is taken')
    t.equal(await balancer.states(), 'drain ready ready')
    t.strictSame(failureOf(await roll()), undefined)
    t.equal(await balancer.states(), allReady)
  })

  await t.test('a server that an operator drained stays drained', async (t) => {
    await balancer.tell('set server site/c3 state drain')
    const { load, report } = await visited()
    t.strictSame(failureOf(report), undefined)
    noneFailed(t, load, 'one is drained by hand')
    t.equal(await balancer.states(), 'ready ready drain')
    await balancer.tell('set server site/c3 state ready')
  })

  for (const [backend, port] of [
    ['site', balancer.port],
    ['sticky', balancer.stickyPort],
  ] as const)
    await t.test(`a stop in ${backend} fails no request, and a start sets the server ready`, async (t) => {
      const kept = (action: 'running' | 'stopped') => (r: Recipe<unknown>) =>
        service(r, {
          name: 'c2',
          action,
          provider: { kind: 'supervisor', socket: site.socket },
          ready: { port: site.ports[1] ?? 0 },
          server: `${backend}/c2`,
          balancers: [{ socket: balancer.socket }],
        })
      const secondServer = async () => (await balancer.servers()).find(({ name }) => name === `${backend}/c2`)
      const stop = async () => {
        const load = await underLoad(port, async () => {
          t.strictSame(failureOf(await run(site, kept('stopped'))), undefined)
        })
        noneFailed(t, load, 'a stop')
        t.match(await secondServer(), { admin: 'ready', up: false, checked: true })
        t.equal((await run(site, kept('stopped'))).outcome, 'unchanged')
      }
      await stop()
      await site.supervisor.startProcess('c2')
      await until(async () => (await secondServer())?.takesVisitors === true, 'its health check has found it')
      await stop()
      t.strictSame(failureOf(await run(site, kept('running'))), undefined)
      t.match(await secondServer(), { takesVisitors: true }, 'at once')
    })

  await t.test('SIGKILL of the run between drain and ready: the next run sets the server ready', async (t) => {
    await killedWhile(t, world, 'c1', async () => (await balancer.states()).startsWith('drain'))
    const pidOf = async (name: string) =>
      (await site.supervisor.fetchAllProcessInfo()).find((one) => one.name === name)?.pid ?? 0
    const before = await pidOf('c2')
    await killedWhile(t, world, 'c2', async () => {
      const now = await pidOf('c2')
      return now !== 0 && now !== before && (await balancer.states()) === 'ready drain ready'
    })
  })

  await t.test('drains at two balancers, one of them over TCP, and at one after the other has ended', async (t) => {
    const other = await (await RealBalancer.create(t, site, 'other')).start()
    const tcp = { host: '127.0.0.1', port: balancer.runtimePort }
    const both = { balancers: [tcp, { socket: other.socket }] }
    const first = await visited({}, both)
    t.strictSame(failureOf(first.report), undefined)
    t.strictSame(first.report.warnings, [])
    noneFailed(t, first.load, 'two balancers, one of them over TCP')
    t.strictSame([await balancer.states(), await other.states()], [allReady, allReady])
    await other.stop()
    const { load, report } = await visited({}, both)
    t.strictSame(failureOf(report), undefined)
    t.match(report.warnings, [
      /other.sock cannot be queried: no process listens there; the restart continues without it/,
    ])
    noneFailed(t, load, 'one balancer is down')
    other.removeSocket()
    t.match((await roll({}, both)).warnings, [/other.sock cannot be queried: there is no such socket/])
    const dead = await roll({}, { balancers: [{ host: '127.0.0.1', port: await freePort() }] })
    t.strictSame(failureOf(dead), undefined)
    t.match(dead.warnings, [/cannot be queried: no process listens there/])
    t.equal(await balancer.states(), allReady)
  })

  /** Kills a run in its own process as soon as the condition is true, and checks the next run. */
  async function killedWhile(t: Test, { site, balancer }: World, name: string, condition: () => Promise<boolean>) {
    const { host: _, supervisor: __, ...given } = site
    const environments = busy({ c1: { STARTS_IN: '1.5' }, c2: { STARTS_IN: '1.5' } })
    const options = { backend: 'site', balancers: [{ socket: balancer.socket }] }
    const cause = `killed at ${name}`
    writeFileSync(`${site.directory}/run.json`, JSON.stringify({ ...given, environments, cause, options }))
    const program = fileURLToPath(new URL('support/drain_run.ts', import.meta.url))
    const load = await underLoad(balancer.port, async () => {
      const child = spawn(process.execPath, ['--import', 'tsx', program, `${site.directory}/run.json`], {
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      const over = once(child, 'close')
      await until(condition, `${name} is drained`)
      child.kill('SIGKILL')
      const [, signal] = await over
      t.equal(signal, 'SIGKILL', 'it was under way')
      t.match(await balancer.states(), 'drain', 'and has left one drained')
      const report = await run(site, servers(site, environments, cause, options), reported)
      t.strictSame(failureOf(report), undefined)
      t.ok(patchOf(report).some((line) => line.includes(`/${name}/drained`)))
    })
    noneFailed(t, load, cause)
    t.equal(await balancer.states(), allReady)
    t.equal((await run(site, servers(site, environments, cause, options))).outcome, 'unchanged')
  }
})
