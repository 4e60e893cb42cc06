/**
 * Tests apps that were stopped on purpose: they stay down until a start or a deploy, whatever else runs on the host.
 */
import t, { type Test } from 'tap'
import { intendedStop } from '../../resources/services/stop_record.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { nothingToDo, servedBy, settled, succeeded } from '../support/lifecycle.ts'

const both = ['zeo-server', 'zeo-client']

function isDown(t: Test, host: FakeHost, what: string): void {
  const up = Object.entries(host.processes()).filter(([, { state }]) => state !== 'STOPPED')
  t.strictSame(up, [], `${what}: nothing runs`)
}

/** Reboots the host: supervisord starts the programs that are set to start. */
async function reboot(host: FakeHost): Promise<void> {
  host.supervisor.endSupervisord(host.machine)
  await host.run(['setup'])
}

t.test('configure, setup, build and a reboot leave it stopped, and start starts it', async (t) => {
  for (const user of ['root', 'jane'] as const)
    await t.test(user, async (t) => {
      const host = await deployed({}, {}, { user })
      succeeded(t, await host.run(['stop']))
      for (const events of [['configure'], ['setup'], ['setup', 'configure'], ['build'], ['shutdown']]) {
        set(host, { zodb_cache_size: events.length * 1000 })
        succeeded(t, await host.run(events))
        isDown(t, host, events.join(', '))
      }
      t.match((await host.run(['configure'])).warnings, [/^site was stopped on purpose by tester@plone1, /])
      await nothingToDo(t, host, ['configure'])
      await nothingToDo(t, host, ['stop'])
      await reboot(host)
      isDown(t, host, 'reboot')
      succeeded(t, await host.run(['configure']))
      isDown(t, host, 'configure after a reboot')
      set(host, {})
      succeeded(t, await host.run(['start']))
      servedBy(t, host)
      await nothingToDo(t, host, ['configure'])
      await nothingToDo(t, host)
      await reboot(host)
      servedBy(t, host)
    })
})

t.test('restart, rollback, rebuild, deploy and the whole lifecycle start it', async (t) => {
  for (const events of [['restart'], ['rollback'], ['rebuild'], ['deploy'], undefined, ['stop', 'deploy']])
    await t.test(events?.join() ?? 'the whole way', async (t) => {
      const host = await deployed()
      host.remote.push({ VERSION: '2\n' })
      succeeded(t, await host.run(['deploy']))
      succeeded(t, await host.run(['stop']))
      succeeded(t, await host.run(events))
      t.equal(intendedStop(host.machine, 'site'), null)
      const current = host.currentRelease()
      servedBy(t, host, 2, { commit: current?.commit ?? '' })
      succeeded(t, await host.run(['configure']))
      servedBy(t, host, 2, { commit: current?.commit ?? '' })
      await nothingToDo(t, host, ['configure'])
    })
})

t.test('after a shutdown, a boot and configure start the app', async (t) => {
  const host = await deployed()
  succeeded(t, await host.run(['shutdown']))
  t.equal(intendedStop(host.machine, 'site'), null)
  await reboot(host)
  servedBy(t, host)
  succeeded(t, await host.run(['shutdown']))
  succeeded(t, await host.run(['configure']))
  servedBy(t, host)
})

t.test('a deploy that fails before the switch leaves it stopped', async (t) => {
  const host = await deployed()
  succeeded(t, await host.run(['stop']))
  host.buildFailure = 'Error: no network'
  host.remote.push({ VERSION: '2\n' })
  t.equal((await host.run(['deploy'])).outcome, 'failed')
  isDown(t, host, 'failed')
  host.buildFailure = null
  succeeded(t, await host.run(['configure']))
  isDown(t, host, 'configure')
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
})

t.test('starts only the deployed one of two apps', async (t) => {
  const host = new FakeHost({ roles: both })
  succeeded(t, await host.run())
  succeeded(t, await host.run(['stop']))
  succeeded(t, await host.run(['deploy'], { roles: ['zeo-server'] }))
  settled(t, host, { app: 'zeo', programs: ['zeoserver'] })
  succeeded(t, await host.run(['configure']))
  t.equal(host.page(8081), null, 'the clients stay stopped')
  const attributes = host.attributes
  host.attributes = { ...attributes, converge: { deployed_apps: ['zeo'] } }
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(['deploy']))
  t.equal(host.page(8081), null, 'a deploy of the other app leaves them stopped')
  host.attributes = { ...attributes, converge: { deployed_apps: ['site'] } }
  succeeded(t, await host.run(['deploy']))
  servedBy(t, host)
})

t.test('undeploy removes the record', async (t) => {
  const host = await deployed()
  succeeded(t, await host.run(['stop']))
  succeeded(t, await host.run(['undeploy']))
  t.equal(intendedStop(host.machine, 'site'), null)
  await nothingToDo(t, host, ['undeploy'])
  succeeded(t, await host.run())
  servedBy(t, host)
})

t.test('configure completes a stop or a start that was killed anywhere', async (t) => {
  const base = await deployed()
  const undisturbed = base.clone()
  succeeded(t, await undisturbed.run(['stop']))
  const stopping = undisturbed.events
  let started = 0
  for (let killAt = 1; killAt <= stopping; killAt++) {
    const host = base.clone()
    await host.run(['stop'], { killAt })
    const recorded = intendedStop(host.machine, 'site') !== null
    const states = Object.values(host.processes()).map(({ state }) => state)
    if (!recorded)
      t.ok(
        states.every((state) => state === 'RUNNING'),
        'nothing stops before the record',
      )
    succeeded(t, await host.run(['configure']))
    if (recorded) isDown(t, host, `killed before ${host.killedBefore ?? killAt}`)
    else servedBy(t, host)
    started += recorded ? 0 : 1
  }
  t.ok(started <= 2 && stopping > 4, 'the record is written first')
  for (let killAt = 1; ; killAt++) {
    const host = undisturbed.clone()
    await host.run(['start'], { killAt })
    if (host.killedBefore === null) break
    const recorded = intendedStop(host.machine, 'site') !== null
    succeeded(t, await host.run(['configure']))
    if (recorded) isDown(t, host, `start killed at ${killAt}`)
    else servedBy(t, host)
    succeeded(t, await host.run(['start']))
    servedBy(t, host)
  }
})

t.test('status reports the stop', async (t) => {
  const host = await deployed()
  t.match(await host.inspect(), { apps: [{ stopped: null }] })
  succeeded(t, await host.run(['stop']))
  const [app] = (await host.inspect()).apps
  t.equal(app?.stopped?.by, 'tester@plone1')
  succeeded(t, await host.run(['start']))
  t.match(await host.inspect(), { apps: [{ stopped: null }] })
})
