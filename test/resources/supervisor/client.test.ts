/** Tests the client of supervisord's XML-RPC: cached queries, faults and connections. */
import t from 'tap'
import type { Response } from '../../../core/host/types.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { ConvergeError } from '../../../core/model/errors.ts'
import { Supervisor, SupervisorReader } from '../../../resources/supervisor/client.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const socket = '/var/run/supervisor.sock'
const supervisorWith = (response: Partial<Response> | Error) =>
  new Supervisor(
    new VirtualHost({
      requests: () => {
        if (response instanceof Error) throw response
        return { status: 200, headers: {}, body: '', ...response }
      },
    }),
    socket,
  )

t.test('caches one call for all queries until something changes', async (t) => {
  let calls = 0
  const fake = new FakeSupervisor({ running: ['a', 'b'] })
  const host = new VirtualHost({
    requests: (options, host) => {
      calls++
      return fake.requests(options, host)
    },
  })
  const supervisor = new Supervisor(host, socket)
  const [first, second] = await Promise.all([
    supervisor.getAllProcessInfo(),
    new SupervisorReader(host, socket).getAllProcessInfo(),
  ])
  t.strictSame(
    first.map(({ name, group, state }) => [name, group, state]),
    [
      ['a', 'a', 'RUNNING'],
      ['b', 'b', 'RUNNING'],
    ],
  )
  t.equal(first, second)
  t.equal(calls, 1)
  await supervisor.stopProcess('a')
  t.strictSame(
    (await supervisor.getAllProcessInfo()).map(({ state }) => state),
    ['STOPPED', 'RUNNING'],
  )
  t.equal(calls, 3)
})

t.test('accepts that supervisord is missing', async (t) => {
  const supervisor = new Supervisor(new VirtualHost({ requests: new FakeSupervisor({ up: false }).requests }), socket)
  t.equal(await supervisor.getState(), null)
  await t.rejects(supervisor.getAllProcessInfo(), {
    code: 'SUPERVISOR_DOWN',
    message: /no supervisord is running at/,
    hint: /start it/,
  })
  await t.rejects(supervisor.reloadConfig(), { code: 'SUPERVISOR_DOWN' })
})

t.test('counts no group as changed if supervisord cannot read its files', async (t) => {
  for (const [code, name] of [
    [92, 'CANT_REREAD'],
    [6, 'SHUTDOWN_STATE'],
  ]) {
    const struct = `<struct><member><name>faultCode</name><value><int>${code}</int></value></member><member><name>faultString</name><value><string>${name}</string></value></member></struct>`
    const one = supervisorWith({ body: `<methodResponse><fault><value>${struct}</value></fault></methodResponse>` })
    t.strictSame(await one.changedGroups(), [])
  }
  const down = new Supervisor(new VirtualHost({ requests: new FakeSupervisor({ up: false }).requests }), socket)
  t.strictSame(await down.changedGroups(), [])
})

t.test('reports a supervisord that shuts down as neither running nor absent', async (t) => {
  const struct =
    '<struct><member><name>faultCode</name><value><int>6</int></value></member><member><name>faultString</name><value><string>SHUTDOWN_STATE</string></value></member></struct>'
  const leaving = supervisorWith({ body: `<methodResponse><fault><value>${struct}</value></fault></methodResponse>` })
  t.equal(await leaving.getState(), 'SHUTDOWN')
  await t.rejects(leaving.reloadConfig(), { code: 'SUPERVISOR_SHUTDOWN_STATE', message: /shutting down/ })
})

t.test('retries a dropped connection a limited number of times', async (t) => {
  for (const [drops, code] of [
    [5, undefined],
    [50, 'SUPERVISOR_DOWN'],
  ] as const) {
    const fake = new FakeSupervisor({ running: ['a'] })
    let calls = 0
    const requests = (...[options, host]: Parameters<typeof fake.requests>) => {
      if (calls++ < drops) throw new ConvergeError('read ECONNRESET', { code: 'ECONNRESET' })
      return fake.requests(options, host)
    }
    const query = new Supervisor(new VirtualHost({ requests }), socket).fetchAllProcessInfo()
    if (code === undefined) t.equal((await query).length, 1)
    else await t.rejects(query, { code })
    t.ok(calls < 10)
  }
})

t.test('reports that the socket belongs to another account', async (t) => {
  const denied = supervisorWith(new ConvergeError('connect EACCES', { code: 'EACCES' }))
  await t.rejects(denied.getState(), { code: 'SUPERVISOR_DENIED', hint: /run converge as root, or as the account/ })
})

t.test('turns faults into messages', async (t) => {
  const supervisor = new Supervisor(
    new VirtualHost({ requests: new FakeSupervisor({ running: ['a'], programs: { a: { fault: 20 } } }).requests }),
    socket,
  )
  await t.rejects(supervisor.stopProcess('b'), {
    code: 'SUPERVISOR_BAD_NAME',
    message: 'supervisord refused stopProcess of b: it has no such program',
    hint: /\[include\]/,
  })
  await t.rejects(supervisor.startProcess('a'), {
    code: 'SUPERVISOR_NO_FILE',
    message: "supervisord refused startProcess of a: the file is not there (can't find command 'x')",
  })
  await t.rejects(supervisor.removeProcessGroup('a'), { code: 'SUPERVISOR_STILL_RUNNING' })
})

t.test('accepts the start of a running process and the stop of a stopped one', async (t) => {
  const supervisor = new Supervisor(
    new VirtualHost({ requests: new FakeSupervisor({ running: ['a'], stopped: ['b'] }).requests }),
    socket,
  )
  await t.resolves(supervisor.startProcess('a'))
  await t.resolves(supervisor.stopProcess('b'))
})

t.test('reports invalid answers', async (t) => {
  await t.rejects(supervisorWith({ status: 401 }).getState(), { code: 'SUPERVISOR_ANSWER', hint: /password/ })
  await t.rejects(supervisorWith({ status: 404 }).getState(), { code: 'SUPERVISOR_ANSWER', hint: /unix_http_server/ })
  await t.rejects(supervisorWith({ status: 500 }).getState(), { message: /HTTP status 500/ })
  await t.rejects(supervisorWith({ body: '<html>' }).getState(), { code: 'SUPERVISOR_ANSWER' })
  const body =
    '<methodResponse><params><param><value><array><data><value>x</value></data></array></value></param></params></methodResponse>'
  await t.rejects(supervisorWith({ body }).getAllProcessInfo(), {
    code: 'SUPERVISOR_ANSWER',
    message: /lacks a struct/,
  })
})
