/**
 * Tests several operators of one stack: the second one sees who holds the lock, can wait, and leaves no failed
 * deployment behind.
 */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { hostNeeds, testNetwork } from './support/hosts.ts'
import { Operator, type Outcome, type RunningCommand } from './support/operator.ts'

const recipe = `import { role, directory, execute, file } from 'converge-engine'
export default role('probe', {
  setup(r) { directory(r, { path: '/srv/probe' }) },
  checks: (node) => [{ what: 'login', run: () => ({ status: 'ok', detail: (node.deploy?.mine?.scm?.password ?? '').length + ' characters' }) }],
  configure(r) { file(r, { path: '/srv/probe/configured', content: 'yes\\n' }) },
  events: {
    maintenance_on(r, node) { file(r, { path: '/srv/probe/closed', content: node.run.options.message + ' ' + node.run.by }) },
    slow(r) { execute(r, { command: 'touch /srv/probe/began; until [ -e /srv/probe/go ]; do sleep 0.05; done; test ! -e /srv/probe/broken' }) },
  },
})
`

interface ErrorEvent {
  readonly code?: string
  readonly message?: string
  readonly hint?: string
}

function errorIn({ stdout }: Pick<Outcome, 'stdout'>): ErrorEvent | undefined {
  const lines = stdout.split('\n').flatMap((line) => (line.startsWith('{"event":"error"') ? [line] : []))
  return lines[0] === undefined ? undefined : (JSON.parse(lines[0]) as ErrorEvent)
}

