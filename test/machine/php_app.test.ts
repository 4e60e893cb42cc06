/** Tests a PHP app in Debian's php-fpm behind nginx: hot and cold updates under continuous requests. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { Supervisor } from '../../resources/supervisor/client.ts'
import { patchOf } from '../support/contract.ts'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { checkDeployPhases } from './support/deploy_phases.ts'
import { inOrder, type Step, WebApp, type WebRun } from './support/web_app.ts'

t.setTimeout(240_000)

/** A page that includes a file before and after a pause; it shows `a-a` if both belong to one release. */
const page = `<?php
include __DIR__ . '/../lib/first.php';
$first = first();
usleep(1000 * (int) ($_GET['wait'] ?? 0));
include __DIR__ . '/../lib/second.php';
echo $first . '-' . second() . ' ' . $_SERVER['DOCUMENT_ROOT'] . "\\n";
`
const release = (version: string, health = "echo 'fine';") => ({
  'public/index.php': page,
  'public/health.php': `<?php ${health}`,
  'public/hello.txt': `${version}\n`,
  'lib/first.php': `<?php function first() { return '${version}'; }`,
  'lib/second.php': `<?php function second() { return '${version}'; }`,
})

const cold = { json: { php_app: { update_mode: 'cold' } } }
const waitUntil = { json: { php_app: { health: { deadline_seconds: 2 } } } }
const reloads = ({ report }: WebRun) =>
  report.resources
    .filter(({ type, outcome }) => type === 'service_reload' && outcome === 'changed')
    .map(({ key }) => key.split(' ')[0])

