/** A node server deployed by port-app: nginx, supervisord, git and the processes are real; visitors ask all the time. */
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { failureOf, patchOf } from '../support/contract.ts'
import { needs } from '../support/machine.ts'
import { until } from '../support/waiting.ts'
import { WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

const settings = {
  port_app: {
    command: `${process.execPath} server.js --port %{port}`,
    build_command: 'test -s VERSION && cp VERSION built.txt',
    health: { path: '/healthz', status: 200, deadline_seconds: 20 },
  },
}

t.test('a node server', async (t) => {
  if (!needs(t, ['git', 'nginx', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'port-app', settings)
  app.commit({ VERSION: 'one' }, 'example-node-app')
  for (const [name, step] of steps) {
    await t.test(name, async (t) => step(t, app))
    if (!t.passing()) return t.comment('each step builds on those before: the rest is left out')
  }
})

const steps: readonly (readonly [string, (t: Test, app: WebApp) => Promise<void>])[] = [
  ['the first deploy, and nothing to do in the second run', first],
  ['a new release while visitors ask', release],
  ['a request of the old process is answered, however long it takes', slowRequest],
  ['one that is sick, and one that does not start: the old one serves', sick],
  ['a changed environment, a restart by hand, and a rollback: nobody notices', changes],
  ['killed between any two steps', killed],
  ['a port that somebody else has', taken],
  ['directives that nginx does not take', brokenSite],
  ['stop, start, undeploy', operating],
]

async function first(t: Test, app: WebApp): Promise<void> {
  await app.done(t, ['setup'])
  const planned = await app.run(['deploy'], { mode: 'plan' })
  t.not(planned.report.outcome, 'failed', 'a dry run knows as much as can be known')
  await app.done(t, ['deploy'])
  t.match(await app.page(), { status: 200, body: /^one / })
  t.equal((await app.run(['setup'])).report.outcome, 'unchanged')
  const again = await app.run(['deploy'])
  t.equal(again.report.outcome, 'unchanged', patchOf(again.report).join('\n'))
  t.strictSame(await app.up(), [`app-${app.ports[0]}`, 'nginx'])
}

async function release(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  await until(() => visitors.count > 100, 'visitors are there')
  app.commit({ VERSION: 'two' })
  await app.done(t, ['deploy'])
  await until(() => (visitors.seen.get('two') ?? 0) > 100, 'they get the new one')
  await visitors.content(t)
  t.ok((visitors.seen.get('one') ?? 0) > 100)
  t.strictSame(await app.up(), [`app-${app.ports[1]}`, 'nginx'], 'the old one is gone')
  const idle = fs.readFileSync(`${app.prefix}/etc/supervisor/conf.d/app-${app.ports[0]}.conf`, 'utf8')
  t.match(idle, 'autostart=false', 'and stays so when the machine comes up')
  t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')
}

async function slowRequest(t: Test, app: WebApp): Promise<void> {
  const answer = app.page('/?wait=4000')
  app.commit({ VERSION: 'three' })
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^three / })
  t.match(await answer, { status: 200, body: /^two / }, 'by the process that took it')
}

async function sick(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  app.commit({ VERSION: 'sick' })
  const soon = { json: { port_app: { health: { deadline_seconds: 2 } } } }
  await app.fails(t, ['deploy'], /HTTP status 500.*goes on serving.*sick listens at/s, soon)
  app.commit({ VERSION: 'dies' })
  await app.fails(t, ['deploy'], /goes on serving.*no database: giving up/s)
  app.commit({ VERSION: '' })
  await app.fails(t, ['deploy'], /exit(ed)? (with )?status 1|status 1/)
  t.equal((await app.up()).length, 2, 'those that failed are stopped')
  await visitors.content(t)
  t.strictSame([...visitors.seen.keys()], ['three'])
  app.commit({ VERSION: 'four' })
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^four / })
}

