/**
 * Tests apps that answer 400 to host names other than their own, as Django does with ALLOWED_HOSTS: the health checks
 * send the right name.
 */
import t from 'tap'
import { patchOf } from '../support/contract.ts'
import { needs } from '../support/machine.ts'
import { WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

const domains = ['*.app.test', 'www.app.test']

t.test('checks a PHP app', async (t) => {
  if (!needs(t, ['git', 'nginx', 'php-fpm', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'php-app', { php_app: { domains, health: { deadline_seconds: 5 } } })
  const page = (name: string, header = '') => ({
    'index.php': `<?php
$known = $_SERVER['HTTP_HOST'] === '${name}' && $_SERVER['SERVER_NAME'] === '${name}';
if (!$known || ($_SERVER['HTTP_X_PROBE'] ?? '') !== '${header}') http_response_code(400);
`,
  })
  app.commit(page('www.app.test'))
  await app.done(t, ['setup', 'deploy'])
  const again = await app.run(['deploy'])
  t.equal(again.report.outcome, 'unchanged', patchOf(again.report).join('\n'))
  const tried = ({ progress }: { readonly progress: readonly string[] }) =>
    progress.filter((line) => /^http:/.test(line))
  app.commit({ ...page('www.app.test'), next: '' })
  t.not(tried(await app.done(t, ['deploy'])).length, 0, 'tried before the switch')

  app.commit(page('answers.test', 'yes'))
  await app.fails(t, ['deploy'], /HTTP status 400/)
  const health = { json: { php_app: { health: { host: 'answers.test', headers: { 'X-Probe': 'yes' } } } } }
  await app.done(t, ['deploy'], health)
  t.equal((await app.run(['deploy'], health)).report.outcome, 'unchanged')
  app.commit({ ...page('answers.test', 'yes'), next: '2' })
  await app.done(t, ['deploy'], health)
})

const server = `
const { createServer } = require('node:http')
createServer((request, response) => {
  response.statusCode = request.headers.host === 'www.app.test' ? 200 : 400
  response.end('page')
}).listen(Number(process.argv[2]), '127.0.0.1')
`

t.test('checks a server, and a smoke test that names a port', async (t) => {
  if (!needs(t, ['git', 'nginx', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'port-app', {
    port_app: {
      domains,
      command: `/usr/bin/env -u NODE_OPTIONS ${process.execPath} server.js %{port}`,
      health: { deadline_seconds: 10 },
    },
  })
  const smoke_test = { http: [{ path: '/' }, { path: '/', port: app.httpPort }], deadline_seconds: 5 }
  app.commit({ 'server.js': server })
  await app.done(t, ['setup', 'deploy'], { json: { deploy: { app: { smoke_test } } } })
  const again = await app.run(['deploy'], { json: { deploy: { app: { smoke_test } } } })
  t.equal(again.report.outcome, 'unchanged', patchOf(again.report).join('\n'))
})
