/**
 * Proves the hints of the commands for one host (hooks, maintenance page, balancers): triggers each, then follows it.
 */
import { createServer } from 'node:net'
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { FakeHaproxy } from '../support/fake_haproxy.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hintPattern, type Proof, proveCommands } from '../support/proofs.ts'

t.test('the hints about hooks work', async (t) => {
  if (!needs(t, ['crontab'])) return
  const source = 'core/cli/commands/hooks.ts'
  const install = 'hooks install --dry-run --role web --recipes own'
  const files = {
    'own/web.ts': "import { role } from 'converge-engine'\nexport default role('web', { setup() {} })\n",
    'site.json': '{}',
  }
  proveCommands(t, [
    {
      source,
      hint: 'remove line ends and other control characters from the name: units and crontabs cannot hold them',
      files: { ...files, 'a\nb.json': '{}' },
      broken: `${install} --json a\nb.json`,
      repaired: `${install} --json site.json`,
    },
    {
      source,
      hint: 'name a program that exists, or leave --program out to use this one',
      files,
      broken: `${install} --program @/none`,
      repaired: `${install} --program /bin/true`,
    },
    {
      source,
      hint: 'name a program that exists, or leave --program out to use this one',
      files,
      broken: `${install} --program @/own`,
      repaired: install,
    },
    {
      source,
      hint: 'give files, such as /etc/converge/site.json',
      files,
      broken: `${install} --json -`,
      repaired: `${install} --json @/site.json`,
    },
    {
      source,
      hint: '--interval 5m',
      files,
      broken: `${install} --interval soon`,
      repaired: `${install} --interval 5m`,
    },
    {
      source,
      hint: '--interval 1d',
      files,
      broken: `${install} --interval 999d`,
      repaired: `${install} --interval 1d`,
    },
  ])
})

t.test('the hints about words work', async (t) => {
  proveCommands(t, [
    {
      source: 'core/cli/main.ts',
      hint: 'converge maintenance on, converge maintenance off',
      broken: 'maintenance --role frontend --prefix @/root --dry-run',
      repaired: 'maintenance off --role frontend --prefix @/root --dry-run',
    },
    {
      source: 'core/cli/command_line/parse.ts',
      hint: 'did you mean converge --role base?',
      broken: 'base --prefix @/root --dry-run',
      repaired: '--role base --prefix @/root --dry-run',
    },
    {
      source: 'core/cli/commands/balancer.ts',
      hint: 'there are: list, drain, ready',
      broken: 'balancer qqqqqqqq',
      repaired: 'balancer list',
      reaches: 'no balancer is known',
    },
    {
      source: 'core/cli/commands/balancer.ts',
      hint: 'leave the name out: the list holds every server',
      broken: 'balancer list client1',
      repaired: 'balancer list',
      reaches: 'no balancer is known',
    },
  ])
})

interface BalancerProof extends Proof {
  readonly broken: string
  readonly repaired: string
}

t.test('the hints about servers of a balancer work', async (t) => {
  const source = 'core/cli/commands/balancer.ts'
  const sandbox = new Sandbox(t)
  const at = sandbox.at('a.sock')
  const host = new VirtualHost()
  const backends = { plone: ['client1', 'client2'], other: ['client1'] }
  const fake = new FakeHaproxy([{ at, backends }])
  const server = createServer((socket) => {
    socket.once('data', (text) => {
      socket.end(fake.exchanges({ socketPath: at, text: text.toString() }, host) ?? '')
    })
  })
  await new Promise<void>((resolve) => server.listen(at, resolve))
  t.teardown(() => server.close())
  const haproxy = { stats_socket_path: sandbox.at('none.sock') }
  sandbox.write({ 'site.json': JSON.stringify({ haproxy, converge: { balancer: { sockets: [at] } } }) })
  const run = (words: string) => sandbox.converge(['balancer', ...words.split(' '), '--json', 'site.json'])
  const proofs: readonly BalancerProof[] = [
    { source, hint: 'converge balancer list names them', broken: 'ready', repaired: 'list' },
    { source, hint: 'give it with its backend', broken: 'ready client1', repaired: 'ready plone/client1' },
    {
      source,
      hint: 'there are: plone/client1, plone/client2, other/client1',
      broken: 'ready qqqqqqqq',
      repaired: 'ready other/client1',
    },
  ]
  for (const { hint, broken, repaired } of proofs)
    t.test(hint, async (t) => {
      const before = await run(broken)
      t.not(before.status, 0)
      const [, given = ''] = /^ +hint: (.*)$/m.exec(before.stderr) ?? []
      t.match(given, hintPattern(hint), 'the hint is printed')
      t.match(await run(repaired), { status: 0, stderr: '' }, 'the command succeeds')
    })
})
