/** Tests that a deploy or rollback on a host with Varnish bans the site's cached pages if the attribute requests it. */
import t from 'tap'
import { deployed, type FakeHost, set } from '../support/fake_host.ts'

const vcl = '/etc/varnish/default.vcl'

async function site(attributes: object, hasVarnish: boolean): Promise<FakeHost> {
  const host = await deployed()
  if (hasVarnish) host.machine.given(vcl, 'vcl 4.1;\n')
  set(host, { zodb_cache_size: 1000 })
  host.attributes = { ...host.attributes, ...attributes }
  return host
}

const planned = async (host: FakeHost, events: readonly string[]) => {
  const { resources } = await host.run(events, { mode: 'plan' })
  return resources.filter(({ outcome }) => outcome !== 'unchanged').map(({ type }) => type)
}

t.test('bans nothing by default, and only where Varnish is installed', async (t) => {
  const on = { varnish_plone: { ban_on_deploy: true } }
  for (const [attributes, hasVarnish] of [
    [{}, true],
    [on, false],
  ] as const)
    t.notOk((await planned(await site(attributes, hasVarnish), ['deploy'])).includes('varnish_ban'))
  const types = await planned(await site(on, true), ['deploy'])
  t.equal(types.filter((type) => type === 'varnish_ban').length, 1)
  t.ok(types.indexOf('varnish_ban') > types.indexOf('service_restart'), 'after the restart')
})

t.test('bans pages after a rollback too', async (t) => {
  const host = await site({}, false)
  await host.run(['deploy'])
  host.machine.given(vcl, 'vcl 4.1;\n')
  host.attributes = { ...host.attributes, varnish_plone: { ban_on_deploy: true } }
  t.ok((await planned(host, ['rollback'])).includes('varnish_ban'))
})
