/** Tests rolling restarts of real servers under a real supervisord, as root and again as nobody. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { milliseconds, seconds } from '../../core/model/units.ts'
import { service } from '../../resources/services/service.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { failureOf, patchOf } from '../support/contract.ts'
import { needs, sameAs } from '../support/machine.ts'
import { answers, brief, type Environments, names, planOf, run, servers, siteOf } from './support/supervisor_site.ts'

t.test('restarts one at a time, in order, each ready before the next', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const slowly = (environments?: Environments, cause?: string, more?: object) =>
    servers(site, environments, cause, { startSeconds: 1, ...more })
  const recordedEvents = () => readFileSync(`${site.directory}/seen`, 'utf8').trim().split('\n')
  t.strictSame(failureOf(await run(site, slowly())), undefined, 'first run')
  t.match(await answers(site), [/^c1 {2}\d/, /^c2 {2}\d/, /^c3 {2}\d/])
  t.equal((await run(site, slowly())).outcome, 'unchanged')

  const before = await answers(site)
  const slow = Object.fromEntries(names.map((name) => [name, { STARTS_IN: '0.5', STOPS_IN: '0.5' }]))
  const plan = slowly(slow, 'two', { delay: seconds(1) })
  const overlay = new VirtualHost({ base: site.host })
  const planned = await converge(planOf(plan), overlay, { id: 'p', mode: 'plan' })
  t.strictSame(await answers(site), before, 'a dry run restarts nothing')
  writeFileSync(`${site.directory}/seen`, '')

  const down: string[] = []
  let watching = true
  const watch = (async () => {
    while (watching) {
      const up = await Promise.all(
        site.ports.map((port) =>
          site.host.request({ port, path: '/watch', timeout: seconds(5) }).then(
            () => true,
            () => false,
          ),
        ),
      )
      if (up.filter((one) => !one).length > 1) down.push(up.join())
      await site.host.sleep(milliseconds(20))
    }
  })()
  const reported: string[] = []
  const report = await run(site, plan, reported)
  watching = false
  await watch
  t.strictSame(failureOf(report), undefined)
  t.strictSame(patchOf(planned), patchOf(report), 'the run makes the planned changes')
  t.strictSame(down, [], 'never two of them down at once')
  t.strictSame(
    reported.filter((line) => /\d of \d/.test(line)),
    names.map((name, index) => `restarting ${name} (${index + 1} of 3)`),
  )
  t.equal(reported.filter((line) => line.startsWith('waiting 1 s before')).length, 2)
  // Before and after it, the run checks the readiness of all servers.
  const requestLog = recordedEvents().filter((line) => / \/(warm)?$/.test(line))
  t.strictSame(
    requestLog.filter((line) => line.endsWith('/warm')),
    names.map((name) => `${name} /warm`),
    'one after the other',
  )
  for (const name of names)
    t.equal(requestLog[requestLog.indexOf(`${name} /warm`) - 1], `${name} /`, 'it is ready before it is warmed')
  const after = await answers(site)
  t.ok(
    after.every((one, index) => one !== before[index]),
    'each is a new process',
  )
  t.equal((await run(site, slowly(slow, 'two'))).outcome, 'unchanged')

  t.test('a changed environment restarts only its program', async (t) => {
    t.strictSame(failureOf(await run(site, slowly({ ...slow, c2: { GREETING: 'hello' } }, 'two'))), undefined)
    const now = await answers(site)
    t.strictSame([now[0], now[2]], [after[0], after[2]])
    t.match(now[1], /^c2 hello \d/)
  })

  t.test('starts a program that was stopped by hand, and leaves the others unchanged', async (t) => {
    const all = await answers(site)
    await site.supervisor.stopProcess('c3')
    await site.host.sleep(seconds(1))
    const reported: string[] = []
    t.strictSame(failureOf(await run(site, slowly({ ...slow, c2: { GREETING: 'hello' } }, 'two'), reported)), undefined)
    t.equal(reported[0], 'starting c3 (1 of 1)')
    t.strictSame((await answers(site)).slice(0, 2), all.slice(0, 2))
  })

  t.test('after SIGKILL, supervisord starts the program, and the run does not restart it', async (t) => {
    const [c1 = ''] = await answers(site)
    spawnSync('kill', ['-9', c1.split(' ').at(-1) ?? ''])
    for (let tries = 0; tries < 50 && (await answers(site).catch(() => [c1]))[0] === c1; tries++)
      await site.host.sleep(milliseconds(100))
    const back = await answers(site)
    t.not(back[0], c1)
    t.equal((await run(site, slowly({ ...slow, c2: { GREETING: 'hello' } }, 'two'))).outcome, 'unchanged')
  })

  t.test('absent: stops and removes the program', async (t) => {
    const { confDir, socket } = site
    t.strictSame(
      failureOf(await run(site, (r) => supervisor_program(r, { name: 'c3', absent: true, confDir, socket }))),
      undefined,
    )
    t.strictSame(
      (await site.supervisor.fetchAllProcessInfo()).map(({ name }) => name),
      ['c1', 'c2'],
    )
    t.notOk(existsSync(`${confDir}/c3.conf`))
    t.equal(await site.host.listening(site.ports[2] ?? 0), false)
  })

  t.test('service: stops and starts the program', async (t) => {
    const provider = { kind: 'supervisor' as const, socket: site.socket }
    t.strictSame(failureOf(await run(site, (r) => service(r, { name: 'c1', action: 'stopped', provider }))), undefined)
    t.equal((await site.supervisor.fetchAllProcessInfo()).find(({ name }) => name === 'c1')?.state, 'STOPPED')
    t.strictSame(failureOf(await run(site, (r) => service(r, { name: 'c1', provider }))), undefined)
    t.equal((await site.supervisor.fetchAllProcessInfo()).find(({ name }) => name === 'c1')?.state, 'RUNNING')
  })
})

t.test(
  'a program that does not come up stops the restarts and prints its log, and the next run continues there',
  async (t) => {
    if (!needs(t, ['supervisord'])) return
    const site = await siteOf(t)
    await run(site, servers(site))
    const before = await answers(site)
    const began = performance.now()
    const failure = failureOf(await run(site, servers(site, { c2: { DIES: '0.2' } }, 'two')))
    t.match(failure, {
      code: 'SERVICE_DOWN',
      message:
        /^c2 did not come up: it ended right after its start.*; restarted before it: c1; left on the old process: c3$/,
      output: /starting c2(.|\n)*dying: no database(\nstarting c2 None)?$/,
    })
    t.ok(performance.now() - began < 15_000, 'at once, not at the deadline')
    const [, , c3] = await Promise.all(
      site.ports.map((port) =>
        site.host.request({ port }).then(
          ({ body }) => body,
          () => '',
        ),
      ),
    )
    t.equal(c3, before[2])

    const reported: string[] = []
    t.strictSame(
      failureOf(await run(site, servers(site, { c2: { GREETING: 'repaired' } }, 'two'), reported)),
      undefined,
    )
    t.match(
      reported.filter((line) => /\d of \d/.test(line)),
      [/^(starting|restarting) c2 \(1 of 2\)/, /^restarting c3 \(2 of 2\)/],
    )
    t.match(await answers(site), [/^c1 /, /^c2 repaired /, /^c3 /])
  },
)

t.test('a program that ends after a while, and starts again, is not ready', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const failure = failureOf(await run(site, servers(site, { c1: { DIES: '2.5' } })))
  t.match(failure, { code: 'SERVICE_DOWN', message: /^c1 did not come up: it ended right after its start/ })
})

t.test('a program that answers with an error is not ready', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const failure = failureOf(await run(site, servers(site, { c1: { STATUS: '500' } }, 'one', { deadline: seconds(4) })))
  t.match(failure, {
    message:
      /^c1 did not come up: it was not ready within 4 s \(http:\/\/\S+ answered with HTTP status 500\); not started: c2, c3$/,
  })
})

t.test('continues after a run that ended between two restarts', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  await run(site, servers(site))
  const before = await answers(site)
  class Dying extends LocalHost {
    override record(key: string, value: string): void {
      super.record(key, value)
      // The record that the restart has begun precedes it.
      if (key.startsWith('restart c1 ') && value !== 'begun') throw new Error('killed')
    }
  }
  const dying = new Dying(`${site.directory}/state`)
  await run({ ...site, host: dying }, servers(site, {}, 'two'))
  const between = await answers(site)
  t.strictSame(
    between.map((one, index) => one === before[index]),
    [false, true, true],
  )
  t.strictSame(failureOf(await run(site, servers(site, {}, 'two'))), undefined)
  t.strictSame(
    (await answers(site)).map((one, index) => one === between[index]),
    [true, false, false],
  )
})

t.test('waits for a port that a child of the old process uses', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const clinging = { c1: { CLINGS: '1.5' } }
  await run(site, servers(site, clinging))
  const reported: string[] = []
  t.strictSame(failureOf(await run(site, servers(site, clinging, 'two'), reported)), undefined)
  t.ok(reported.includes(`waiting until port ${site.ports[0]} is free for c1`))
  const longer = { c1: { CLINGS: '4' } }
  await run(site, servers(site, longer, 'three'))
  t.match(failureOf(await run(site, servers(site, longer, 'four', { deadline: seconds(2) }))), {
    message: /^c1 did not come up: port \d+ was still taken by another process after 2 s/,
  })
})

t.test('an ordinary user restarts as well', async (t) => {
  if (!needs(t, ['root', 'supervisord', 'nobody'])) return
  sameAs(t, 'nobody', fileURLToPath(import.meta.url))
})
