/** Tests the client of HAProxy's runtime API with valid, invalid and missing answers. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { BalancerClient, BalancerReader } from '../../../resources/balancer/haproxy_runtime.ts'
import { FakeHaproxy } from '../../support/fake_haproxy.ts'

const at = { socket: '/run/haproxy.sock' }
const site = { plone: ['a-1', 'a-2'], other: ['a-1'] }

/** Makes a host whose balancer gives this answer to every request. */
const message = (answer: string) => new VirtualHost({ exchanges: () => answer })

t.test('parses servers with their states', async (t) => {
  const fake = new FakeHaproxy([
    { at: at.socket, backends: site, healthy: (name) => name !== 'plone/a-2' },
    { at: 'lb2:9999', backends: { plone: ['b-1'] }, sticky: true },
  ])
  const host = new VirtualHost({ exchanges: fake.exchanges })
  const client = new BalancerClient(host, at)
  await client.drain({ name: 'plone/a-1', sticky: false, checked: true })
  await client.drain({ name: 'other/a-1', sticky: true, checked: true })
  t.match(await client.servers(), [
    {
      name: 'plone/a-1',
      backend: 'plone',
      address: '127.0.0.1:8081',
      admin: 'drain',
      up: true,
      takesVisitors: false,
      status: 'DRAIN',
      check: 'L7OK/200',
      sessions: 0,
      queue: 0,
      sticky: false,
    },
    {
      name: 'plone/a-2',
      admin: 'ready',
      up: false,
      takesVisitors: false,
      status: 'DOWN',
      check: 'L7STS/500',
      sessions: 0,
    },
    { name: 'other/a-1', admin: 'maint', up: true, takesVisitors: false, status: 'MAINT' },
  ])
  await client.setHealthUp('plone/a-2')
  t.match((await client.servers())[1], { up: true, takesVisitors: true, sessions: 1 })
  t.match(await new BalancerReader(host, { host: 'lb2', port: 9999 }).servers(), [
    { name: 'plone/b-1', sticky: true, takesVisitors: true },
  ])
  t.strictSame(host.changes, [
    'tell /run/haproxy.sock set server plone/a-1 state drain; set server plone/a-1 health stopping',
    'tell /run/haproxy.sock set server other/a-1 state maint',
    'tell /run/haproxy.sock set server plone/a-2 health up',
  ])
})

t.test('parses the output of 2.6: every flag, names instead of addresses, commas within quotes', async (t) => {
  const states = (rows: readonly string[]) =>
    `1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn srv_port\n${rows.join('\n')}\n\n`
  const stats = (rows: readonly string[]) =>
    `# pxname,svname,qcur,scur,status,last_chk,cookie,-,\n${rows.join('\n')}\n\n`
  const servers = await new BalancerReader(
    message(
      states([
        '2 b 1 fine 10.0.0.1 2 0 1 - 8081',
        '2 b 2 named 10.0.0.2 2 0 1 plone1.internal 8081',
        '2 b 3 six ::1 2 0 1 - 8081',
        '2 b 4 disabled 10.0.0.1 0 5 1 - 1',
        '2 b 5 resolving 10.0.0.1 0 32 1 - 1',
        '2 b 6 tracking 10.0.0.1 2 16 1 - 1',
        '2 b 7 weightless 10.0.0.1 2 0 0 - 1',
        '2 b 8 stopping 10.0.0.1 3 0 1 - 1',
        '2 b 9 starting 10.0.0.1 1 0 1 - 1',
      ]) + stats(['b,fine,2,7,UP 1/3,"a ""b"", c",s1,-,']),
    ),
    at,
  ).servers()
  t.match(servers[0], { sessions: 7, queue: 2, status: 'UP 1/3', sticky: true })
  t.strictSame(servers.map(({ address }) => address).slice(0, 3), [
    '10.0.0.1:8081',
    'plone1.internal:8081',
    '[::1]:8081',
  ])
  t.strictSame(
    servers.map(({ admin, up, takesVisitors }) => `${admin} ${up ? 'up' : 'down'} ${takesVisitors ? 'takes' : '-'}`),
    [
      'ready up takes',
      'ready up takes',
      'ready up takes',
      'maint down -',
      'maint down -',
      'drain up -',
      'ready up -',
      'ready up -',
      'ready up takes',
    ],
  )
})

t.test('reports invalid output', async (t) => {
  const failureWith = (code: string) =>
    new BalancerReader(
      new VirtualHost({
        exchanges: () => {
          throw Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })
        },
      }),
      at,
    ).servers()
  for (const [code, why] of [
    ['ENOENT', 'there is no such socket'],
    ['ECONNREFUSED', 'no process listens there'],
    ['EACCES', 'this account may not use the socket'],
  ] as const)
    await t.rejects(failureWith(code), {
      code: 'BALANCER_UNREACHABLE',
      message: `the balancer at /run/haproxy.sock cannot be queried: ${why}`,
      hint: /stats socket/,
    })
  await t.rejects(new BalancerReader(message('HTTP/1.1 400 Bad Request\n\n'), at).servers(), {
    code: 'BALANCER_REFUSED',
    message: /answered: HTTP\/1.1 400/,
  })
  await t.rejects(new BalancerReader(message(''), at).servers(), { message: /answered: nothing/ })
  const fake = new FakeHaproxy([
    { at: at.socket, backends: site },
    { at: '/low', backends: site, level: 'operator' },
  ])
  const host = new VirtualHost({ exchanges: fake.exchanges })
  for (const name of ['plone/x', 'nowhere/a-1'])
    await t.rejects(new BalancerClient(host, at).drain({ name, sticky: false, checked: true }), {
      code: 'NO_SERVER',
      message: name,
    })
  await t.rejects(
    new BalancerClient(host, { socket: '/low' }).drain({ name: 'plone/a-1', sticky: false, checked: true }),
    {
      code: 'BALANCER_DENIED',
      hint: /level admin/,
    },
  )
  await t.rejects(
    new BalancerClient(message('You are not serious.\n'), at).drain({
      name: 'plone/a-1',
      sticky: false,
      checked: true,
    }),
    {
      code: 'BALANCER_REFUSED',
      message: /You are not serious/,
    },
  )
  await t.rejects(
    new BalancerClient(new VirtualHost({ base: host }), at).drain({ name: 'plone/a-1', sticky: false, checked: true }),
    {
      code: 'NOT_PREDICTABLE',
    },
  )
})
