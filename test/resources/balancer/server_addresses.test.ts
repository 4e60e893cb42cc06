/** Tests which servers of a running HAProxy have another address than configured, and which states survive a reload. */
import fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { addressesOf, outdatedServers, statesToKeep } from '../../../resources/balancer/server_addresses.ts'
import { file } from '../../../resources/files/file.ts'
import { service_reload } from '../../../resources/services/service_reload.ts'
import { failureOf, planOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const head = '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_fqdn srv_port\n'
interface Running {
  readonly name: string
  readonly address: string
  readonly admin?: number
  readonly fqdn?: string
  readonly port?: number
}
const states = (servers: readonly Running[]) =>
  `${head}${servers.map(({ name, address, admin = 0, fqdn = '-', port = 8081 }, at) => `3 plone ${at + 1} ${name} ${address} 2 ${admin} ${fqdn} ${port}\n`).join('')}`
const server = (name: string, host: string, port = 8081) => ({ name: `plone/${name}`, host, port })

t.test('the new configuration overrides the address that HAProxy uses', (t) => {
  const names = new Map([
    ['p2.test', ['10.0.0.2', '10.0.0.3']],
    ['gone.test', null],
    ['10.0.0.1', ['10.0.0.1']],
    ['10.0.0.9', ['10.0.0.9']],
  ])
  const drained = { admin: 8 }
  const table: [what: string, running: Running, desired: ReturnType<typeof server>, kept: string | null][] = [
    [
      'the same address',
      { name: 'a', address: '10.0.0.1', ...drained },
      server('a', '10.0.0.1'),
      '10.0.0.1 2 8 - 8081',
    ],
    ['another address', { name: 'a', address: '10.0.0.2', ...drained }, server('a', '10.0.0.9'), null],
    ['another port', { name: 'a', address: '10.0.0.1', port: 8082 }, server('a', '10.0.0.1'), null],
    [
      'one of the addresses of its name',
      { name: 'a', address: '10.0.0.3', fqdn: 'p2.test', ...drained },
      server('a', 'p2.test'),
      '10.0.0.3 2 8 p2.test 8081',
    ],
    [
      'a name that has another address now',
      { name: 'a', address: '10.0.0.7', fqdn: 'p2.test' },
      server('a', 'p2.test'),
      null,
    ],
    [
      'a name instead of the same address',
      { name: 'a', address: '10.0.0.2', ...drained },
      server('a', 'p2.test'),
      '10.0.0.2 2 8 p2.test 8081',
    ],
    [
      'the same address instead of a name',
      { name: 'a', address: '10.0.0.1', fqdn: 'old.test', ...drained },
      server('a', '10.0.0.1'),
      '10.0.0.1 2 8 - 8081',
    ],
    [
      'a name that cannot be resolved',
      { name: 'a', address: '10.0.0.7', fqdn: 'gone.test', ...drained },
      server('a', 'gone.test'),
      '10.0.0.7 2 8 gone.test 8081',
    ],
  ]
  for (const [what, running, expected, kept] of table) {
    const answer = states([running])
    t.strictSame(outdatedServers(answer, [expected], names), kept === null ? ['plone/a'] : [], what)
    const rows = kept === null ? '' : `3 plone 1 a ${kept}\n`
    t.equal(statesToKeep(answer, [expected], names), `${head}${rows}`, what)
  }
  t.strictSame(outdatedServers(head, [server('new', '10.0.0.1')], names), ['plone/new'], 'one that it lacks')
  t.equal(statesToKeep(states([{ name: 'old', address: '10.0.0.1' }]), [], names), head, 'one that is not configured')
  t.strictSame(outdatedServers('Unknown command', [server('a', '10.0.0.1')], names), [], 'no table')
  t.end()
})

t.test('a new server counts as down until a health check has passed', (t) => {
  const columns =
    'be_name srv_name srv_addr srv_op_state srv_admin_state srv_check_result srv_check_health srv_check_state srv_fqdn srv_port'
  const answer = (...rows: readonly string[]) => `${['1', `# be_id srv_id ${columns}`, ...rows].join('\n')}\n`
  const addresses = new Map(['10.0.0.1', '10.0.0.2'].map((one) => [one, [one]]))
  addresses.set('p3.test', ['10.0.0.3'])
  const expected = [server('a', '10.0.0.1'), server('b', '10.0.0.2', 8082), server('c', 'p3.test')]
  const up = '3 1 plone a 10.0.0.1 2 0 3 4 6 - 8081'
  t.equal(
    statesToKeep(answer(up), expected, addresses),
    answer(up, '3 0 plone b 10.0.0.2 0 0 2 0 6 - 8082', '3 0 plone c 10.0.0.3 0 0 2 0 6 p3.test 8081'),
  )
  const moved = '3 2 plone b 10.0.0.9 2 8 3 4 6 - 8082'
  t.equal(
    statesToKeep(answer(up, moved), expected.slice(0, 2), addresses),
    answer(up, '3 0 plone b 10.0.0.2 0 0 2 0 6 - 8082'),
    'at another address it is another one',
  )
  for (const [what, row] of [
    ['no other one is up', '3 1 plone a 10.0.0.1 0 0 2 0 6 - 8081'],
    ['the other one is drained', '3 1 plone a 10.0.0.1 2 8 3 4 6 - 8081'],
    ['there are no checks', '3 1 plone a 10.0.0.1 2 0 0 0 0 - 8081'],
  ] as const)
    t.equal(statesToKeep(answer(row), expected, addresses), answer(row), `${what}: it takes visitors at once`)
  const gone = '3 1 plone a 10.0.0.7 2 0 3 4 6 - 8081'
  t.equal(statesToKeep(answer(gone), expected, addresses), answer(), 'the other one has another address')
  t.end()
})

t.test('keeps no state of another address, and loses none of the same address', (t) => {
  const name = fc.constantFrom('a-1', 'a-2', 'b-1')
  const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3')
  const port = fc.constantFrom(8081, 8082)
  const one = fc.record({ name, address, port, admin: fc.constantFrom(0, 1, 8) })
  const servers = fc.uniqueArray(one, { selector: ({ name }) => name })
  fc.assert(
    fc.property(servers, servers, (before, after) => {
      const expected = after.map(({ name, address, port }) => server(name, address, port))
      const addresses = new Map(expected.map(({ host }) => [host, [host]]))
      const same = before.filter((old) =>
        after.some((one) => one.name === old.name && one.address === old.address && one.port === old.port),
      )
      const kept = statesToKeep(states(before), expected, addresses).split('\n').slice(2, -1)
      t.strictSame(
        kept.map((line) => line.split(' ').slice(3)),
        same.map((one) => [one.name, one.address, '2', `${one.admin}`, '-', `${one.port}`]),
      )
      t.equal(outdatedServers(states(before), expected, addresses).length, after.length - same.length)
    }),
    { numRuns: 200 },
  )
  t.end()
})

t.test('resolves names as HAProxy does, and no addresses', async (t) => {
  const requestLog: string[] = []
  const host = new VirtualHost({
    commands: ([program, , name = '']) => {
      requestLog.push(`${program} ${name}`)
      return name === 'p1.test'
        ? { stdout: '10.0.0.1       STREAM p1.test\n10.0.0.1       DGRAM  \nfd00::1         STREAM \n' }
        : { status: 2 }
    },
  })
  t.strictSame(
    await addressesOf(host, ['10.0.0.7', 'p1.test', 'p1.test', 'none.test']),
    new Map<string, string[] | null>([
      ['10.0.0.7', ['10.0.0.7']],
      ['p1.test', ['10.0.0.1', 'fd00::1']],
      ['none.test', null],
    ]),
  )
  t.strictSame(requestLog, ['getent p1.test', 'getent none.test'])
})

t.test('reloads for an address alone, and not without a difference', async (t) => {
  let [dns, address] = ['10.0.0.1', '10.0.0.1']
  const supervisor = new FakeSupervisor({ running: ['haproxy'], programs: {} })
  const host = new VirtualHost({
    requests: (options, machine) => {
      // HAProxy resolves its names at a reload.
      if (JSON.stringify(options).includes('signalProcess')) address = dns
      return supervisor.requests(options, machine)
    },
    commands: ([program]) => (program === 'getent' ? { stdout: `${dns} STREAM\n` } : {}),
    exchanges: () => states([{ name: 'a', address, fqdn: 'p1.test', admin: 8 }]),
  })
  host.given('/srv', null)
  const plan = () =>
    planOf((r) => {
      const config = file(r, { path: '/srv/haproxy.cfg', content: 'server a p1.test:8081' })
      const balances = { socket: '/run/haproxy.sock', file: '/srv/states', servers: [server('a', 'p1.test')] }
      service_reload(r, { name: 'haproxy', provider: { kind: 'supervisor' }, balances, when: [config] })
    })
  t.strictSame(failureOf(await run(plan(), host)), undefined)
  t.equal((await run(plan(), host)).outcome, 'unchanged')
  dns = '10.0.0.2'
  // Cached answers are valid until the host changes.
  host.writeFile('/srv/elsewhere', '')
  const planned = await run(plan(), new VirtualHost({ base: host }), 'plan')
  t.equal(planned.outcome, 'planned', 'a dry run predicts it')
  const report = await run(plan(), host)
  t.strictSame([failureOf(report), report.outcome], [undefined, 'changed'])
  t.equal(address, '10.0.0.2')
  t.ok(
    host.changes.some((change) => change.includes('/srv/states')),
    'the state file was written',
  )
  t.equal(host.readText('/srv/states'), '1\n', 'and is empty afterwards')
  t.equal((await run(plan(), host)).outcome, 'unchanged')
})
