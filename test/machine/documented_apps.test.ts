/** Deploys the app of docs/port-swap.md that runs gunicorn in a virtualenv, with the attributes from the page. */
import t from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { allBlocks } from '../docs/blocks.ts'
import { needs } from '../support/machine.ts'
import { WebApp } from './support/web_app.ts'

t.setTimeout(240_000)

/** Returns the attributes of a block without the app's name, since the test uses its own. */
function documentedSettings(key: string): JsonObject {
  const { port_app = {} } = JSON.parse(allBlocks().find((block) => block.key === key)?.text ?? '{}')
  const { app_name, ...settings } = port_app
  t.ok(app_name, `${key} is an example of port-app`)
  return settings
}

const wsgiApp = `def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'a blog']
`

t.test('deploys gunicorn in a virtualenv that the build creates', async (t) => {
  if (!needs(t, ['git', 'nginx', 'supervisord', 'python3 venv', 'pip registry'])) return
  const app = await WebApp.make(t, 'port-app', { port_app: documentedSettings('docs/port-swap.md > port-app > 3') })
  app.commit({ 'blog.py': wsgiApp, 'requirements.txt': 'gunicorn==21.2.0\n' })
  await app.done(t, ['setup', 'deploy'])
  t.match(await app.page(), { status: 200, body: 'a blog' })
  t.equal((await app.run(['deploy'])).report.outcome, 'unchanged')
})