t.test('a PHP app', async (t) => {
  if (!needs(t, ['git', 'nginx', 'php-fpm', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'php-app', {
    php_app: {
      document_root: 'public',
      health: { path: '/health.php', deadline_seconds: 20 },
      fpm: { max_children: 8 },
    },
  })
  app.commit(release('one'))
  await inOrder(t, app, steps)
})

const steps: readonly Step[] = [
  ['the first deploy reports that it is the first, and the second run changes nothing', first],
  ['hot: a link is all that changes', hot],
  ['a request that spans an update has the files of one release only', requestsDuringDeploy],
  ['a release that fails its health check does not become current', sick],
  ['hot: back and forward again', back],
  ['cold: the configuration names the release', coldUpdates],
  ['a hot reload after a cold one reloads once, and reports that', hotAfterCold],
  ['directives that nginx does not take', brokenSite],
  ['hooks, a migration, and a smoke test that sends it back', deployPhases],
  ['drift that php-fpm has loaded', drift],
  ['a pool whose workers all hang', hangingWorker],
  ['closed for a while, and deployed to meanwhile', closed],
  ['stop, start, restart, undeploy', startAndStop],
]

async function first(t: Test, app: WebApp): Promise<void> {
  await app.done(t, ['setup'])
  t.not((await app.run(['deploy'], { mode: 'plan' })).report.outcome, 'failed', 'a dry run knows what can be known')
  const { report } = await app.done(t, ['deploy'])
  t.strictSame(report.warnings, [], 'the one reload requires no action')
  t.match(await app.page(), { status: 200, body: /^one-one / })
  const again = await app.run(['deploy'])
  t.equal(again.report.outcome, 'unchanged', patchOf(again.report).join('\n'))
  t.strictSame(again.report.warnings, [])
}

async function deployPhases(t: Test, app: WebApp): Promise<void> {
  const publish = (version: string, files: object) => app.commit({ ...release(version), ...files })
  await checkDeployPhases(t, app, { publish, file: 'public/hello.txt' })
}

async function drift(t: Test, app: WebApp): Promise<void> {
  const supervisor = new Supervisor(app.host, `${app.prefix}/var/run/supervisor.sock`)
  const [fpm, pool, program] = ['app-php-fpm', '/etc/php/app.conf', '/etc/supervisor/conf.d/app-php-fpm.conf']
  const children = async () =>
    fs
      .readFileSync(`/proc/${await app.pid(fpm)}/task/${await app.pid(fpm)}/children`, 'utf8')
      .trim()
      .split(' ').length
  // php-fpm overwrites its arguments and its environment with its process title.
  const isElsewhere = async () => fs.readlinkSync(`/proc/${await app.pid(fpm)}/cwd`) === '/usr'
  const reload = () => supervisor.signalProcess(fpm, 'USR2')
  const update = async () => {
    await supervisor.reloadConfig()
    await supervisor.stopProcess(fpm)
    await until(async () => (await app.pid(fpm)) === 0, 'php-fpm is stopped')
    await supervisor.removeProcessGroup(fpm)
    await supervisor.addProcessGroup(fpm)
    await until(async () => (await app.pid(fpm)) !== 0 && (await app.page()).status === 200, 'php-fpm is started')
  }
  const cases = [
    [pool, (text: string) => text.replace(/^pm = .*$/m, 'pm = static'), reload, async () => (await children()) === 8],
    [program, (text: string) => `${text.trimEnd()}\ndirectory=/usr\n`, update, isElsewhere],
  ] as const
  await app.done(t, ['deploy'])
  for (const [path, edit, load, isLoaded] of cases)
    for (const isRestored of [false, true]) {
      const file = `${app.prefix}${path}`
      const text = fs.readFileSync(file, 'utf8')
      fs.writeFileSync(file, edit(text))
      await load()
      await until(isLoaded, `${path} is loaded`)
      if (isRestored) fs.writeFileSync(file, text)
      const event = isRestored ? 'configure' : 'deploy'
      const planned = await app.run([event], { mode: 'plan' })
      const { report } = await app.done(t, [event])
      const names = ({ resources }: typeof report) => resources.map(({ name }) => name)
      t.strictSame(names(planned.report), names(report))
      t.match(names(report).join(), /service_re(start|load) app-php-fpm/)
      const tested = report.resources.filter(({ type, outcome }) => type === 'smoke_test' && outcome !== 'skipped')
      t.strictSame(tested, [], 'the current release is not tested before the switch')
      if (isRestored) t.equal(report.resources.length, 1, names(report).join())
      t.equal(fs.readFileSync(file, 'utf8'), text)
      await until(async () => !(await isLoaded()), `${path} is right again`)
      t.equal((await app.run([event])).report.outcome, 'unchanged')
      t.match(await app.page(), { status: 200 })
    }
}

async function hangingWorker(t: Test, app: WebApp): Promise<void> {
  const master = await app.pid('app-php-fpm')
  const workers = fs.readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ').map(Number)
  for (const pid of workers) process.kill(pid, 'SIGSTOP')
  const [inspection, planned] = await Promise.all([app.inspect(), app.run(['configure'], { mode: 'plan' })])
  for (const pid of workers) process.kill(pid, 'SIGCONT')
  const silent = { name: 'app-php-fpm', up: false, detail: /run\/app\.sock did not answer within 10 s/ }
  t.match(inspection.apps, [{ services: [silent, { up: false }] }])
  t.match(planned.report.resources, [{ words: 'wait for app-php-fpm' }])
  t.match(await app.inspect(), { apps: [{ services: [{ up: true }, { up: true }] }] })
  t.equal((await app.run(['configure'])).report.outcome, 'unchanged')
}

async function closed(t: Test, app: WebApp): Promise<void> {
  await app.done(t, ['maintenance_on'])
  t.match(await app.page(), { status: 503, body: /Back soon/ })
  t.match(await app.page('/hello.txt'), { status: 503 })
  const smoke_test = { http: [{ path: '/', contains: 'closed-closed' }], deadline_seconds: 5 }
  app.commit(release('closed'))
  await app.done(t, ['deploy'], { json: { deploy: { app: { smoke_test } } } })
  t.match(await app.page(), { status: 503 }, 'only one who opens it again opens it')
  await app.done(t, ['maintenance_off'])
  t.match(await app.page(), { status: 200, body: /^closed-closed / })
}

async function hot(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  await until(() => visitors.count > 100, 'visitors send requests')
  const before = await Promise.all(['nginx', 'app-php-fpm'].map((name) => app.pid(name)))
  app.commit(release('two'))
  const run = await app.done(t, ['deploy'])
  for (let tries = 0; tries < 20; tries++) t.match(await app.page(), { body: /^two-two / }, 'at once, by every worker')
  t.match(await app.page('/hello.txt'), { body: 'two\n' })
  await visitors.assertNoFailure(t)
  t.strictSame([...visitors.bodies.keys()], ['one-one', 'two-two'])
  t.strictSame([reloads(run), run.report.warnings], [[], []], 'nothing was reloaded')
  t.strictSame(await Promise.all(['nginx', 'app-php-fpm'].map((name) => app.pid(name))), before)
  t.equal((await app.page()).body.split(' ')[1], `${app.releases('active').at(-1)?.path}/public\n`, 'not the link')
}

async function requestsDuringDeploy(t: Test, app: WebApp): Promise<void> {
  const answer = app.page('/?wait=4000')
  app.commit(release('three'))
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^three-three / })
  t.match(await answer, { status: 200, body: /^two-two / })
}

async function sick(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  app.commit(release('sick', 'http_response_code(500);'))
  await app.fails(t, ['deploy'], /before it goes live.*HTTP status 500/s, waitUntil)
  app.commit(release('broken', 'this is no PHP'))
  await app.fails(t, ['deploy'], /before it goes live.*HTTP status 500/s, waitUntil)
  await visitors.assertNoFailure(t)
  t.strictSame([...visitors.bodies.keys()], ['three-three'])
  app.commit(release('four'))
  await app.done(t, ['deploy'])
}

