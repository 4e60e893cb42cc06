/** Tests a real site on many new hosts: the commands of its operator, and their effect on visitors. */
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { FleetSite, type Visits } from './support/fleet_site.ts'
import { hostNeeds } from './support/hosts.ts'
import { batches, type Outcome, outcomes } from './support/operator.ts'

const clients = ['plone1', 'plone2', 'plone3']
/** lb2 runs systemd. */
const frontends = ['lb1', 'lb2']
const shops = ['shop1', 'shop2']
const others = ['files', 'jobs', 'mail']
const zcml = 'src/example_site/configure.zcml'

t.test('a ZEO server, three clients, two frontends, and five hosts beside them', async (t) => {
  t.setTimeout(20 * 60_000)
  const programs = [
    'git',
    'python3 venv',
    'pip registry',
    'supervisord',
    'haproxy',
    'varnishd',
    'nginx',
    'wrk',
  ] as const
  if (!needs(t, [...hostNeeds, ...programs])) return
  const site = await FleetSite.make(t)
  const stack = async (t: Test, status: number, ...args: readonly string[]): Promise<Outcome> => {
    const began = performance.now()
    const outcome = await site.operator.json(args)
    t.equal(outcome.status, status, `converge stack ${args.join(' ')}`)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    t.comment(`converge stack ${args.join(' ')}: ${seconds} s`)
    if (outcome.status !== status) t.comment(`${outcome.stderr}\n${JSON.stringify(outcome.report, null, 1)}`)
    return outcome
  }
  const assertVisited = (t: Test, { requests, failed, longestMs, seconds }: Visits) => {
    const found = `${requests} requests in ${seconds.toFixed(0)} s, ${failed} failed, longest ${longestMs.toFixed(0)} ms`
    t.comment(found)
    t.ok(requests > 50, found)
  }
  const assertNoFailures = (t: Test, visits: Visits) => {
    assertVisited(t, visits)
    t.equal(visits.failed, 0, JSON.stringify(visits.kinds))
  }
  /** Runs a scene; each one starts with the site as the previous one left it. */
  const scene = async (name: string, play: (t: Test) => Promise<void>) => {
    if (t.passing()) await t.test(name, { timeout: 10 * 60_000 }, play)
  }

  /** Checks that no balancer runs with a host that is offline or no longer in the stack file. */
  const balances = async (t: Test, hosts: readonly string[]) => {
    for (const frontend of frontends)
      t.strictSame(await site.balancedHosts(frontend), hosts, `the hosts in HAProxy of ${frontend}`)
  }

  const setupRestarts = (kind: string, settings: Parameters<FleetSite['changeAttributes']>[0]) =>
    scene(`setup restarts the clients, ${kind}`, async (t) => {
      const before = await Promise.all(clients.map((name) => site.clientPid(name)))
      site.changeAttributes(settings)
      let done: Outcome | undefined
      assertNoFailures(
        t,
        await site.measureVisits(async () => {
          done = await stack(t, 0, 'setup')
        }),
      )
      if (done === undefined) return
      const restarted = batches(done, 'switch').filter((batch) => batch.includes('plone'))
      t.strictSame(restarted, clients, 'one after the other')
      const announced = done.events.flatMap((event) => (event.event === 'restarts' ? event.hosts : []))
      t.match(
        announced.filter(({ host }) => clients.includes(host)),
        clients.map((host) => ({ host, what: ['plone_instances-client1'] })),
      )
      for (const [index, name] of clients.entries())
        t.not(await site.clientPid(name), before[index], `${name} restarts`)
      await site.waitUntilServed(clients)
    })

  await scene('setup of new hosts', async (t) => {
    await site.addHosts('zeo', ...clients, ...frontends, ...shops, ...others)
    t.match(await site.operator.run(['check']), {
      status: 0,
      stdout: /^example: 11 hosts, 5 layers, 3 apps: nothing wrong$/m,
    })
    await site.shareEggs(async () => {
      await stack(t, 0, 'run', 'setup', '--host', 'plone1')
      await stack(t, 0, 'run', 'build', '--host', 'plone1')
    }, 'plone1')
    const first = await stack(t, 0, 'setup')
    // The packages of the other hosts are already on the test system, so their setup changes nothing.
    const unchanged = Object.entries(outcomes(first)).flatMap(([name, what]) =>
      what === 'changed' ? [] : `${name} ${what}`,
    )
    t.strictSame(
      unchanged,
      others.map((name) => `${name} unchanged`),
    )
    t.notMatch(batches(first, 'build').join(' '), /lb/, 'hosts without an app build nothing')
    t.strictSame(batches(first, 'switch'), [
      'zeo',
      'plone1',
      'plone2 plone3',
      'lb1 lb2',
      'shop1 shop2',
      'files jobs mail',
    ])
    t.match(
      first.events.filter(({ event }) => event === 'health'),
      [{ ok: true }],
    )
    await site.waitUntilServed(clients)
    for (const shop of shops) t.match(await site.page(shop), /^one /, `${shop} answers`)
    t.strictSame(
      clients.map((name) => site.migrations(name)),
      [['1 on plone1'], [], []],
    )
    t.equal(await site.page('lb1', '@@put?key=a&value=kept&blob=1'), 'ok\n')
    for (const client of clients)
      await t.resolveMatch(site.host(client).run('curl -s http://localhost:8081/@@get?key=a'), { stdout: 'kept\n' })
  })

  await scene('a second setup changes nothing', async (t) => {
    const second = await stack(t, 0, 'setup')
    t.equal(second.report?.outcome, 'unchanged')
    t.strictSame(new Set(Object.values(outcomes(second))), new Set(['unchanged']))
    t.match(await site.operator.run(['setup']), {
      status: 0,
      stdout: /^nothing to do: setup of example .*: 11 unchanged in /m,
    })
  })

  await scene('a client is drained at all balancers, and set ready', async (t) => {
    interface Server {
      readonly name: string
      readonly admin: string
      readonly takesVisitors: boolean
    }
    interface Answer {
      readonly host: string
      readonly balancers: readonly { readonly servers?: readonly Server[]; readonly server?: Server }[]
    }
    const balancer = async (...words: readonly string[]) => {
      const { status, events } = await site.operator.json(['balancer', ...words])
      t.equal(status, 0, `converge stack balancer ${words.join(' ')}`)
      const done = events.flatMap((event) => (event.event === 'done' ? [event as unknown as Answer] : []))
      t.strictSame(done.map(({ host }) => host).sort(), frontends, 'only hosts with a balancer are asked')
      return done.flatMap(({ balancers }) => balancers)
    }
    const lists = await balancer('list')
    const server = lists[0]?.servers?.find(({ name }) => name.includes('plone2'))?.name ?? ''
    t.match(await balancer('drain', server), [
      { server: { admin: /^(drain|maint)$/ } },
      { server: { admin: /^(drain|maint)$/ } },
    ])
    const drained = (await balancer()).map(({ servers = [] }) => servers.find(({ name }) => name === server))
    t.match(drained, [{ takesVisitors: false }, { takesVisitors: false }])
    t.match(await balancer('ready', server), [{ server: { admin: 'ready' } }, { server: { admin: 'ready' } }])
    await site.waitUntilServed(clients)
    t.match(await site.operator.run(['balancer', 'drain']), { status: 2, stderr: /missing argument SERVER/ })
    t.match(await site.operator.run(['balancer', 'list', '--host', 'zeo']), {
      status: 2,
      stderr: /none of the selected hosts has a role with a balancer/,
    })
  })

  await scene('a new revision, one client after the other', async (t) => {
    const commit = await site.commit()
    let deployed: Outcome | undefined
    assertNoFailures(
      t,
      await site.measureVisits(async () => {
        deployed = await stack(t, 0, 'deploy', '--app', 'plone_instances', '--strategy', 'rolling')
      }),
    )
    if (deployed === undefined) return
    t.strictSame(deployed.report?.commits, { plone_instances: commit })
    t.strictSame(batches(deployed, 'switch'), clients)
    t.match(
      deployed.events.filter(({ event }) => event === 'health'),
      clients.map(() => ({ ok: true })),
    )
    await site.waitUntilServed(clients)
    t.strictSame(
      clients.map((name) => site.migrations(name)),
      [['1 on plone1', '2 on plone1'], [], []],
    )
  })

  await scene('a revision that cannot be built', async (t) => {
    const good = site.read('cfg/base.cfg')
    await site.commit({ 'cfg/base.cfg': good.replace('versions.cfg', 'missing.cfg') })
    const visits = await site.measureVisits(async () => {
      const failed = await stack(t, 1, 'deploy', '--strategy', 'canary')
      t.strictSame(batches(failed, 'switch'), [])
      t.match(failed.report?.hosts[1]?.failure?.output, /missing\.cfg/)
    })
    assertNoFailures(t, visits)
    await site.waitUntilServed(clients, '2')
    await site.commit({ 'cfg/base.cfg': good })
  })

  await scene('a revision whose clients do not become ready', async (t) => {
    const good = site.read(zcml)
    await site.commit({ [zcml]: good.replace('.views.Status', '.views.Missing') })
    const args = ['deploy', '--app', 'plone_instances', '--strategy', 'canary'] as const
    const visits = await site.measureVisits(async () => {
      const stopped = await stack(t, 1, ...args)
      t.strictSame(batches(stopped, 'switch'), ['plone1'])
      t.match(outcomes(stopped), { plone1: 'failed', plone2: 'changed', plone3: 'changed' })
      await site.waitUntilServed(['plone2', 'plone3'], '2')
      await stack(t, 0, 'rollback', '--host', 'plone1')
      await site.waitUntilServed(clients, '2')
      const { status, stdout } = await site.operator.run([...args, '--rollback-on-failure'])
      t.equal(status, 1)
      t.match(stdout, /^! plone1 failed in switch$/m)
      t.match(stdout, /^stopped: one host failed, and --max-failures is 0$/m)
      t.match(stdout, /^rolled back: plone1$/m)
      await site.waitUntilServed(clients, '2')
    })
    assertNoFailures(t, visits)
    await site.commit({ [zcml]: good })
  })

  await scene('a parallel deploy of two apps', async (t) => {
    const [commit, shop] = [await site.commit(), await site.commitShop('two')]
    let deployed: Outcome | undefined
    // Failed requests are allowed: clients restart together, and so does the ZEO server.
    assertVisited(
      t,
      await site.measureVisits(async () => {
        deployed = await stack(t, 0, 'deploy', '--strategy', 'parallel')
      }),
    )
    if (deployed === undefined) return
    t.strictSame(deployed.report?.commits, { zeoserver: commit, plone_instances: commit, shop })
    t.strictSame(batches(deployed, 'switch'), ['zeo', 'plone1', 'plone2 plone3', 'shop1 shop2'])
    await site.waitUntilServed(clients)
    for (const shop of shops) t.match(await site.page(shop), /^two /, `${shop} runs the new release`)
  })

  await scene('a frontend that is off during a deploy, and boots later', async (t) => {
    await site.switchOff('lb2')
    const { events } = await stack(t, 1, 'setup')
    const phases = events.flatMap((event) => (event.event === 'phase' ? event.phase : []))
    t.strictSame(phases, ['connect'], 'if a selected host is unreachable, the rollout does not start')
    await site.commit()
    const visits = await site.measureVisits(async () => {
      const deployed = await stack(t, 0, 'deploy', '--app', 'plone_instances', '--strategy', 'rolling')
      t.match(deployed.report?.warnings, [
        /^lb2.*it is not configured \(run converge stack configure when it can be reached\)$/,
      ])
    })
    assertNoFailures(t, visits)
    await site.waitUntilServed(clients)
    await site.switchOn('lb2')
    await site.waitUntilServed(clients)
    t.match(outcomes(await stack(t, 0, 'configure')), { lb2: 'unchanged' })
  })

  await scene('a host is added', async (t) => {
    await site.addHosts('plone4')
    assertNoFailures(t, await site.measureVisits(() => stack(t, 0, 'setup', '--host', 'plone4')))
    await site.waitUntilServed([...clients, 'plone4'])
    t.strictSame(site.migrations('plone4'), [])
    await balances(t, [...clients, 'plone4'])
  })

  await scene('a host is removed', async (t) => {
    const visits = await site.measureVisits(async () => {
      await stack(t, 0, 'shutdown', '--host', 'plone4')
      await balances(t, clients)
      site.removeHost('plone4')
      await stack(t, 0, 'configure')
    })
    assertNoFailures(t, visits)
    await site.waitUntilServed(clients)
    await balances(t, clients)
  })

  await scene('a client host that is down comes back while the others restart', async (t) => {
    await site.fail('plone3')
    await site.waitUntilServed(['plone1', 'plone2'])
    await site.commit()
    const before = await site.clientPid('plone1')
    const visits = await site.measureVisits(async () => {
      const app = ['--app', 'plone_instances'] as const
      const deploying = stack(t, 0, 'deploy', ...app, '--strategy', 'rolling', '--down', 'skip')
      await until(async () => (await site.clientPid('plone1')) !== before, 'plone1 restarts', 120)
      await site.boot('plone3')
      t.match(outcomes(await deploying), { plone1: 'changed', plone2: 'changed', plone3: 'skipped' })
      // The host was off during the deployment, and receives it now.
      await stack(t, 0, 'configure')
    })
    assertNoFailures(t, visits)
    await site.waitUntilServed(clients)
  })

  await scene('the ZEO server gets another address', async (t) => {
    const address = await site.addPrivateAddress('zeo')
    let configured: Outcome | undefined
    assertNoFailures(
      t,
      await site.measureVisits(async () => {
        configured = await stack(t, 0, 'configure')
      }),
    )
    if (configured === undefined) return
    t.strictSame(batches(configured, 'configure').slice(1), clients)
    t.match(
      configured.events.flatMap((event) => (event.event === 'restarts' ? event.hosts : [])),
      clients.map((host) => ({ host })),
      'the restarts are announced',
    )
    for (const client of clients) {
      const { stdout } = await site.host(client).run(`ss -Htn state established dport = :8001`)
      t.match(stdout, `${address}:8001`, `${client} reaches the ZEO server there`)
    }
    await site.waitUntilServed(clients)
    t.equal((await stack(t, 0, 'configure')).report?.outcome, 'unchanged')
  })

  await setupRestarts('with the runtime API of the balancers', { environment: { STEP: 'one' } })

  await scene('the timers of all hosts fire in the same second, with a restart due', async (t) => {
    const before = await Promise.all(clients.map((name) => site.clientPid(name)))
    const timer = (name: string) => {
      const program = '/etc/supervisor/conf.d/plone_instances-client1.conf'
      return site.host(name).run(`echo "; by hand" >> ${program}; /usr/local/lib/converge/this-host configure 2>&1`)
    }
    assertNoFailures(t, await site.measureVisits(() => Promise.all(clients.map((name) => timer(name)))))
    const after = await Promise.all(clients.map((name) => site.clientPid(name)))
    for (const [index, name] of clients.entries()) t.not(after[index], before[index], `${name} has restarted`)
    await site.waitUntilServed(clients)
  })

  await scene('a canary deploy succeeds, and all hosts roll back', async (t) => {
    const before = site.latest
    await site.commit()
    const app = ['--app', 'plone_instances'] as const
    const deploying = await site.measureVisits(async () => {
      const deployed = await stack(t, 0, 'deploy', ...app, '--strategy', 'canary')
      t.strictSame(batches(deployed, 'switch'), ['plone1', 'plone2 plone3'], 'the one that migrates is the canary')
    })
    assertNoFailures(t, deploying)
    await site.waitUntilServed(clients)
    const returning = await site.measureVisits(async () => {
      const returned = await stack(t, 0, 'rollback', ...app)
      t.strictSame(batches(returned, 'rollback'), clients)
    })
    assertNoFailures(t, returning)
    await site.waitUntilServed(clients, before)
  })

  await setupRestarts('without it', { environment: { STEP: 'two' }, balancerPort: null })
})