async function changes(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  const greeting = { json: { deploy: { app: { environment: { GREETING: 'hello' } } } } }
  await app.done(t, ['deploy'], greeting)
  t.match(await app.page(), { body: /^four hello / })
  const [, , before = ''] = (await app.page()).body.split(' ')
  await app.done(t, ['restart'], greeting)
  t.notMatch((await app.page()).body, before.trim(), 'another process')
  await app.done(t, ['rollback'], greeting)
  t.match(await app.page(), { body: /^four {2}\d/ }, 'with the environment it had')
  t.equal((await app.run(['configure'], greeting)).report.outcome, 'unchanged', 'and it stays so')
  const three = app.releases().find(({ path }) => fs.readFileSync(`${path}/VERSION`, 'utf8') === 'three')
  await app.done(t, ['rollback'], { options: { to: three?.id ?? '' } })
  t.match(await app.page(), { body: /^three / })
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^four / })
  await visitors.content(t)
}

async function killed(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  for (const at of ['starting', 'is live', 'waiting until port']) {
    app.commit({ VERSION: `five-${at.split(' ')[0]}` })
    const run = await app.run(['deploy'], { endsAt: at })
    t.equal(run.report.outcome, 'failed', `cut short at: ${at}`)
    await app.done(t, ['deploy'])
    t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')
    t.match(await app.page(), { body: new RegExp(`^five-${at.split(' ')[0]} `) })
    t.equal((await app.up()).length, 2)
  }
  await visitors.content(t)
}

async function taken(t: Test, app: WebApp): Promise<void> {
  const live = (await app.up())[0]
  const idle = app.ports.find((port) => `app-${port}` !== live) ?? 0
  const stranger = createServer()
  await new Promise<void>((resolve) => stranger.listen(idle, '127.0.0.1', resolve))
  try {
    app.commit({ VERSION: 'six' })
    await app.fails(t, ['deploy'], new RegExp(`port ${idle}.* is taken by another process.*ss -ltnp`, 's'))
    t.strictSame((await app.up())[0], live)
  } finally {
    await new Promise((resolve) => stranger.close(resolve))
  }
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^six / })
}

async function brokenSite(t: Test, app: WebApp): Promise<void> {
  const [before, site] = [await app.up(), `${app.prefix}/etc/nginx/sites-available/app`]
  const text = fs.readFileSync(site, 'utf8')
  app.commit({ VERSION: 'seven' })
  const broken = { json: { port_app: { additional_config: 'client_max_body_sise 1m;' } } }
  await app.fails(t, ['deploy'], /unknown directive "client_max_body_sise"/, broken)
  t.equal(fs.readFileSync(site, 'utf8'), text, 'the one in use stays')
  t.strictSame(await app.up(), before)
  t.match(await app.page(), { body: /^six / })
  fs.writeFileSync(`${app.prefix}/etc/nginx/conf.d/other.conf`, 'nonsense on;\n')
  await app.fails(t, ['deploy'], /configuration of nginx is broken.*nonsense/s)
  t.strictSame(await app.up(), before, 'broken by hand: nothing is touched either')
  fs.rmSync(`${app.prefix}/etc/nginx/conf.d/other.conf`)
  const header = { json: { port_app: { additional_config: 'add_header X-Site app;' } } }
  await app.done(t, ['deploy'], header)
  t.equal((await app.host.request({ port: app.httpPort })).headers['x-site'], 'app')
}

async function operating(t: Test, app: WebApp): Promise<void> {
  await app.done(t, ['stop'])
  t.strictSame(await app.up(), ['nginx'])
  t.equal((await app.page()).status, 502)
  await app.done(t, ['start'])
  t.match(await app.page(), { body: /^seven / })
  const seen = await app.inspect()
  t.match(seen.apps, [{ name: 'app', services: [{ up: true }] }])
  t.equal(seen.apps[0]?.services.length, 1, 'the idle program is none that should be up')
  t.strictSame(
    seen.needs.filter(({ met }) => !met),
    [],
  )
  await app.done(t, ['undeploy'])
  t.strictSame(await app.up(), ['nginx'])
  t.notOk(fs.existsSync(`${app.directory}/current`))
  t.ok(fs.existsSync(`${app.directory}/shared`))
  t.equal(failureOf((await app.run(['undeploy'])).report), undefined)
}