async function back(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  t.strictSame(reloads(await app.done(t, ['rollback'])), [])
  t.match(await app.page(), { body: /^three-three / })
  t.equal((await app.run(['configure'])).report.outcome, 'unchanged')
  t.strictSame(reloads(await app.done(t, ['deploy'])), [])
  t.match(await app.page(), { body: /^four-four / })
  await visitors.assertNoFailure(t)
}

async function coldUpdates(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  const master = await app.pid('app-php-fpm')
  app.commit(release('five'))
  const answer = app.page('/?wait=3000')
  t.strictSame(reloads(await app.done(t, ['deploy'], cold)), ['app-php-fpm', 'nginx'])
  t.match(await app.page(), { body: /^five-five / })
  t.match(await answer, { status: 200, body: /^four-four / }, 'the current request completed')
  const site = fs.readFileSync(`${app.prefix}/etc/nginx/sites-available/app`, 'utf8')
  t.match(site, `root ${app.releases('active').find(({ current }) => current)?.path}/public;`)
  t.equal((await app.run(['deploy'], cold)).report.outcome, 'unchanged')
  await app.done(t, ['rollback'], cold)
  t.match(await app.page(), { body: /^four-four / })
  await app.done(t, ['deploy'], cold)
  t.match(await app.page(), { body: /^five-five / })
  await visitors.assertNoFailure(t)
  t.equal(await app.pid('app-php-fpm'), master, 'php-fpm was reloaded, not stopped')
}

async function hotAfterCold(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  app.commit(release('six'))
  const run = await app.done(t, ['deploy'])
  t.strictSame(reloads(run), ['app-php-fpm', 'nginx'])
  t.strictSame(run.report.warnings, [])
  t.match(run.notes, [/document root becomes the link/])
  app.commit(release('seven'))
  const next = await app.done(t, ['deploy'])
  t.strictSame([reloads(next), next.report.warnings], [[], []])
  t.match(await app.page(), { body: /^seven-seven / })
  await visitors.assertNoFailure(t)
  t.ok([...visitors.bodies.keys()].every((pair) => /^(\w+)-\1$/.test(pair)))
}

async function brokenSite(t: Test, app: WebApp): Promise<void> {
  app.commit(release('eight'))
  const broken = { json: { php_app: { additional_config: 'autoindexx on;' } } }
  await app.fails(t, ['deploy'], /unknown directive "autoindexx"/, broken)
  t.match(await app.page(), { body: /^seven-seven / })
  const pm = { json: { php_app: { fpm: { start_servers: 9, max_children: 3 } } } }
  await app.fails(t, ['deploy'], /rejects the new content of .*app\.conf/, pm)
  t.match(await app.page(), { body: /^seven-seven / })
  await app.done(t, ['deploy'])
  t.match(await app.page(), { body: /^eight-eight / })
}

async function startAndStop(t: Test, app: WebApp): Promise<void> {
  const inspection = await app.inspect()
  t.match(inspection.apps, [{ name: 'app', stopped: null, services: [{ up: true }, { up: true }] }])
  t.strictSame(await app.missingRequirements(), [])
  t.strictSame(reloads(await app.done(t, ['restart'])), ['app-php-fpm', 'nginx'])
  await app.done(t, ['stop'])
  await staysDown(t, app)
  await app.done(t, ['start'])
  t.match(await app.page(), { body: /^closed-closed / })
  t.equal((await app.run(['configure'])).report.outcome, 'unchanged')
  await app.done(t, ['stop'])
  await app.done(t, ['deploy', 'start'])
  t.match(await app.page(), { body: /^closed-closed / })
  t.match(await app.inspect(), { apps: [{ stopped: null, services: [{ up: true }, { up: true }] }] })
  await app.done(t, ['undeploy'])
  t.strictSame(await app.runningPrograms(), ['nginx'])
  t.notOk(fs.existsSync(`${app.directory}/active`))
}

async function staysDown(t: Test, app: WebApp): Promise<void> {
  const assertStopped = async (what: string) => {
    t.strictSame(await app.runningPrograms(), ['nginx'], what)
    await t.rejects(app.page(), { code: 'ECONNREFUSED' }, what)
    const expected = { name: 'app', stopped: { by: 'tester' }, services: [{ up: false }, { up: false }] }
    t.match(await app.inspect(), { apps: [expected] }, what)
  }
  await assertStopped('stop')
  t.equal((await app.run(['stop'])).report.outcome, 'unchanged')
  const { report } = await app.done(t, ['configure'])
  t.equal(report.outcome, 'unchanged', patchOf(report).join('\n'))
  t.match(report.warnings, [/^app was stopped on purpose by tester, /])
  await assertStopped('configure')
  await app.endSupervisord()
  app.startSupervisord()
  await until(async () => (await app.runningPrograms()).includes('nginx'), 'nginx starts with supervisord')
  await assertStopped('a restart of supervisord')
  await app.done(t, ['configure'])
  await assertStopped('configure after it')
}
