/** Tests runs on the hosts of a stack over SSH, and the failures that can happen between them and the operator. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { hostNeeds, type TestHost, type TestNetwork, testNetwork } from './support/hosts.ts'
import { Operator, type Outcome } from './support/operator.ts'

/** A role controlled by files on its host: it waits for one file, and fails if another one exists. */
const recipe = `import { role, directory, execute, file } from 'converge-engine'
const all = (node) => Object.entries(node.opsworks.layers.all.instances)
const inspect = async (_, host) => {
  const up = host.lstat('/srv/probe/down') === null
  const services = [{ name: 'probed', state: up ? 'UP' : 'DOWN', up, detail: '' }]
  return { apps: [{ name: 'probe', directory: '/srv/probe', releases: [], services }], needs: [] }
}
export default role('probe', {
  inspect,
  setup(r) { directory(r, { path: '/srv/probe' }) },
  configure(r, node) {
    const online = all(node).filter(([, { status }]) => status === 'online').map(([name]) => name)
    file(r, { path: '/srv/probe/online', content: online.join(' ') + '\\n' })
  },
  events: {
    slow(r) {
      execute(r, { command: 'touch /srv/probe/began; until [ -e /srv/probe/go ]; do sleep 0.05; done' })
      file(r, { path: '/srv/probe/done', content: 'yes\\n' })
    },
    fragile(r) { execute(r, { command: 'test ! -e /srv/probe/broken && touch /srv/probe/passed' }) },
    secret(r, node) {
      const { environment, scm } = node.deploy.shop
      file(r, { path: '/srv/probe/secret', content: scm.password, mode: '0600', sensitive: true })
      file(r, { path: '/srv/probe/greeting', content: environment.GREETING, mode: '0600' })
      execute(r, { command: 'cat /srv/probe/greeting' })
    },
  },
})
`

const secret = 'correct horse battery staple'
/** A secret under an inconspicuous name: converge treats it as secret because it comes from a file. */
const greeting = 'good morning to all of you'

interface Fleet {
  readonly network: TestNetwork
  readonly operator: Operator
  readonly hosts: readonly TestHost[]
}

function stackOf(hosts: readonly TestHost[], more: object = {}): object {
  return {
    name: 'probe',
    layers: { all: { roles: ['probe'] } },
    recipes: ['recipes'],
    ssh: { user: 'root' },
    apps: {
      shop: {
        layers: ['all'],
        environment: { GREETING: { $file: 'greeting' } },
        scm: { repository: 'https://git.example.com/shop.git', user: 'shop', password: secret },
      },
    },
    hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { address, layers: ['all'] }])),
    ...more,
  }
}

async function fleetOf(t: Test, count: number): Promise<Fleet> {
  const network = await testNetwork(t)
  const hosts = await network.many('h', count)
  const operator = new Operator(network)
  operator.write({ 'recipes/probe.ts': recipe, 'stack.json': stackOf(hosts), greeting: `${greeting}\n` })
  return { network, operator, hosts }
}

function failures({ report }: Pick<Outcome, 'report'>) {
  return Object.fromEntries(
    (report?.hosts ?? []).flatMap(({ host, failure }) => (failure ? [[host, failure.code]] : [])),
  )
}

