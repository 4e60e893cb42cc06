/**
 * Tests a war that requires a login in Debian's jetty9: the failure without a login service, and the documented way to
 * add one.
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { failureOf, patchOf } from '../support/contract.ts'
import { needs, scratch } from '../support/machine.ts'
import { hintPattern } from '../support/proofs.ts'
import { WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

const webXml = `<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="http://xmlns.jcp.org/xml/ns/javaee" version="3.1">
  <security-constraint>
    <web-resource-collection><web-resource-name>all</web-resource-name><url-pattern>/*</url-pattern></web-resource-collection>
    <auth-constraint><role-name>jolokia</role-name></auth-constraint>
  </security-constraint>
  <login-config><auth-method>BASIC</auth-method><realm-name>jolokia</realm-name></login-config>
  <security-role><role-name>jolokia</role-name></security-role>
</web-app>
`

function war(t: Test): string {
  const at = scratch(t)
  fs.mkdirSync(`${at}/WEB-INF`)
  fs.writeFileSync(`${at}/WEB-INF/web.xml`, webXml)
  fs.writeFileSync(`${at}/index.html`, 'private page')
  execFileSync('zip', ['-q', '-r', 'app.war', 'index.html', 'WEB-INF'], { cwd: at })
  return `${at}/app.war`
}

/** Returns the files of the example in the documentation. */
function documented() {
  const page = fs.readFileSync(fileURLToPath(new URL('../../docs/port-swap.md', import.meta.url)), 'utf8')
  const example = /### Add a login.*?```json\n(.*?)```/s.exec(page)?.[1] ?? '{}'
  const { files, ini, health } = JSON.parse(example).jetty_app
  return { files, ini, health }
}

t.test('deploys a war with a login', async (t) => {
  if (!needs(t, ['git', 'nginx', 'java', 'jetty9', 'zip', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'jetty-app', {
    jetty_app: { jvm_options: '-XX:TieredStopAtLevel=1 -Xmx64m', war: { file: war(t) } },
  })
  await app.done(t, ['setup'])

  const began = performance.now()
  const failure = failureOf((await app.run(['deploy'])).report) as Record<string, string>
  t.match(failure.message, /Failed startup of context: .*No LoginService.*HTTP status 503/)
  const proof = {
    source: 'recipes/jetty_app/base_files.ts',
    hint: 'add an XML file to jetty_app.files with a LoginService for the realm-name in web.xml of the war, and name that file in jetty_app.ini; for an example, see "Add a login" in docs/port-swap.md',
  }
  t.match(failure.hint, hintPattern(proof.hint), proof.source)
  t.ok(performance.now() - began < 60_000, 'the run does not wait until the deadline of two minutes')

  const { files, ini, health } = documented()
  const json = { jetty_app: { files, ini, health } }
  const login = (password: string) => ({
    headers: { Authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
  })
  await app.done(t, ['deploy'], { json })
  t.match(await app.ask('/'), { status: 401 })
  t.match(await app.ask('/', login('a-long-password')), { status: 200, body: 'private page' })
  const again = await app.run(['deploy'], { json })
  t.equal(again.report.outcome, 'unchanged', patchOf(again.report).join('\n'))
  const realm = fs.statSync(`${app.directory}/run/etc/realm.properties`)
  t.equal(realm.mode & 0o777, 0o640)

  const changed = structuredClone(json)
  changed.jetty_app.files['etc/realm.properties'].content = 'admin: another-password,jolokia\n'
  const plan = await app.run(['deploy'], { json: changed, mode: 'plan' })
  const run = await app.done(t, ['deploy'], { json: changed })
  t.match(patchOf(run.report).join('\n'), /replace \/current = \d+/, 'the run reports that another process is current')
  t.match(patchOf(plan.report).join('\n'), /replace \/current = \d+/, 'as the plan predicted')
  t.notMatch(JSON.stringify([plan, run]), /another-password/)
  t.match(await app.ask('/', login('a-long-password')), { status: 401 })
  t.match(await app.ask('/', login('another-password')), { status: 200 })
  await app.done(t, ['rollback'], { json: changed })
  t.match(await app.ask('/', login('a-long-password')), { status: 200 }, 'a rollback returns to its files')
})
