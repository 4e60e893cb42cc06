/** Tests port-app with a node server under continuous requests: nginx, supervisord, git and the processes are real. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { childPids, isShuttingDown } from '../../resources/services/managers/service_processes.ts'
import { Supervisor } from '../../resources/supervisor/client.ts'
import { patchOf } from '../support/contract.ts'
import { freePort, needs, selfSigned } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { checkDeployPhases } from './support/deploy_phases.ts'
import { inOrder, nodeSettings, type Step, WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

t.test('a node server', async (t) => {
  if (!needs(t, ['git', 'nginx', 'openssl', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'port-app', nodeSettings, 'my prefix')
  app.commit({ VERSION: 'one' }, 'example-node-app')
  await inOrder(t, app, steps)
})

const steps: readonly Step[] = [
  ['the first deploy, and nothing to do in the second run', first],
  ['a new release under load', release],
  ['a request of the old process is answered, however long it takes', slowRequest],
  ['after a failed health check or a failed start, the old release serves', sick],
  ['a changed environment, a restart by hand, and a rollback: no request fails', changes],
  ['hooks, a migration, and a smoke test that rolls back', deployPhases],
  ['a site that is only checked leaves nginx what it needs', onlyChecked],
  ['drift that nginx and supervisord have loaded is put right in both', drift],
  ['drift that was loaded, and then reverted by hand', restore],
  ['damaged files are repaired before nginx checks them', damaged],
  ['another file with the same program is refused', shadowed],
  ['TLS with the certificate of the attributes', tls],
  ['closed for a while, and deployed to meanwhile', closed],
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
  t.strictSame(await app.runningPrograms(), [`app-${app.ports[0]}`, 'nginx'])
}

async function deployPhases(t: Test, app: WebApp): Promise<void> {
  await checkDeployPhases(t, app, { publish: (VERSION, files) => app.commit({ VERSION, ...files }), file: 'VERSION' })
}

async function onlyChecked(t: Test, app: WebApp): Promise<void> {
  // Larger than the body that nginx buffers in memory.
  const upload = () => app.ask('/', { method: 'POST', body: 'x'.repeat(100_000) })
  t.match(await upload(), { status: 200 })
  const json = { port_app: { max_body_megabytes: 50, build_command: 'exit 7' } }
  await app.fails(t, ['deploy'], /status 7/, { json })
  t.match(await upload(), { status: 200 }, 'not yet reloaded')
}

/**
 * Requests a page.
 * @returns a status or an error code; a connection that a reload closes has another code than a closed port
 */
function served(app: WebApp): Promise<number | string | undefined> {
  return app.page().then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code,
  )
}

function nginxLoads(app: WebApp): void {
  execFileSync('/usr/sbin/nginx', ['-c', `${app.prefix}/etc/nginx/nginx.conf`, '-s', 'reload'], { stdio: 'ignore' })
}

async function drift(t: Test, app: WebApp): Promise<void> {
  const [site, confDir] = [`${app.prefix}/etc/nginx/sites-enabled/app`, `${app.prefix}/etc/supervisor/conf.d`]
  await app.done(t, ['deploy'])
  fs.writeFileSync(site, '')
  nginxLoads(app)
  await until(async () => (await served(app)) === 'ECONNREFUSED', 'nginx has closed the port of the site')
  const [shown] = (await app.inspect()).apps
  t.match(shown?.services, [{ up: false, readiness: 'not ready', detail: /nginx does not show it: / }])
  t.equal((await app.done(t, ['deploy'])).report.outcome, 'changed')
  t.match(await app.page(), { status: 200 }, 'nginx has loaded the site again')
  t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')

  const supervisor = new Supervisor(app.host, `${app.prefix}/var/run/supervisor.sock`)
  const name = (await app.runningPrograms()).find((one) => one.startsWith('app-')) ?? ''
  const file = `${confDir}/${name}.conf`
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/^environment=/m, 'environment=DRIFT="1",'))
  await supervisor.reloadConfig()
  await supervisor.stopProcess(name)
  await until(async () => (await app.pid(name)) === 0, `${name} is stopped`)
  await supervisor.removeProcessGroup(name)
  await supervisor.addProcessGroup(name)
  await until(async () => (await served(app)) === 200, 'the program answers')
  await app.done(t, ['deploy'])
  const now = (await app.runningPrograms()).find((one) => one.startsWith('app-')) ?? ''
  const environment = fs.readFileSync(`/proc/${await app.pid(now)}/environ`, 'utf8')
  t.notMatch(environment, /DRIFT/, 'the process runs with the declared options')
  t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')
}