t.test('two operators', async (t) => {
  if (!needs(t, hostNeeds)) return
  const network = await testNetwork(t)
  const hosts = await network.many('h', 2)
  const [host] = hosts
  if (host === undefined) throw new Error('no host')
  const stack = {
    name: 'probe',
    layers: { all: { roles: ['probe'] } },
    recipes: ['recipes'],
    ssh: { user: 'root' },
    hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { address, layers: ['all'] }])),
  }
  const files = { 'recipes/probe.ts': recipe, 'stack.json': stack }
  const first = new Operator(network)
  first.write(files)
  const beside = new Operator(network, 'beside', first.directory)
  const apart = new Operator(network, 'apart', `${network.directory}/apart`)
  apart.write(files)
  const records = (operator: Operator) => readdirSync(`${operator.directory}/.converge/probe/deployments`)
  t.match(await first.json(['setup']), { status: 0 })
  t.match(await apart.json(['setup']), { status: 0 })
  if (!t.passing()) return

  const startDeploy = async (): Promise<RunningCommand> => {
    await host.run('rm -f /srv/probe/go /srv/probe/began /srv/probe/broken')
    const run = first.start(['run', 'slow', '-m', 'new prices', '--host', 'h1', '--json-output'])
    await until(() => host.exists('/srv/probe/began'), 'the first one is at work')
    return run
  }
  const queued = ({ event }: { event: string }) => event === 'queued'

  await t.test('refuses the second operator, without a record', async (t) => {
    const run = await startDeploy()
    const before = [records(first), records(apart)]
    const message = /^deployment 2 \(run slow by \S+ since \d{4}-\S+Z: new prices\) works on h1; nothing was begun$/
    const refused = await beside.json(['configure'])
    t.match(refused, { status: 1, report: undefined })
    t.match(errorIn(refused), { code: 'DEPLOYMENT_UNDER_WAY', message, hint: /--wait .*converge stack log 2/ })
    t.match(await beside.run(['configure']), { status: 1, stdout: '', stderr: /deployment 2 \(run slow by / })
    const elsewhere = await apart.run(['configure', '--json-output'])
    t.equal(elsewhere.status, 1)
    t.match(errorIn(elsewhere), {
      code: 'DEPLOYMENT_UNDER_WAY',
      message: /^h1: locked by another rollout: \S+ since \S+ \(deployment 2: new prices\), .*; nothing was begun$/,
    })
    t.match(errorIn(await beside.json(['configure', '--wait=1s'])), { message: /^after 1 s: deployment 2 / })
    t.match(await beside.json(['run', 'configure', '--host', 'h2']), { status: 0 }, 'other hosts are free')
    const other = String.raw`deployment 2 \(run slow by \S+ since \S+: new prices\) works on h1`
    t.match(await beside.run(['status']), { status: 0, stdout: new RegExp(`note: ${other}`) })
    t.match(await apart.run(['status']), {
      status: 0,
      stdout: /^h1: locked by a rollout: \S+@\S+ since \S+ \(deployment 2: new prices\)$/m,
    })
    t.strictSame([records(first).slice(0, 2), records(apart)], before)
    host.write('/srv/probe/go', '')
    t.match(await run.ended, { status: 0 })
  })

  await t.test('closes sites, locks deploys and checks hosts under the name of the operator', async (t) => {
    const closed = await beside.run(['maintenance', 'on', '-m', "Back at nine o'clock."])
    t.match(closed, { status: 0, stdout: 'h1, h2 (2 hosts)\n  closed for maintenance\n2 hosts: all succeeded\n' })
    for (const one of hosts) t.match(one.read('/srv/probe/closed'), /^Back at nine o'clock\. \w+@[\w.-]+$/)
    t.match(await beside.run(['maintenance', 'off']), { status: 2, stderr: /no role of h1, h2 has a maintenance page/ })

    t.match(await first.run(['lock', '-m', 'release day', '--host', 'h1']), { status: 0, stdout: /deploys are locked/ })
    t.match(JSON.parse(host.read('/var/lib/converge/deploy-lock.json')), {
      by: /^\w+@/,
      message: 'release day',
    })
    await host.run(`sed -i 's/"by":"[^"]*"/"by":"joe@elsewhere"/' /var/lib/converge/deploy-lock.json`)
    const taken = await first.run(['lock', '-m', 'mine'])
    t.match(taken, {
      status: 1,
      stdout: /^h2\n {2}deploys are locked\n! h1: exit status 1\n.*joe@elsewhere since .*release day/,
    })
    t.match(await first.run(['unlock']), {
      status: 0,
      stdout: 'h1, h2 (2 hosts)\n  lock removed\n2 hosts: all succeeded\n',
    })

    const doctor = await first.run(['doctor', '--verbose'])
    t.match(doctor, { status: 0, stdout: /ok {7}disk space: / })
    const json = await first.run(['doctor', '--host', 'h2', '--json-output'])
    const done = json.stdout.split('\n').filter((line) => line.includes('"event":"done"'))
    t.match(JSON.parse(done[0] ?? '{}'), {
      host: 'h2',
      status: 0,
      needs: [{ what: 'login' }, { what: 'disk space', status: 'ok' }],
    })
    t.notOk(done[0]?.includes('stdout'))

    const scm = { repository: 'https://git.example.com/mine', user: 'reader', password: 'changed-since' }
    first.write({ 'stack.json': { ...stack, apps: { mine: { layers: ['all'], scm } } } })
    const changed = await first.run(['doctor', '--verbose'])
    t.match(changed, { stdout: /ok {7}login: 13 characters/ }, 'the login of the stack file, before any deploy uses it')
    t.notMatch(changed.stdout, /changed-since/)
    first.write(files)
  })

  await t.test('with --wait, each begins after the first has ended', async (t) => {
    const run = await startDeploy()
    const waiting = beside.start(['configure', '--json-output', '--wait'])
    await waiting.until(queued, 'it waits')
    const far = apart.start(['run', 'configure', '--host', 'h1', '--wait=5m', '--json-output'])
    await far.until(queued, 'it waits for the hosts')
    host.write('/srv/probe/go', '')
    t.match(await run.ended, { status: 0 })
    const ended = await waiting.ended
    t.match(ended, { status: 0, report: { outcome: 'unchanged' } })
    t.match(ended.events, [
      { event: 'queued', hosts: ['h1'], deployment: { action: 'run', recipe: 'slow' } },
      { event: 'turn', outcome: 'changed' },
      { event: 'start' },
    ])
    t.match(await far.ended, { status: 0 })
  })

  await t.test('Ctrl-C during --wait leaves nothing behind', async (t) => {
    const run = await startDeploy()
    const before = [records(first), records(apart)]
    for (const operator of [beside, apart]) {
      const waiting = operator.start(['configure', '--json-output', '--wait'])
      await waiting.until(queued, 'it waits')
      waiting.kill('SIGINT')
      const ended = await waiting.ended
      t.equal(ended.status, 1)
      t.match(errorIn(ended), { code: 'INTERRUPTED', message: /nothing was begun/ })
    }
    t.strictSame([records(first), records(apart)], before)
    host.write('/srv/probe/go', '')
    t.match(await run.ended, { status: 0 })
    t.match(await beside.json(['configure']), { status: 0 })
  })

  await t.test('the second continues after the first fails or is killed', async (t) => {
    for (const how of ['failed', 'died']) {
      const run = await startDeploy()
      const waiting = beside.start(['configure', '--json-output', '--wait'])
      await waiting.until(queued, 'it waits')
      if (how === 'failed') host.write('/srv/probe/broken', '')
      else run.kill('SIGKILL')
      if (how === 'failed') host.write('/srv/probe/go', '')
      const ended = await waiting.ended
      t.equal(ended.status, 1)
      t.match(errorIn(ended), {
        code: 'OTHER_DEPLOYMENT_FAILED',
        message: new RegExp(`^deployment \\d+ ended with outcome ${how}; the configure was not begun$`),
      })
      await run.ended
      host.write('/srv/probe/go', '')
      t.match(await beside.json(['configure', '--wait']), { status: 0 }, 'the next one begins')
    }
  })
})
