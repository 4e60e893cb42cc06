/** Tests what the role newrelic declares: nothing unless it is switched on, and its files with the license. */
import t from 'tap'
import { parse } from 'yaml'
import { compile } from '../../core/compile/compile.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import { agentConfig } from '../../recipes/newrelic/agent.ts'
import role from '../../recipes/newrelic/role.ts'
import { planned, roleNode } from '../support/role_plans.ts'

const on = (newrelic: JsonObject = {}): JsonObject => ({
  newrelic: { infrastructure: true, license: 'l', ...newrelic },
})
const names = async (json: JsonObject, event = 'setup,configure') =>
  (await planned('newrelic', json, { event })).resources.map(({ name }) => name)

t.test('installs nothing unless one of the two attributes says so', async (t) => {
  t.strictSame(await names({}), [])
  const all = await names(on())
  t.match(all, ['file /etc/newrelic-infra.yml', 'apt_repository newrelic-infra'])
  t.strictSame(await names({ newrelic: { license: 'l' }, new_relic: { infrastructure: true } }), all)
})

t.test('a host with nginx gets the integration', async (t) => {
  const nginx = /nginx-config\.yml/
  t.notMatch((await names(on())).join(), nginx)
  t.match((await names({ ...on(), converge: { roles: ['frontend', 'newrelic'] } })).join(), nginx)
})

t.test('removes what converge wrote, and nothing else, when the agent or nginx is no longer wanted', async (t) => {
  const ours = '# Written by converge, changes are overwritten.\n'
  const [config, nginx] = ['/etc/newrelic-infra.yml', '/etc/newrelic-infra/integrations.d/nginx-config.yml']
  const removed = async (json: JsonObject, files: Readonly<Record<string, string>>) => {
    const host = new VirtualHost()
    for (const [path, text] of Object.entries(files)) host.given(path, text)
    const { resources } = await planned('newrelic', json, { event: 'configure', host })
    return resources
      .filter(({ props }) => /"absent":true|"action":"stopped"/.test(JSON.stringify(props)))
      .map(({ name }) => name)
  }
  const off = { newrelic: { infrastructure: false } }
  const all = ['service newrelic-infra', `file ${nginx}`, `file ${config}`, 'apt_repository newrelic-infra']
  t.strictSame(await removed(off, { [config]: ours, [nginx]: ours }), all)
  t.strictSame(
    await removed(off, { [config]: ours, [nginx]: 'by hand' }),
    all.filter((name) => !name.includes(nginx)),
  )
  t.strictSame(await removed(off, { [config]: 'by hand', [nginx]: ours }), [])
  t.strictSame(await removed(on(), { [config]: ours, [nginx]: ours }), [`file ${nginx}`])
  t.strictSame(await removed(on(), { [config]: ours, [nginx]: 'by hand' }), [])
})

t.test('refuses a distribution without a codename, instead of guessing one', (t) => {
  const facts = { platform: { name: 'debian', version: '', codename: null } }
  const setup = (json: JsonObject) => compile([role], ['setup'], roleNode(json, { facts, events: ['setup'] }))
  t.throws(() => setup(on()), { code: 'NO_CODENAME', hint: /set VERSION_CODENAME in \/etc\/os-release/ })
  t.strictSame(setup({}).resources, [])
  t.end()
})

t.test('the license is required, and that of the host comes first', async (t) => {
  const license = (json: JsonObject) => parse(agentConfig(roleNode(json))).license_key
  t.equal(license(on()), 'l')
  t.equal(license(on({ server_monitoring: { license: 'own' } })), 'own')
  t.throws(() => license(on({ license: '' })), { message: /newrelic\.license is not set/ })
})

t.test('values reach the agent as they are', async (t) => {
  const names = ['a: b', '#x', 'yes', '"', '\\', "it's", '1e3', '- x', '{{HOST}}']
  for (const display_name of names)
    t.equal(parse(agentConfig(roleNode(on({ infrastructure_agent: { display_name } })))).display_name, display_name)
})