function workers(app: WebApp): number[] {
  return childPids(app.host, Number(fs.readFileSync(`${app.prefix}/var/lib/nginx/nginx.pid`, 'utf8')))
}

/**
 * Restores files while nginx has loaded an edited one: the files are as declared, and only the loaded configuration
 * differs.
 */
async function restore(t: Test, app: WebApp): Promise<void> {
  const nginx = `${app.prefix}/etc/nginx`
  const upstream = `${nginx}/conf.d/app-upstream.conf`
  const port = /:(\d+);/.exec(fs.readFileSync(upstream, 'utf8'))?.[1] ?? ''
  for (const [path, edit, answerBefore] of [
    [`${nginx}/sites-enabled/app`, () => '', 'ECONNREFUSED'],
    [upstream, (text: string) => text.replace(port, '1'), 502],
  ] as const)
    for (const event of ['deploy', 'configure']) {
      const text = fs.readFileSync(path, 'utf8')
      fs.writeFileSync(path, edit(text))
      const before = workers(app)
      nginxLoads(app)
      await until(async () => (await served(app)) === answerBefore, 'nginx has loaded the other text')
      // For a tenth of a second, nginx serves with the new workers and the old ones.
      const stays = (pid: number) => workers(app).includes(pid) && !isShuttingDown(app.host, pid)
      await until(() => !before.some(stays), 'the workers with the declared text take no requests')
      fs.writeFileSync(path, text)
      t.not((await app.run([event], { mode: 'plan' })).report.outcome, 'unchanged')
      t.equal((await app.done(t, [event])).report.resources.length, 1, `${event}: ${path}`)
      await until(async () => (await served(app)) === 200, 'nginx has loaded it again')
      t.equal((await app.run([event])).report.outcome, 'unchanged')
      // A hard link, as backup programs make it.
      fs.linkSync(path, `${app.prefix}/backup`)
      fs.rmSync(`${app.prefix}/backup`)
      t.equal((await app.run([event])).report.outcome, 'unchanged')
    }
}

async function damaged(t: Test, app: WebApp): Promise<void> {
  const nginx = `${app.prefix}/etc/nginx`
  const [site, upstream] = [`${nginx}/sites-enabled/app`, `${nginx}/conf.d/app-upstream.conf`]
  const programs = () =>
    fs.readdirSync(`${app.prefix}/etc/supervisor/conf.d`).map((one) => `${app.prefix}/etc/supervisor/conf.d/${one}`)
  const damages: readonly ((path: string) => void)[] = [
    (path) => fs.writeFileSync(path, '\0\0{ garbage ['),
    (path) => fs.truncateSync(path, Math.floor(fs.statSync(path).size / 2)),
    (path) => fs.writeFileSync(path, ''),
  ]
  for (const [index, damage] of damages.entries()) {
    for (const path of [site, upstream, ...programs().filter((one) => one.includes('/app-'))]) damage(path)
    app.commit({ VERSION: `damaged-${index}` })
    await app.done(t, ['deploy'])
    t.match(await app.page(), { status: 200, body: new RegExp(`^damaged-${index} `) })
    t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')
  }
  fs.rmSync(upstream)
  await app.done(t, ['deploy'])
  t.match(await app.page(), { status: 200 })
}

async function shadowed(t: Test, app: WebApp): Promise<void> {
  const name = (await app.runningPrograms()).find((one) => one.startsWith('app-')) ?? ''
  const other = `${app.prefix}/etc/supervisor/conf.d/zzz-old.conf`
  fs.writeFileSync(other, `[program:${name}]\ncommand=/bin/sleep 3333\n`)
  app.commit({ VERSION: 'shadowed' })
  const before = app.releases().length
  await app.fails(t, ['deploy'], new RegExp(`${name} is defined twice: in .*${name}\\.conf, and as .*zzz-old\\.conf`))
  t.equal(app.releases().length, before, 'nothing was built')
  t.strictSame(await app.missingRequirements(), ['programs of supervisord'])
  fs.rmSync(other)
  await app.done(t, ['deploy'])
}

