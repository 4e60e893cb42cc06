/** Tests what the roles broker and memcached declare: their addresses, passwords, and refusals. */
import t from 'tap'
import type { JsonObject } from '../../core/node/merge.ts'
import { planned } from '../support/role_plans.ts'

const alone = { opsworks: { instance: { hostname: 'app1', private_ip: '10.0.0.1' } } }
const others = {
  opsworks: {
    ...alone.opsworks,
    layers: { plone_instances: { instances: { app2: { private_ip: '10.0.0.2', status: 'online' } } } },
  },
}
const withPassword = (redis: JsonObject) => ({ ...others, redis: { config: { requirepass: 'planted', ...redis } } })

async function fileOf(role: string, json: JsonObject, path: string): Promise<string> {
  const { resources } = await planned(role, json, { event: 'configure' })
  const found = resources.find(({ name }) => name === `file ${path}`)
  return String((found?.props as { readonly content?: unknown } | undefined)?.content)
}

const redis = (json: JsonObject) => fileOf('broker', json, '/etc/redis/redis.conf')
const memcached = (json: JsonObject) => fileOf('memcached', json, '/etc/memcached.conf')

t.test('a single host serves itself only, without a password', async (t) => {
  t.match(await redis(alone), /^bind 127\.0\.0\.1\nport 6379\nprotected-mode yes\ndaemonize/m)
  t.match(await memcached(alone), /^-l 127\.0\.0\.1\n-P/m)
})

t.test('hosts of a stack reach it at the private address, with a password', async (t) => {
  t.match(
    await redis(withPassword({})),
    /^bind 127\.0\.0\.1 10\.0\.0\.1\nport 6379\nprotected-mode no\nrequirepass "planted"$/m,
  )
  t.match(await memcached(others), /^-l 127\.0\.0\.1\n-l 10\.0\.0\.1\n/m)
})

t.test('listens where the attributes say', async (t) => {
  t.match(
    await redis(withPassword({ listen_addr: '10.0.0.1, ::1', listen_port: '6380' })),
    /^bind 10\.0\.0\.1 ::1\nport 6380$/m,
  )
  t.match(
    await memcached({ ...others, memcached: { listen_addr: '10.0.0.1', port: 11_212 } }),
    /^-p 11212\n(.*\n)*-l 10\.0\.0\.1\n-P/m,
  )
})

t.test('takes the values of the cookbook', async (t) => {
  const config = { dir: '/mnt/redis', appendonly: 'yes', appendfsync: 'always', loglevel: 'notice', timeout: '60' }
  const text = await redis(withPassword(config))
  for (const line of ['dir "/mnt/redis"', 'appendonly yes', 'appendfsync always', 'loglevel notice', 'timeout 60'])
    t.ok(text.includes(`\n${line}\n`), line)
})

t.test('an empty password opens it on purpose', async (t) => {
  t.notMatch(await redis(withPassword({ requirepass: '' })), /requirepass/)
})

t.test('refuses a broker without a password that others reach', async (t) => {
  await t.rejects(redis(others), {
    code: 'INVALID_ATTRIBUTE',
    message: 'redis.config.requirepass is not set, and Redis would listen on 127.0.0.1, 10.0.0.1 without a password',
  })
  await t.rejects(redis({ ...alone, redis: { config: { listen_addr: '0.0.0.0' } } }), { code: 'INVALID_ATTRIBUTE' })
})

t.test('a name that only begins like a loopback address is not one', async (t) => {
  await t.rejects(redis({ ...alone, redis: { config: { listen_addr: '127.example.com' } } }), {
    code: 'INVALID_ATTRIBUTE',
  })
  await t.resolves(redis({ ...alone, redis: { config: { listen_addr: '127.0.0.1 -::1' } } }))
})

t.test(
  'memcached listens on all addresses without a sign that the shell of its start script would replace',
  async (t) => {
    t.match(await memcached({ memcached: { listen_addr: '*' } }), /^-l 0\.0\.0\.0\n-P/m)
  },
)

t.test('refuses addresses that are none', async (t) => {
  for (const listen_addr of ['$(id)', '10.0.0.1; id', '-l\n10.0.0.1', "'"])
    await t.rejects(memcached({ memcached: { listen_addr } }), { message: /listen_addr/ }, listen_addr)
})

t.test('requires the whole system', async (t) => {
  for (const role of ['broker', 'memcached'])
    await t.rejects(planned(role, alone, { event: 'setup', root: false }), {
      code: 'NEEDS_ROOT',
      message: `the role ${role} requires root and the whole system`,
    })
})

t.test('the clients get the password', async (t) => {
  const deploy = { plone_instances: { scm: { repository: 'git@h:r.git' } } }
  const broker = { host: 'broker1' }
  const json = { ...others, deploy, plone_instances: { enable_celery: true, broker } }
  const configuration = async (more: JsonObject) => {
    const { resources } = await planned('zeo-client', { ...json, ...more }, { event: 'deploy' })
    const found = resources.find(({ name }) => name.endsWith('deploy.cfg'))
    return String((found?.props as { readonly content?: unknown } | undefined)?.content)
  }
  t.notMatch(await configuration({}), /password/)
  t.match(
    await configuration({ redis: { config: { requirepass: 'planted' } } }),
    /\[celery-broker\]\n.*\n.*\npassword = planted/,
  )
  const own = { plone_instances: { enable_celery: true, broker: { ...broker, password: 'theirs' } } }
  t.match(await configuration({ redis: { config: { requirepass: 'planted' } }, ...own }), /password = theirs/)
})
