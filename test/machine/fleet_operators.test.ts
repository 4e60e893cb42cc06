/**
 * Tests several operators of one stack: the second one sees who holds the lock, can wait, and leaves no failed
 * deployment behind. They pause a rollout by the commands of docs/fleet.md and docs/reference/commands.md.
 */
import { readdirSync } from 'node:fs'
import t from 'tap'
import type { FleetEvent } from '../../core/fleet/types.ts'
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

t.test('operators of one stack', async (t) => {
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
  const sameDirectory = new Operator(network, 'beside', first.directory)
  const ownDirectory = new Operator(network, 'apart', `${network.directory}/apart`)
  ownDirectory.write(files)
  const records = (operator: Operator) => readdirSync(`${operator.directory}/.converge/probe/deployments`)
  t.match(await first.json(['setup']), { status: 0 })
  t.match(await ownDirectory.json(['setup']), { status: 0 })
  if (!t.passing()) return

  const startDeploy = async (): Promise<RunningCommand> => {
    await host.run('rm -f /srv/probe/go /srv/probe/began /srv/probe/broken')
    const run = first.start(['run', 'slow', '-m', 'new prices', '--host', 'h1', '--json-output'])
    await until(() => host.exists('/srv/probe/began'), 'the first one is at work')
    return run
  }
  const isQueued = ({ event }: { event: string }) => event === 'queued'

  await t.test('refuses the second operator, without a record', async (t) => {
    const run = await startDeploy()
    const before = [records(first), records(ownDirectory)]
    const message = /^deployment 2 \(run slow by \S+ since \d{4}-\S+Z: new prices\) works on h1; nothing was begun$/
    const refused = await sameDirectory.json(['configure'])
    t.match(refused, { status: 1, report: undefined })
    t.match(errorIn(refused), { code: 'DEPLOYMENT_UNDER_WAY', message, hint: /--wait .*converge stack log 2/ })
    t.match(await sameDirectory.run(['configure']), { status: 1, stdout: '', stderr: /deployment 2 \(run slow by / })
    const refusedByHost = await ownDirectory.run(['configure', '--json-output'])
    t.equal(refusedByHost.status, 1)
    t.match(errorIn(refusedByHost), {
      code: 'DEPLOYMENT_UNDER_WAY',
      message: /^h1: locked by another rollout: \S+ since \S+ \(deployment 2: new prices\), .*; nothing was begun$/,
    })
    t.match(errorIn(await sameDirectory.json(['configure', '--wait=1s'])), { message: /^after 1 s: deployment 2 / })
    t.match(await sameDirectory.json(['run', 'configure', '--host', 'h2']), { status: 0 }, 'other hosts are free')
    const note = String.raw`deployment 2 \(run slow by \S+ since \S+: new prices\) works on h1`
    t.match(await sameDirectory.run(['status']), { status: 0, stdout: new RegExp(`note: ${note}`) })
    t.match(await ownDirectory.run(['status']), {
      status: 0,
      stdout: /^h1: locked by a rollout: \S+@\S+ since \S+ \(deployment 2: new prices\)$/m,
    })
    t.strictSame([records(first).slice(0, 2), records(ownDirectory)], before)
    host.write('/srv/probe/go', '')
    t.match(await run.ended, { status: 0 })
  })

  await t.test('the maintenance page has the name of the operator', async (t) => {
    const closed = await sameDirectory.run(['maintenance', 'on', '-m', "Back at nine o'clock."])
    t.match(closed, { status: 0, stdout: 'h1, h2 (2 hosts)\n  closed for maintenance\n2 hosts: all succeeded\n' })
    for (const closedHost of hosts)
      t.match(closedHost.read('/srv/probe/closed'), /^Back at nine o'clock\. \w+@[\w.-]+$/)
    t.match(await sameDirectory.run(['maintenance', 'off']), {
      status: 2,
      stderr: /no role of h1, h2 has a maintenance page/,
    })
  })

  await t.test('a lock of deploys has the name of the operator, and refuses another lock', async (t) => {
    t.match(await first.run(['lock', '-m', 'release day', '--host', 'h1']), { status: 0, stdout: /deploys are locked/ })
    t.match(JSON.parse(host.read('/var/lib/converge/deploy-lock.json')), {
      by: /^\w+@/,
      message: 'release day',
    })
    await host.run(`sed -i 's/"by":"[^"]*"/"by":"joe@elsewhere"/' /var/lib/converge/deploy-lock.json`)
    const partlyLocked = await first.run(['lock', '-m', 'mine'])
    t.match(partlyLocked, {
      status: 1,
      stdout: /^h2\n {2}deploys are locked\n! h1: exit status 1\n.*joe@elsewhere since .*release day/,
    })
    t.match(await first.run(['unlock']), {
      status: 0,
      stdout: 'h1, h2 (2 hosts)\n  lock removed\n2 hosts: all succeeded\n',
    })
  })

  await t.test('doctor reports the checks of each host', async (t) => {
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

  await t.test('pauses a rollout, and continues it', async (t) => {
    t.match(errorIn(await sameDirectory.run(['pause', '--json-output'])), { code: 'NO_RUNNING_DEPLOYMENT' })
    for (const one of hosts) await one.run('rm -f /srv/probe/go /srv/probe/began /srv/probe/broken')
    const run = first.start(['run', 'slow', '--json-output'])
    await until(() => host.exists('/srv/probe/began'), 'the first host is at work')
    const paused = await sameDirectory.run(['pause', '-m', 'lunch', '--by', 'ann'])
    t.match(paused, { status: 0, stdout: /^deployment \d+ \(run slow by .*\): paused: no further host starts/ })
    t.match(await sameDirectory.run(['pause']), { status: 0, stdout: /: already paused by ann\n$/ })
    t.match(errorIn(await sameDirectory.run(['continue', '99', '--json-output'])), {
      message: /^deployment 99 does not run/,
    })
    for (const one of hosts) one.write('/srv/probe/go', '')
    await run.until((event) => event.event === 'paused', 'it waits')
    t.notOk(hosts[1]?.exists('/srv/probe/began'), 'no further host has started')
    t.match(await sameDirectory.run(['continue', '--json-output']), { status: 0, stdout: /"state": "running"/ })
    const { status, events } = await run.ended
    t.equal(status, 0)
    t.ok(hosts[1]?.exists('/srv/probe/began'))
    t.match(
      events.filter(({ event }) => event === 'paused' || event === 'continued'),
      [{ event: 'paused', by: 'ann', comment: 'lunch' }, { event: 'continued' }],
    )
  })

  await t.test('status and doctor warn of a clock that differs', async (t) => {
    const node = '/usr/local/lib/converge/node'
    host.write(
      '/root/clock.cjs',
      'const now = Date.now; globalThis.Date = class extends Date { constructor(...args) { super(...(args.length === 0 ? [now() - 7_380_000] : args)) } }',
    )
    const program = (await host.run(`readlink ${node}`)).stdout.trim()
    await host.run(
      `rm ${node}; printf '#!/bin/sh\\nexec %s --require /root/clock.cjs "$@"\\n' ${program} >${node}; chmod 755 ${node}`,
    )
    const text = /its clock is 2 h [23] min behind the clock of this computer; .*timedatectl set-ntp true/
    const status = await first.run(['status'])
    t.match(status, { status: 0, stdout: text })
    t.match(status.stdout, /^warning: h1: its clock /m, 'not the other host')
    t.match(await first.run(['doctor']), {
      status: 0,
      stdout: /^h1\n {2}warning {2}clock: its clock is 2 h [23] min behind .*\n {11}fix: synchronize .*$/m,
    })
    await host.run(`ln -sfn ${program} ${node}`)
    t.notMatch((await first.run(['status'])).stdout, /its clock/)
  })

  const startPaused = async (): Promise<RunningCommand> => {
    for (const one of hosts) await one.run('rm -f /srv/probe/go /srv/probe/began /srv/probe/broken')
    const run = first.start(['run', 'slow', '--json-output'])
    await until(() => host.exists('/srv/probe/began'), 'the first host is at work')
    t.match(await sameDirectory.run(['pause']), { status: 0 })
    for (const one of hosts) one.write('/srv/probe/go', '')
    await run.until((event) => event.event === 'paused', 'it waits')
    return run
  }
  const connectionOf = (name: string, state: string) => (event: FleetEvent) =>
    event.event === 'connection' && event.host === name && event.state === state

  await t.test('a host that waits is locked again at once after its connection is lost', async (t) => {
    const run = await startPaused()
    await hosts[1]?.run("pkill -f '^sshd(-session)?: root'")
    await run.until(connectionOf('h2', 'lost'), 'the connection is lost')
    await run.until(connectionOf('h2', 'back'), 'the connection is back')
    t.match(errorIn(await ownDirectory.json(['run', 'configure', '--host', 'h2'])), {
      code: 'DEPLOYMENT_UNDER_WAY',
      message: /^h2: locked by another rollout: /,
    })
    t.match(await sameDirectory.run(['continue']), { status: 0 })
    t.match(await run.ended, { status: 0, report: { outcome: 'changed' } })
  })

  await t.test('a host that another operator changed in the meantime is refused', async (t) => {
    const run = await startPaused()
    // A computer that sleeps sends no sign of life: after a minute another operator may lock the host.
    run.kill('SIGSTOP')
    await hosts[1]?.run("touch -d '2 minutes ago' /var/lib/converge/fleet/held")
    t.match(await ownDirectory.json(['run', 'configure', '--host', 'h2', '-m', 'urgent']), { status: 0 })
    run.kill('SIGCONT')
    await run.until(connectionOf('h2', 'lost'), 'the loss of the lock is noticed')
    t.match(await sameDirectory.run(['continue']), { status: 0 })
    const { status, report } = await run.ended
    t.equal(status, 1)
    t.match(report?.hosts, [
      { host: 'h1', outcome: 'changed' },
      {
        host: 'h2',
        outcome: 'failed',
        failure: {
          code: 'HOST_TAKEN',
          message:
            /^after the connection was lost, another rollout has changed the host: \S+ since \S+ \(deployment \d+: urgent\), converge stack run-/,
          hint: /converge stack status --host h2, then deploy again$/,
        },
      },
    ])
    t.notOk(hosts[1]?.exists('/srv/probe/began'), 'nothing ran on it')
    t.match(await ownDirectory.json(['run', 'configure', '--host', 'h2']), { status: 0 }, 'the host is free')
  })

  await t.test('with --wait, each operator begins after the first has ended', async (t) => {
    const run = await startDeploy()
    const waiting = sameDirectory.start(['configure', '--json-output', '--wait'])
    await waiting.until(isQueued, 'it waits')
    const waitingForHosts = ownDirectory.start(['run', 'configure', '--host', 'h1', '--wait=5m', '--json-output'])
    await waitingForHosts.until(isQueued, 'it waits for the hosts')
    host.write('/srv/probe/go', '')
    t.match(await run.ended, { status: 0 })
    const ended = await waiting.ended
    t.match(ended, { status: 0, report: { outcome: 'unchanged' } })
    t.match(ended.events, [
      { event: 'queued', hosts: ['h1'], deployment: { action: 'run', recipe: 'slow' } },
      { event: 'turn', outcome: 'changed' },
      { event: 'start' },
    ])
    t.match(await waitingForHosts.ended, { status: 0 })
  })

  await t.test('Ctrl-C during --wait leaves no record and no lock', async (t) => {
    const run = await startDeploy()
    const before = [records(first), records(ownDirectory)]
    for (const operator of [sameDirectory, ownDirectory]) {
      const waiting = operator.start(['configure', '--json-output', '--wait'])
      await waiting.until(isQueued, 'it waits')
      waiting.kill('SIGINT')
      const ended = await waiting.ended
      t.equal(ended.status, 1)
      t.match(errorIn(ended), { code: 'INTERRUPTED', message: /nothing was begun/ })
    }
    t.strictSame([records(first), records(ownDirectory)], before)
    host.write('/srv/probe/go', '')
    t.match(await run.ended, { status: 0 })
    t.match(await sameDirectory.json(['configure']), { status: 0 })
  })

  await t.test(
    '--wait ends with an error after the first deployment fails or is killed, and the next command begins',
    async (t) => {
      for (const outcome of ['failed', 'died']) {
        const run = await startDeploy()
        const waiting = sameDirectory.start(['configure', '--json-output', '--wait'])
        await waiting.until(isQueued, 'it waits')
        if (outcome === 'failed') host.write('/srv/probe/broken', '')
        else run.kill('SIGKILL')
        if (outcome === 'failed') host.write('/srv/probe/go', '')
        const ended = await waiting.ended
        t.equal(ended.status, 1)
        t.match(errorIn(ended), {
          code: 'OTHER_DEPLOYMENT_FAILED',
          message: new RegExp(`^deployment \\d+ ended with outcome ${outcome}; the configure was not begun$`),
        })
        await run.ended
        host.write('/srv/probe/go', '')
        t.match(await sameDirectory.json(['configure', '--wait']), { status: 0 }, 'the next one begins')
      }
    },
  )
})