t.test('the hosts of a stack', async (t) => {
  if (!needs(t, hostNeeds)) return
  const { network, operator, hosts } = await fleetOf(t, 3)
  const [one, two, three] = hosts as [TestHost, TestHost, TestHost]
  const release = (host: TestHost) => host.write('/srv/probe/go', '')
  const again = async (host: TestHost) => {
    await host.run('rm -f /srv/probe/go /srv/probe/began /srv/probe/done')
  }

  // Some accounts have startup files that print text.
  two.write('/root/.bashrc', 'echo welcome\nprintf "a title without an end"\n')

  await t.test('sets up empty hosts, and a second setup has nothing to do', async (t) => {
    const plan = await operator.run(['plan'])
    if (plan.status !== 0) t.comment(`${plan.stdout}${plan.stderr}`)
    t.match(plan, { status: 0, stdout: /3 would change/ })
    t.notOk(
      hosts.some((host) => host.exists('/srv/probe')),
      'a plan changes nothing',
    )
    const setup = await operator.json(['setup', '-m', 'first'])
    if (setup.status !== 0) t.comment(`${setup.stdout}${setup.stderr}`)
    t.match(setup, {
      status: 0,
      report: { id: '000001', comment: 'first', outcome: 'changed' },
    })
    for (const host of hosts) t.equal(host.read('/srv/probe/online'), 'h1 h2 h3\n')
    t.match(await operator.json(['setup']), { status: 0, report: { outcome: 'unchanged' } })
    t.match(await operator.run(['configure']), { status: 0, stdout: /^nothing to do: /m })
    t.match(await operator.run(['status']), { status: 0, stdout: /3 hosts: 3 reached/ })
    t.match(await operator.run(['status', '--quiet']), { status: 0, stdout: '' })
    two.write('/srv/probe/down', '')
    t.match(await operator.run(['status', '--quiet']), { status: 1, stdout: /^h2: down: probed$/m })
    t.match(await operator.json(['status']), { status: 1 })
    await two.run('rm /srv/probe/down')
    t.match(await operator.run(['plan', '--quiet', '--detailed-exit-code']), { status: 0, stdout: '' })
    await two.run('rm /srv/probe/online')
    t.match(await operator.run(['plan', '--quiet', '--detailed-exit-code']), { status: 3, stdout: '' })
    t.match(await operator.run(['configure']), { status: 0, stdout: /1 changed, 2 unchanged/ })
  })

  // The following tests depend on those above.
  if (!t.passing()) return

  await t.test('no output contains secrets', async (t) => {
    const all = one.run(
      'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; done 2>/dev/null | tr "\\0" " " > /tmp/processes & sleep 5; kill %1',
    )
    const result = await operator.run(['run', 'secret', '--verbose', '--json-output'])
    await all
    t.equal(result.status, 0)
    t.equal(one.read('/srv/probe/secret'), secret)
    t.equal(one.read('/srv/probe/greeting'), greeting)
    for (const text of [secret, greeting]) {
      t.notOk(`${result.stdout}${result.stderr}`.includes(text), 'not shown')
      t.notOk(one.read('/tmp/processes').includes(text), 'in no process list')
      const kept = await one.run(`grep -rl '${text}' /var/lib/converge | grep -v /fleet/inputs/`)
      t.equal(kept.stdout, '', 'in no report or journal of the host')
    }
    const open = await one.run(
      `grep -rl '${secret}' /etc /root /home /run /srv /tmp /usr/local /var 2>/dev/null | xargs ls -ld --`,
    )
    t.ok(
      open.stdout
        .trim()
        .split('\n')
        .every((line) => /^-rw-------/.test(line)),
      open.stdout,
    )
    const closed = (await one.run('stat -c %a /var/lib/converge /var/lib/converge/fleet')).stdout
    t.equal(closed, '700\n700\n')
    const records = `${operator.directory}/.converge/probe`
    t.equal(statSync(records).mode & 0o777, 0o700)
    for (const entry of readdirSync(records, { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        for (const text of [secret, greeting])
          t.notOk(readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8').includes(text), entry.name)
  })

  await t.test('a replaced secret appears neither in the output nor in the records', async (t) => {
    operator.write({ greeting: 'good evening to all of you\n' })
    const texts = [
      await operator.run(['run', 'secret', '--dry-run', '--verbose']),
      await operator.run(['run', 'secret', '--verbose']),
      await operator.run(['log', 'h1']),
    ]
    const shown = texts.map(({ stdout, stderr }) => `${stdout}${stderr}`).join('\n')
    t.match(shown, /file \/srv\/probe\/greeting/)
    t.match(one.read('/srv/probe/greeting'), /evening/)
    const records = `${operator.directory}/.converge/probe`
    const kept = readdirSync(records, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8')] : [],
    )
    for (const text of [greeting, 'good evening to all of you'])
      t.notOk(
        [shown, ...kept].some((one) => one.includes(text)),
        text,
      )
  })

  await t.test('a host that loses the connection finishes its run, and reports it later', async (t) => {
    const run = operator.start(['run', 'slow', '--strategy', 'parallel', '--json-output'])
    await until(() => hosts.every((host) => host.exists('/srv/probe/began')), 'all are at work')
    await one.linkDown()
    for (const host of hosts) release(host)
    await until(() => one.exists('/srv/probe/done'), 'it has continued without the operator')
    await run.until((event) => event.event === 'connection' && event.state === 'lost', 'the connection is lost')
    await one.linkUp()
    const { status, report, events } = await run.ended
    t.match({ status, report }, { status: 0, report: { outcome: 'changed' } })
    t.ok(events.some((event) => event.event === 'connection' && event.state === 'back'))
    t.ok(
      events.some((event) => event.event === 'host' && event.host === 'h1' && /file/.test(event.step ?? '')),
      'the events of the time without a connection arrive',
    )
    for (const host of hosts) await again(host)
  })

  await t.test('reports a host that is killed in the middle', async (t) => {
    const run = operator.start(['run', 'slow', '--strategy', 'parallel', '--json-output', '--reconnect', '3'])
    await until(() => hosts.every((host) => host.exists('/srv/probe/began')), 'all are at work')
    await two.stop()
    release(one)
    release(three)
    const { status, report } = await run.ended
    t.equal(status, 1)
    t.strictSame(failures({ report }), { h2: 'HOST_LOST' })
    t.ok(one.exists('/srv/probe/done') && three.exists('/srv/probe/done'), 'the others were not delayed')
    t.match(await operator.json(['run', 'slow', '--host', 'h2']), { status: 1, report: { outcome: 'failed' } })
    t.match(await operator.run(['status']), { status: 1, stdout: /h2 .*unreachable|h2 /, stderr: '' })
    const skipped = await operator.json(['configure', '--down', 'skip'])
    t.match(skipped, {
      status: 0,
      report: { hosts: [{ host: 'h1' }, { host: 'h2', outcome: 'skipped' }, { host: 'h3' }] },
    })
    await two.start()
    t.match(await operator.run(['status']), { status: 1, stdout: /h2: behind: missed deployment/ })
    const late = await operator.run(['configure'])
    t.match(late, { status: 0, stdout: /the host missed deployment/ })
    release(two)
    t.match(await operator.json(['run', 'slow', '--host', 'h2']), { status: 0 })
    t.match(await operator.run(['configure']), { status: 0, stdout: /nothing to do/ })
    t.match(await operator.run(['status']), { status: 0, stdout: /3 hosts: 3 reached$/m })
    for (const host of hosts) await again(host)
  })

  await t.test('after the operator is killed, hosts finish, and the lock is free', async (t) => {
    const run = operator.start(['run', 'slow', '--strategy', 'parallel', '--json-output'])
    await until(() => hosts.every((host) => host.exists('/srv/probe/began')), 'all are at work')
    run.kill('SIGKILL')
    await run.ended
    for (const host of hosts) release(host)
    await until(() => hosts.every((host) => host.exists('/srv/probe/done')), 'they have continued')
    t.match(await operator.json(['configure']), { status: 0, report: { outcome: 'unchanged' } })
    for (const host of hosts) await again(host)
  })

  await t.test('Ctrl-C begins no further host, and a second one ends hosts after their step', async (t) => {
    const run = operator.start(['run', 'slow', '--batch', '1', '--json-output'])
    await until(() => one.exists('/srv/probe/began'), 'the first one is at work')
    run.kill('SIGINT')
    await run.until((event) => event.event === 'warning' && /no further host/.test(event.message), 'the warning')
    release(one)
    const { status, report } = await run.ended
    t.match({ status, outcome: report?.outcome }, { status: 1, outcome: 'interrupted' })
    t.strictSame(
      report?.hosts.map(({ outcome }) => outcome),
      ['changed', 'untouched', 'untouched'],
    )
    await again(one)
    const twice = operator.start(['run', 'slow', '--host', 'h1', '--json-output'])
    await until(() => one.exists('/srv/probe/began'), 'it is at work')
    twice.kill('SIGINT')
    await twice.until((event) => event.event === 'warning', 'the warning')
    // A second signal is not a duplicate of the first, however soon it arrives.
    twice.kill('SIGTERM')
    await twice.until((event) => event.event === 'warning' && /the hosts end after/.test(event.message), 'and again')
    await until(
      async () => (await one.run("grep -c 'SIGINT' /var/lib/converge/fleet/runs/*/errors")).stdout.includes(':1'),
      'the host has reacted',
    )
    release(one)
    t.match(await twice.ended, { status: 1 })
    t.notOk(one.exists('/srv/probe/done'), 'the next step was not begun')
    await again(one)
  })

  await t.test('refuses a second operator', async (t) => {
    const run = operator.start(['run', 'slow', '--json-output', '--host', 'h1'])
    await until(() => one.exists('/srv/probe/began'), 'the first one is at work')
    const other = new Operator(network, 'other', operator.directory)
    const refused = await other.json(['configure'])
    t.match(refused, { status: 1, report: undefined, stdout: /"code":"DEPLOYMENT_UNDER_WAY"/ })
    t.match(await other.run(['status']), { status: 0 }, 'status needs no lock')
    release(one)
    t.match(await run.ended, { status: 0 })
    t.match(await other.json(['configure']), { status: 0 })
    await again(one)
  })

  await t.test('aborts after --max-failures, and leaves other hosts unchanged', async (t) => {
    one.write('/srv/probe/broken', '')
    const stopped = await operator.json(['run', 'fragile'])
    t.match(stopped, {
      status: 1,
      report: {
        stopped: /one host failed/,
        hosts: [{ outcome: 'failed' }, { outcome: 'untouched' }, { outcome: 'untouched' }],
      },
    })
    t.notOk(two.exists('/srv/probe/passed'))
    t.match(await operator.json(['run', 'fragile', '--max-failures', '1']), {
      status: 1,
      report: { hosts: [{ outcome: 'failed' }, { outcome: 'changed' }, { outcome: 'changed' }] },
    })
    two.write('/srv/probe/broken', '')
    three.write('/srv/probe/broken', '')
    const all = await operator.run(['run', 'fragile', '--strategy', 'parallel', '--max-failures', '100%'])
    t.equal(
      all.stdout.match(/COMMAND_FAILED|exit status|failed in run/g)?.length,
      1,
      'one failure of three hosts is one paragraph',
    )
    for (const host of hosts) await host.run('rm /srv/probe/broken')
  })

  await t.test('reports a full disk', async (t) => {
    await three.fillDisk()
    const full = await operator.json(['run', 'configure', '--host', 'h3'])
    t.match(full, { status: 1 })
    t.match(JSON.stringify(full.report?.hosts), /[Nn]o space left/)
    await three.freeDisk()
    t.match(await operator.json(['configure']), { status: 0 })
  })

  await t.test('works over a slow link', async (t) => {
    await one.setSlowness({ delayMs: 100, lossPercent: 1 })
    t.match(await operator.json(['configure']), { status: 0, report: { outcome: 'unchanged' } })
    await one.setSlowness(null)
  })

  await t.test('refuses a host with another host key', async (t) => {
    await two.newHostKey()
    const wrong = await operator.json(['configure'])
    t.match(wrong, { status: 1, report: { stopped: /h2 cannot be used; nothing was changed/ } })
    t.strictSame(failures(wrong), { h2: 'HOST_KEY_CHANGED' })
    const skip = await operator.json(['configure', '--down', 'skip', '--accept-new'])
    t.strictSame(failures(skip), { h2: 'HOST_KEY_CHANGED' }, 'that is no host that is merely down')
  })
})
