/** Tests `converge maintenance`: its event, the options that recipes receive, and the page it creates. */
import * as fs from 'node:fs'
import t from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { role } from '../../core/compile/role.ts'
import { converge } from '../../core/converge/engine.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { SiteNode } from '../../recipes/node.ts'
import { maintenanceEvents } from '../../recipes/web/maintenance.ts'
import { failureOf } from '../support/contract.ts'
import { Sandbox } from '../support/program.ts'

const path = '/var/www/converge/maintenance/site.html'

/** Returns the page for visitors after an event with such options; null: the site. */
async function pageAfter(host: VirtualHost, event: string, options: object = {}): Promise<string | null> {
  const site = role<SiteNode>('site', { events: maintenanceEvents(() => 'site') })
  const plan = compile([site], [event], {
    converge: { prefix: '/' },
    run: { options, by: 'alice@web1' },
  } as unknown as SiteNode)
  const report = await converge(plan, host, { id: 'test', mode: 'run' })
  if (failureOf(report) !== undefined) throw new Error(JSON.stringify(failureOf(report)))
  return host.readText(path)
}

t.test('turns the page on, with a message or a page of its own, and off', async (t) => {
  const host = new VirtualHost()
  t.match(await pageAfter(host, 'maintenance_on'), /<title>Back soon<\/title>.*We are working on this site/s)
  t.equal(host.lstat(path)?.mode, '0644')
  t.match(
    await pageAfter(host, 'maintenance_on', { message: 'Back at <9> & "fresh"' }),
    'Back at &lt;9&gt; &amp; &quot;fresh&quot;',
  )
  t.equal(await pageAfter(host, 'maintenance_on', { page: '<p>own</p>' }), '<p>own</p>')
  t.equal(await pageAfter(host, 'maintenance_off'), null)
  t.equal(await pageAfter(host, 'maintenance_off'), null)
})

t.test('the maintenance command passes its message and page to the role', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({
    'recipes/site.ts': `
      import { file, role } from 'converge-engine'
      const at = process.cwd() + '/page'
      export default role('site', { events: {
        maintenance_on: (r, { run: { options: { page, message } } }) => void file(r, { path: at, content: page ?? message ?? 'usual' }),
        maintenance_off: (r) => void file(r, { path: at, absent: true }),
      } })
      export const other = role('other', { deploy() {} })`,
    'own.html': '<p>own</p>',
  })
  const run = (...args: string[]) =>
    sandbox.converge(['maintenance', ...args, '--recipes', 'recipes', '--role', 'site'])
  t.equal((await run('on')).status, 0)
  t.equal(sandbox.read('page'), 'usual')
  t.equal((await run('on', '-m', 'Back at nine.')).status, 0)
  t.equal(sandbox.read('page'), 'Back at nine.')
  t.equal((await run('on', '--page', 'own.html')).status, 0)
  t.equal(sandbox.read('page'), '<p>own</p>')
  t.match((await run('off', '--dry-run')).stdout, /page/)
  t.ok(fs.existsSync(sandbox.at('page')))
  t.equal((await run('off')).status, 0)
  t.notOk(fs.existsSync(sandbox.at('page')))
  for (const [args, words] of [
    [[], /missing argument: on or off.*converge maintenance on/s],
    [['up'], /unknown argument up: expected on or off/],
    [['on', '--page', 'gone.html'], /--page gone\.html: no such file/],
    [['on', '--page', 'own.html', '-m', 'x'], /message.*page|page.*message/],
  ] as const) {
    const { status, stderr } = await run(...args)
    t.equal(status, 2, args.join(' '))
    t.match(stderr, words)
  }
  const none = await sandbox.converge(['maintenance', 'on', '--recipes', 'recipes', '--role', 'other'])
  t.equal(none.status, 2)
  t.match(none.stderr, /unknown event maintenance_on/)
})
