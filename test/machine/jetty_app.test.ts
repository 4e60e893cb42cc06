/** Tests Debian's jetty9 behind nginx under continuous requests: each release runs in its own JVM. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { patchOf } from '../support/contract.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { checkDeployPhases } from './support/deploy_phases.ts'
import { WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

/** The client compiler suffices for a page, and starts in half the time. */
const jvm = { jvm_options: '-XX:TieredStopAtLevel=1 -Xmx64m' }

/** Builds a war with pages; a page that must fail answers 404. */
function war(t: Test, pages: Readonly<Record<string, string>>): Buffer {
  const at = scratch(t)
  for (const [name, text] of Object.entries(pages)) fs.writeFileSync(`${at}/${name}`, text)
  execFileSync('zip', ['-q', '-r', 'app.war', ...Object.keys(pages)], { cwd: at })
  return fs.readFileSync(`${at}/app.war`)
}

t.test('deploys a war file', async (t) => {
  if (!needs(t, ['git', 'nginx', 'java', 'jetty9', 'zip', 'python3 venv', 'pip registry'])) return
  const file = `${scratch(t)}/app.war`
  const publish = (version: string, health: object = { 'health.html': 'fine' }) =>
    fs.writeFileSync(file, war(t, { 'index.html': `${version} page`, ...health }))
  publish('one')
  const app = await WebApp.make(t, 'jetty-app', {
    jetty_app: { ...jvm, war: { file }, health: { path: '/health.html', status: 200, deadline_seconds: 30 } },
    deploy: { app: { keep_releases: 2 } },
  })
  await app.done(t, ['setup', 'deploy'])
  t.match(await app.page(), { status: 200, body: 'one page' })
  const again = await app.run(['deploy'])
  t.equal(again.report.outcome, 'unchanged', patchOf(again.report).join('\n'))
  t.equal(fs.readlinkSync(`${app.directory}/webapps`), 'current/webapps')
  t.strictSame(fs.readdirSync(`${app.directory}/webapps`), ['ROOT.war'])
  t.ok(fs.existsSync(`${app.directory}/run/start.d/converge.ini`))

  await t.test('deploys releases while visitors make requests', async (t) => {
    const visitors = app.visitors(t)
    await until(() => visitors.count > 50, 'visitors send requests')
    publish('two')
    await app.done(t, ['deploy'])
    publish('sick', {})
    const waitUntil = { json: { jetty_app: { health: { deadline_seconds: 3 } } } }
    await app.fails(t, ['deploy'], /HTTP status 404.*continues to serve.*Started ServerConnector/s, waitUntil)
    t.equal((await app.runningPrograms()).length, 2, 'one JVM, and nginx')
    const bad = { json: { jetty_app: { jvm_options: '-XX:NoSuchOption' } } }
    await app.fails(t, ['deploy'], /continues to serve.*NoSuchOption/s, bad)
    await app.done(t, ['rollback'])
    t.match(await app.page(), { body: 'one page' })
    publish('three')
    await app.done(t, ['deploy'])
    await app.done(t, ['restart'])
    await visitors.assertNoFailure(t)
    t.strictSame([...visitors.bodies.keys()], ['one', 'two', 'three'])
    t.ok(app.releases().length <= 4, 'older ones are removed')
  })
})

t.test('deploys a war from a server, and one that a build creates', async (t) => {
  if (!needs(t, ['git', 'nginx', 'java', 'jetty9', 'zip', 'python3 venv', 'pip registry'])) return
  const content = war(t, { 'index.html': 'fetched page' })
  const port = await freePort()
  const logins: (string | undefined)[] = []
  const server = createServer((request, response) => {
    logins.push(request.headers.authorization)
    response.end(content)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  const sha256 = createHash('sha256').update(content).digest('hex')
  const url = `http://127.0.0.1:${port}/app.war`
  const app = await WebApp.make(t, 'jetty-app', { jetty_app: jvm })
  await app.done(t, ['setup'])
  const from = (source: object) => ({
    json: { jetty_app: { war: source, context: 'shop', health: { path: '/shop/' } } },
  })
  await app.fails(t, ['deploy'], /sha256/, from({ url, sha256: sha256.replace(/./g, '0') }))
  await app.done(t, ['deploy'], from({ url, sha256, user: 'ci', password: 'pass' }))
  t.match(await app.page('/shop/'), { status: 200, body: 'fetched page' })
  t.equal(logins.at(-1), `Basic ${Buffer.from('ci:pass').toString('base64')}`)
  t.equal((await app.run(['deploy'], from({ url, sha256, user: 'ci', password: 'pass' }))).report.outcome, 'unchanged')

  app.commit({ 'index.html': 'built page' })
  const built = from({ path: 'target/shop.war' })
  const build = { build_command: 'mkdir target && zip -q target/shop.war index.html' }
  const json = { ...built.json, jetty_app: { ...built.json.jetty_app, ...build } }
  await app.done(t, ['deploy'], { json })
  t.match(await app.page('/shop/'), { status: 200, body: 'built page' })
  t.equal((await app.run(['deploy'], { json })).report.outcome, 'unchanged')
  await checkDeployPhases(t, app, {
    publish: (version, files) => app.commit({ 'index.html': `${version} page`, ...files }),
    file: 'index.html',
    path: '/shop/',
    json,
  })
  await t.rejects(app.run(['deploy'], from({ path: 'a.war', url })), /war has url and path/)
  await app.done(t, ['stop'])
  t.strictSame(await app.runningPrograms(), ['nginx'])
})