async function tls(t: Test, app: WebApp): Promise<void> {
  const [one, other] = [selfSigned(t, 'shop.test'), selfSigned(t, 'shop.test')]
  const https_port = await freePort()
  app.commit({ VERSION: 'tls' })
  const json = (ssl_certificate: string, ssl_certificate_key: string) => ({
    json: {
      port_app: { https_port },
      deploy: { app: { ssl_support: true, ssl_certificate, ssl_certificate_key, domains: ['shop.test'] } },
    },
  })
  const { report } = await app.done(t, ['deploy'], json(one.certificate, one.key))
  t.notOk(JSON.stringify(report).includes(one.key.split('\n')[1] ?? ''), 'the key is shown nowhere')
  const secure = (maxVersion?: 'TLSv1.1') =>
    app.ask('/', { port: https_port, headers: { Host: 'shop.test' }, tls: { servername: 'shop.test', maxVersion } })
  t.match(await secure(), { status: 200, body: /^tls / })
  t.match(await app.ask('/', { headers: { Host: 'shop.test' } }), { status: 200 }, 'HTTP still answers')
  await t.rejects(secure('TLSv1.1'), 'nothing older than TLS 1.2')
  t.equal((await app.run(['deploy'], json(one.certificate, one.key))).report.outcome, 'unchanged')
  await app.fails(t, ['deploy'], /rejects the new content of .*app\.pem/, json(other.certificate, one.key))
  const before = (await secure()).certificate
  await app.done(t, ['deploy'], json(other.certificate, other.key))
  await until(async () => (await secure()).certificate !== before, 'the new one is shown')
  await app.done(t, ['deploy'])
  await until(
    () =>
      secure().then(
        () => false,
        () => true,
      ),
    'no server answers by TLS',
  )
  t.notOk(fs.existsSync(`${app.prefix}/etc/nginx/ssl/app.pem`), 'no key is left')
}

/** A smoke test that requests a page from nginx, which has closed the site. */
const tested = (contains: string) => ({
  json: { deploy: { app: { smoke_test: { http: [{ path: '/', contains }], deadline_seconds: 5 } } } },
})

async function closed(t: Test, app: WebApp): Promise<void> {
  await app.done(t, ['maintenance_on'], { options: { message: 'Back at nine.' } })
  t.match(await app.page('/anything'), { status: 503, body: /Back at nine\./ })
  app.commit({ VERSION: 'closed' })
  await app.done(t, ['deploy'], tested('closed'))
  t.match(await app.page(), { status: 503 }, 'only one who opens it again opens it')
  await app.done(t, ['maintenance_off'])
  t.match(await app.page(), { status: 200, body: /^closed / })
}

async function release(t: Test, app: WebApp): Promise<void> {
  const visitors = app.visitors(t)
  await until(() => visitors.count > 100, 'visitors send requests')
  app.commit({ VERSION: 'two' })
  await app.done(t, ['deploy'])
  await until(() => (visitors.bodies.get('two') ?? 0) > 100, 'they get the new one')
  await visitors.assertNoFailure(t)
  t.ok((visitors.bodies.get('one') ?? 0) > 100)
  t.strictSame(await app.runningPrograms(), [`app-${app.ports[1]}`, 'nginx'], 'the old process has ended')
  const idle = fs.readFileSync(`${app.prefix}/etc/supervisor/conf.d/app-${app.ports[0]}.conf`, 'utf8')
  t.match(idle, 'autostart=false', 'and stays so after a boot')
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
  const waitUntil = { json: { port_app: { health: { deadline_seconds: 2 } } } }
  await app.fails(t, ['deploy'], /HTTP status 500.*continues to serve.*sick listens on/s, waitUntil)
  app.commit({ VERSION: 'dies' })
  await app.fails(t, ['deploy'], /continues to serve.*no database: giving up/s)
  app.commit({ VERSION: '' })
  await app.fails(t, ['deploy'], /exit(ed)? (with )?status 1|status 1/)
  t.equal((await app.runningPrograms()).length, 2, 'those that failed are stopped')
  await visitors.assertNoFailure(t)
  t.strictSame([...visitors.bodies.keys()], ['three'])
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
  await visitors.assertNoFailure(t)
}
