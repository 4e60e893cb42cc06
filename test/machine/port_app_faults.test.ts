/**
 * Tests port-app with a node server under faults: killed runs, a port in use, a broken configuration; also the app's
 * removal.
 */
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { failureOf } from '../support/contract.ts'
import { needs } from '../support/machine.ts'
import { inOrder, nodeSettings, type Step, WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

t.test('a node server', async (t) => {
  if (!needs(t, ['git', 'nginx', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'port-app', nodeSettings)
  app.commit({ VERSION: 'one' }, 'example-node-app')
  await app.done(t, ['setup', 'deploy'])
  await inOrder(t, app, steps)
})

const steps: readonly Step[] = [
  ['killed between any two steps', killed],
  ['a port that somebody else has', taken],
  ['directives that nginx does not take', brokenSite],
  ['stop, start, undeploy', startAndStop],
]

async function killed(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  for (const at of ['starting', 'is current', 'waiting until port']) {
    app.commit({ VERSION: `five-${at.split(' ')[0]}` })
    const run = await app.run(['deploy'], { endsAt: at })
    t.equal(run.report.outcome, 'failed', `truncated at: ${at}`)
    await app.done(t, ['deploy'])
    t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')
    t.match(await app.page(), { body: new RegExp(`^five-${at.split(' ')[0]} `) })
    t.equal((await app.runningPrograms()).length, 2)
  }
  await visitors.assertNoFailure(t)
}

async function taken(t: Test, app: WebApp): Promise<void> {
  const current = (await app.runningPrograms())[0]
  const idle = app.ports.find((port) => `app-${port}` !== current) ?? 0
  const stranger = createServer()
  await new Promise<void>((resolve) => stranger.listen(idle, '127.0.0.1', resolve))
  try {
    app.commit({ VERSION: 'six' })
    await app.fails(t, ['deploy'], new RegExp(`port ${idle}.* is taken by another process.*ss -ltnp`, 's'))
    t.strictSame((await app.runningPrograms())[0], current)
  } finally {
    await new Promise((resolve) => stranger.close(resolve))
  }
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^six / })
}

async function brokenSite(t: Test, app: WebApp): Promise<void> {
  const [before, site] = [await app.runningPrograms(), `${app.prefix}/etc/nginx/sites-available/app`]
  const text = fs.readFileSync(site, 'utf8')
  app.commit({ VERSION: 'seven' })
  const broken = { json: { port_app: { additional_config: 'client_max_body_sise 1m;' } } }
  await app.fails(t, ['deploy'], /unknown directive "client_max_body_sise"/, broken)
  t.equal(fs.readFileSync(site, 'utf8'), text, 'the one in use stays')
  t.strictSame(await app.runningPrograms(), before)
  t.match(await app.page(), { body: /^six / })
  fs.writeFileSync(`${app.prefix}/etc/nginx/conf.d/other.conf`, 'nonsense on;\n')
  await app.fails(t, ['deploy'], /configuration of nginx is broken.*nonsense/s)
  t.strictSame(await app.runningPrograms(), before, 'broken by hand: nothing is touched either')
  fs.rmSync(`${app.prefix}/etc/nginx/conf.d/other.conf`)
  const header = { json: { port_app: { additional_config: 'add_header X-Site app;' } } }
  await app.done(t, ['deploy'], header)
  t.equal((await app.host.request({ port: app.httpPort })).headers['x-site'], 'app')
}

async function startAndStop(t: Test, app: WebApp): Promise<void> {
  await app.done(t, ['stop'])
  t.strictSame(await app.runningPrograms(), ['nginx'])
  t.equal((await app.page()).status, 502)
  for (const events of [['configure'], ['setup', 'configure']]) {
    t.equal((await app.done(t, events)).report.outcome, 'unchanged')
    t.strictSame(await app.runningPrograms(), ['nginx'], `${events.join(', ')} leaves it stopped`)
  }
  await app.endSupervisord()
  await app.done(t, ['setup', 'configure'])
  t.strictSame(await app.runningPrograms(), ['nginx'], 'it does not start with supervisord')
  t.match(await app.inspect(), { apps: [{ stopped: { by: 'tester' }, services: [{ up: false }] }] })
  await app.done(t, ['start'])
  t.match(await app.page(), { body: /^seven / })
  t.equal((await app.run(['configure'])).report.outcome, 'unchanged')
  await app.done(t, ['stop'])
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^seven / })
  const inspection = await app.inspect()
  t.match(inspection.apps, [{ name: 'app', services: [{ up: true }] }])
  t.equal(inspection.apps[0]?.services.length, 1, 'the idle program is none that should be up')
  t.strictSame(await app.missingRequirements(), [])
  await app.done(t, ['undeploy'])
  t.strictSame(await app.runningPrograms(), ['nginx'])
  t.notOk(fs.existsSync(`${app.directory}/current`))
  t.ok(fs.existsSync(`${app.directory}/shared`))
  t.equal(failureOf((await app.run(['undeploy'])).report), undefined)
}
