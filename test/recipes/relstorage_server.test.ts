/** Tests what the role relstorage-server declares and refuses. */
import t from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { planned } from '../support/role_plans.ts'

const others = { app2: { private_ip: '10.0.0.2', status: 'online' } }
const withHosts = {
  opsworks: {
    instance: { hostname: 'db1', private_ip: '10.0.0.1' },
    layers: { plone_instances: { instances: others } },
  },
}

const server = (settings: JsonObject, more: JsonObject = {}) => {
  const db = { name: 'site', user: 'zope', password: 'planted', ...(settings.db as JsonObject | undefined) }
  const plone_instances = { relstorage: { ...settings, db } }
  return planned('relstorage-server', { ...more, plone_instances }, { event: 'configure' })
}

const propsOf = ({ resources }: Awaited<ReturnType<typeof server>>, name: RegExp) =>
  resources.find((one) => name.test(one.name))?.props as Readonly<Record<string, unknown>> | undefined

t.test('a single host serves itself only', async (t) => {
  const plan = await server({})
  t.match(propsOf(plan, /^file .*converge\.conf/)?.content, /^listen_addresses = '127\.0\.0\.1'$/m)
  t.equal(propsOf(plan, /^block_in_file/)?.block, '')
})

t.test('admits the hosts of the stack, or the networks that are set', async (t) => {
  const block = propsOf(await server({}, withHosts), /^block_in_file/)?.block
  t.equal(block, 'host all "zope" 10.0.0.1/32 scram-sha-256\nhost all "zope" 10.0.0.2/32 scram-sha-256\n')
  const networks = await server({ server: { network: '10.0.0.0/16' } }, withHosts)
  t.equal(propsOf(networks, /^block_in_file/)?.block, 'host all "zope" 10.0.0.0/16 scram-sha-256\n')
  const mysql = await server({ keep_history: false, db: { type: 'mysql' } }, withHosts)
  t.match(propsOf(mysql, /^mysql_user/), { host: '%', grants: { 'site.*': ['ALL'], 'site_verify.*': ['ALL'] } })
})

t.test('refuses what no server can be made from', async (t) => {
  const attribute = 'plone_instances.relstorage'
  await t.rejects(server({ db: { password: null } }), { message: `${attribute}.db.password is not set` })
  await t.rejects(server({ db: { type: 'oracle' } }), { message: new RegExp(`${attribute}\\.db\\.type`) })
  await t.rejects(server({ db: { type: 'mysql' } }), {
    message: new RegExp(`${attribute}\\.keep_history is not false`),
  })
})
