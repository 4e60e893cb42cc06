/** Tests `converge balancer` with runtime sockets: its lists, its commands and its exit status. */
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { type FakeBalancer, FakeHaproxy } from '../support/fake_haproxy.ts'
import { Sandbox } from '../support/program.ts'

const backends = { plone_instances: ['plone1-1', 'plone1-2', 'plone2-1'], other: ['plone1-1'] }

interface Site {
  readonly sandbox: Sandbox
  readonly fake: FakeHaproxy
  readonly host: VirtualHost
  readonly at: (name: string) => string
  readonly balancer: (...words: string[]) => ReturnType<Sandbox['converge']>
}

/** Starts balancers that listen on sockets, by name; those in `dead` do not listen. */
async function site(
  t: Test,
  balancers: Readonly<Record<string, Partial<FakeBalancer>>>,
  dead: string[] = [],
): Promise<Site> {
  const sandbox = new Sandbox(t)
  const at = (name: string) => sandbox.at(`${name}.sock`)
  const host = new VirtualHost()
  const fake = new FakeHaproxy(Object.entries(balancers).map(([name, more]) => ({ at: at(name), backends, ...more })))
  for (const name of Object.keys(balancers)) {
    const server = createServer((socket) => {
      socket.once('data', (text) => {
        // The clock advances, so that sessions end.
        host.clock += 1
        socket.end(fake.exchanges({ socketPath: at(name), text: text.toString() }, host) ?? '')
      })
    })
    await new Promise<void>((resolve) => server.listen(at(name), resolve))
    t.teardown(() => server.close())
  }
  const sockets = [...Object.keys(balancers), ...dead].map(at)
  // A balancer that runs on the tester's system must not be used.
  const haproxy = { stats_socket_path: sandbox.at('none.sock') }
  sandbox.write({ 'site.json': JSON.stringify({ haproxy, converge: { balancer: { sockets } } }) })
  return {
    sandbox,
    fake,
    host,
    at,
    balancer: (...words) => sandbox.converge(['balancer', ...words, '--json', 'site.json']),
  }
}

t.test('list prints each server with its state', async (t) => {
  const { balancer, fake, host, at } = await site(t, { a: { healthy: (name) => name !== 'plone_instances/plone2-1' } })
  fake.set(host, at('a'), 'plone_instances/plone1-2', 'drain')
  const before = host.changes.length
  for (const words of [['list'], []]) {
    const { status, stdout, stderr } = await balancer(...words)
    t.equal(stderr, '')
    t.equal(status, 0)
    const [where, ...rows] = stdout.trimEnd().split('\n')
    t.equal(where, at('a'))
    t.strictSame(
      rows.map((row) => row.trim().split(/ {2,}/)),
      [
        ['backend', 'server', 'address', 'state', 'sessions', 'queue'],
        ['plone_instances', 'plone1-1', '127.0.0.1:8081', 'up', '1', '0'],
        ['plone_instances', 'plone1-2', '127.0.0.1:8082', 'drain', '0', '0'],
        ['plone_instances', 'plone2-1', '127.0.0.1:8083', 'down (L7STS/500)', '0', '0'],
        ['other', 'plone1-1', '127.0.0.1:8081', 'up', '1', '0'],
      ],
    )
    t.equal(new Set(rows.map((row) => row.search(/sessions|\d +0$/))).size, 1, 'in columns')
  }
  const { stdout } = await balancer('list', '--json-output')
  t.match(JSON.parse(stdout), {
    balancers: [
      {
        where: at('a'),
        problem: null,
        servers: [
          { name: 'plone_instances/plone1-1', admin: 'ready', up: true },
          { name: 'plone_instances/plone1-2', admin: 'drain', sessions: 0 },
          { name: 'plone_instances/plone2-1', up: false, check: 'L7STS/500' },
          { name: 'other/plone1-1' },
        ],
      },
    ],
  })
  t.equal(host.changes.length, before)
})

t.test('drain waits for the last session in all balancers, and ready undoes it', async (t) => {
  const { balancer, fake, host, at } = await site(t, { a: { busyFor: 3 }, b: { busyFor: 3, sticky: true } })
  const drained = await balancer('drain', 'plone1-2')
  t.equal(drained.stderr, '')
  t.equal(drained.status, 0)
  t.equal(drained.stdout, ['a', 'b'].map((name) => `plone_instances/plone1-2 is drained at ${at(name)}\n`).join(''))
  t.equal(fake.state(host, at('a'), 'plone_instances/plone1-2'), 'drain')
  t.equal(fake.state(host, at('b'), 'plone_instances/plone1-2'), 'maint', 'a cookie leads visitors to a drained one')
  const back = await balancer('ready', 'plone_instances/plone1-2', '--json-output')
  t.equal(back.status, 0)
  t.match(JSON.parse(back.stdout), {
    server: 'plone_instances/plone1-2',
    balancers: [{ where: at('a'), server: { admin: 'ready' } }, { where: at('b') }],
  })
  for (const name of ['a', 'b']) t.equal(fake.state(host, at(name), 'plone_instances/plone1-2'), 'ready')
})

