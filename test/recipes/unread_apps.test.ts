/**
 * Tests that runs and reports of some roles, and of the hooks, read no path below an app, which its account can replace. A role
 * that begins to read one fails here: it then belongs to the attacks of hostile_reads.test.ts.
 */
import t from 'tap'
import { giveWebServer } from '../support/app_web_server.ts'
import { FakeHost } from '../support/fake_host.ts'
import { HooksMachine } from '../support/hooks_machine.ts'
import { watchReads } from '../support/hostile_reads.ts'

const isOfApp = (path: string) => path.startsWith('/srv/www/')

for (const role of ['frontend', 'broker', 'memcached', 'base'])
  t.test(`${role} reads no path of an app`, async (t) => {
    const site = new FakeHost()
    giveWebServer(site)
    await site.run()
    const base = new FakeHost({ roles: [role] }, site.remote.fork())
    base.machine.copyFrom(site.machine)
    giveWebServer(base)
    t.ok(Object.keys(base.tree()).some(isOfApp), 'the host has an app')
    const read: string[] = []
    let count = 0
    for (const events of [['setup', 'configure'], ['deploy'], ['restart'], ['undeploy']])
      for (const mode of ['plan', 'run'] as const) {
        const host = base.clone()
        const end = watchReads(host, (path) => {
          count++
          if (isOfApp(path)) read.push(path)
        })
        // A server that does not come up ends the run.
        await host.run(events, { mode })
        if (role !== 'base') await host.inspect()
        end()
      }
    t.ok(count > 50 || role === 'base', `${count} reads`)
    t.strictSame(read, [], 'add the role to hostile_reads.test.ts, so that these paths are attacked')
  })

t.test('the hooks read no path of an app', async (t) => {
  for (const init of ['systemd', 'other'] as const) {
    const machine = new HooksMachine(init)
    machine.host.given('/srv/www/site/current', null)
    const read: string[] = []
    let count = 0
    const end = watchReads({ machine: machine.host }, (path) => {
      count++
      if (isOfApp(path)) read.push(path)
    })
    for (const event of ['hooks_install', 'show', 'hooks_remove', 'show']) await machine.run(event)
    end()
    t.ok(count > 5, `${count} reads`)
    t.strictSame(read, [], init)
  }
})