t.test('drain ends when sessions do not end within --wait, and does not wait without sessions', async (t) => {
  const { balancer } = await site(t, { a: { busyFor: 1e9 } })
  const waited = await balancer('drain', 'plone2-1', '--wait', '0.3')
  t.equal(waited.status, 1)
  t.match(waited.stdout, /is drained at .*, and still has 1 session\n/)
  t.match(waited.stderr, /not idle after 0.3 s/)
  t.equal((await balancer('drain', 'plone2-1', '--wait', '0')).status, 0)
})

t.test('warns when it drains the last server of a backend', async (t) => {
  const { balancer } = await site(t, { a: {} })
  const { status, stderr } = await balancer('drain', 'other/plone1-1')
  t.equal(status, 0)
  t.match(stderr, /has no other server for other: its visitors get an error now/)
})

t.test('refuses invalid arguments', async (t) => {
  const { balancer, sandbox } = await site(t, { a: {}, low: { level: 'operator' } })
  const refused = async (words: readonly string[], message: RegExp, status = 2) => {
    const result = await balancer(...words)
    t.equal(result.status, status, words.join(' '))
    t.match(result.stderr, message)
  }
  await refused(['drain', 'plone1-3'], /no balancer has a server plone1-3\n.*did you mean plone1-[12]\?/s)
  await refused(['drain', 'plone_instance/plone1-1'], /did you mean plone_instances\/plone1-1\?/)
  await refused(['drain', 'plone1-1'], /plone1-1 is the name of several: plone_instances\/plone1-1, other\/plone1-1/)
  await refused(['drain'], /missing argument SERVER of balancer drain/)
  await refused(['ready'], /missing argument SERVER of balancer ready/)
  await refused(['list', 'plone1-1'], /list takes no server/)
  await refused(['drian', 'plone1-2'], /unknown action "drian" of balancer\n.*did you mean drain\?/s)
  await refused(['drain', 'plone1-2', 'plone2-1'], /balancer takes two words \(list\|drain\|ready SERVER\) after it/)
  const half = await balancer('drain', 'plone1-2')
  t.equal(half.status, 1)
  t.match(half.stderr, /^warning: .*Permission denied \(.*level admin/)
  t.match(half.stdout, /^plone_instances\/plone1-2 is drained at .*a.sock\n$/, 'the other balancer drained it')
  const low = await site(t, { low: { level: 'operator' } })
  for (const word of ['drain', 'ready']) {
    const { status, stderr } = await low.balancer(word, 'plone1-2')
    t.equal(status, 1)
    t.match(stderr, /^error: .*Permission denied\n.*level admin/s)
  }
  const none = await sandbox.converge(['balancer', 'list'])
  t.equal(none.status, 2)
  t.match(none.stderr, /no balancer is known/)
})

t.test('an unreachable balancer: commands the others, and ends with status 1', async (t) => {
  const { balancer, fake, host, at } = await site(t, { a: {} }, ['gone'])
  const list = await balancer('list')
  t.equal(list.status, 1)
  t.match(list.stderr, /the balancer at .*gone.sock cannot be queried: there is no such socket \(.*stats socket/)
  t.match(list.stdout, /plone1-1(.|\n)*gone.sock\n {2}\(cannot be queried\)\n$/)
  const drained = await balancer('drain', 'plone1-2')
  t.equal(drained.status, 1)
  t.equal(fake.state(host, at('a'), 'plone_instances/plone1-2'), 'drain')
  const alone = await site(t, {}, ['gone'])
  const nothing = await alone.balancer('drain', 'plone1-2')
  t.equal(nothing.status, 1)
  t.match(nothing.stderr, /^error: the balancer at .*gone.sock cannot be queried/)
})

t.test('completes subcommands, options and servers', async (t) => {
  const sandbox = new Sandbox(t)
  const words = async (...before: string[]) =>
    (await sandbox.converge(['--complete', ...before])).stdout.trim().split('\n')
  t.strictSame(await words('balancer', ''), ['list', 'drain', 'ready'])
  t.ok((await words('balancer', 'drain', '--')).includes('--wait'))
  t.ok((await words('bal')).includes('balancer'))
})
