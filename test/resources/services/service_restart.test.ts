/** Tests service_restart: the order of restarts, readiness, failures and restarts that stay due. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import type { RequestHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { digestOf } from '../../../core/model/json.ts'
import { seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { type Behaviour, FakeSupervisor } from '../../support/fake_supervisor.ts'

const provider = { kind: 'supervisor' as const }
const names = ['c1', 'c2', 'c3']
const ports: Record<string, number> = { c1: 8081, c2: 8082, c3: 8083 }
const services = names.map((name) => ({ name, ready: { port: ports[name] ?? 0 } }))
const conf =
  (text = '') =>
  (host: VirtualHost) => {
    for (const name of names)
      host.given(`/etc/supervisor/conf.d/${name}.conf`, `[program:${name}]\nautostart=true\n${text}`)
  }

/** Returns the behaviours of c1 to c3, slow in every way, with one of them changed by the test. */
function fakeOf(
  special: Record<string, Behaviour> = {},
  running = names,
  options: { stopped?: string[]; failing?: string[] } = {},
): FakeSupervisor {
  const programs = Object.fromEntries(
    names.map((name) => [
      name,
      { port: ports[name] ?? 0, startsecs: 1, readyAfter: 5, stopAfter: 3, holdsPort: 2, ...special[name] },
    ]),
  )
  return new FakeSupervisor({ running, ...options, programs })
}

/** Shortens a call to supervisor to `method name`; leaves anything else unchanged. */
function short(change: string): string {
  const method = /<methodName>supervisor\.(\w+)/.exec(change)?.[1]
  const name = /<string>(\w+)</.exec(change)?.[1]
  return method === undefined ? change : [method, name].filter((part) => part !== undefined).join(' ')
}

const started = (host: VirtualHost) =>
  host.changes.map(short).flatMap((what) => (what.startsWith('startProcess ') ? what.slice(13) : []))

contract(t, service_restart, [
  {
    name: 'restarts all services one by one',
    props: { services, provider },
    given: conf(),
    host: { requests: fakeOf().requests },
    changes: ['replace /c3/restartedFor', 'replace /c2/restartedFor', 'replace /c1/restartedFor'],
  },
  {
    name: 'starts services that are down, and adds new ones',
    props: { services, provider },
    given: conf(),
    host: { requests: fakeOf({}, ['c2'], { stopped: ['c1'] }).requests },
    changes: [
      'replace /c3/restartedFor',
      'replace /c3/state = "running"',
      'replace /c2/restartedFor',
      'replace /c1/restartedFor',
      'replace /c1/state = "running"',
    ],
  },
  {
    name: 'accepts a running service without ready',
    props: { services: [{ name: 'c1' }], provider },
    given: conf(),
    host: { requests: fakeOf({ c1: { readyAfter: 1e9 } }).requests },
  },
  {
    name: 'stops a service that keeps failing before it starts it',
    props: { services: [{ name: 'c1' }], provider },
    given: conf(),
    host: { requests: fakeOf({}, [], { failing: ['c1'] }).requests },
    changes: ['replace /c1/restartedFor', 'replace /c1/state = "running"'],
  },
  {
    name: 'accepts other statuses and paths',
    props: { services: [{ name: 'c1', ready: { port: 8081, path: '/ok', statusMin: 401, statusMax: 401 } }], provider },
    given: conf(),
    host: { requests: fakeOf({ c1: { status: 401 } }).requests },
  },
  {
    name: 'fails at a status out of range',
    props: { services: [{ name: 'c1', ready: { port: 8081 } }], provider, deadline: seconds(20) },
    given: conf(),
    host: { requests: fakeOf({ c1: { status: 500 } }).requests },
    fails:
      /c1 did not come up: it was not ready within 20 s \(http:\/\/127\.0\.0\.1:8081\/ answered with HTTP status 500\).*read the log of the program for the cause; correct the cause, then run again: it continues with c1.*log of c1/s,
  },
  {
    name: 'fails if supervisord does not run',
    props: { services, provider },
    host: { requests: new FakeSupervisor({ up: false }).requests },
    fails: /no supervisord is running/,
  },
  {
    name: 'fails if a program has no configuration',
    props: { services: [{ name: 'c9' }], provider },
    given: conf(),
    host: { requests: fakeOf().requests },
    fails: /c9 did not come up: supervisord refused startProcess of c9: it has no such program.*\[include\]/s,
  },
  {
    name: 'fails if a command does not exist',
    props: { services: [{ name: 'c1' }], provider },
    given: conf(),
    host: { requests: fakeOf({ c1: { fault: 20 } }).requests },
    fails: /c1 did not come up: .*the file is not there/,
  },
])

function harness(
  fake: FakeSupervisor,
  host?: { requests?: RequestHandler; beforeChange?: (count: number, what: string) => void },
) {
  const virtual = new VirtualHost({ requests: fake.requests, ...host })
  conf()(virtual)
  const reported: string[] = []
  const roll = (more: object = {}, when = 'one') =>
    converge(
      planOf((r) => {
        const cause = file(r, { path: '/srv/cause', content: when })
        service_restart(r, { services, provider, when: [cause], ...more } as never)
      }),
      virtual,
      { id: 'test', mode: 'run', handlers: [{ progress: (_, line) => void reported.push(line) }] },
    )
  return { host: virtual, reported, roll }
}

t.test('reports its steps in order', async (t) => {
  const { reported, roll } = harness(fakeOf({ c1: { stopAfter: 0 } }))
  await roll({
    delay: seconds(7),
    services: [
      { ...services[0], ready: { port: 8081, warmPaths: ['/a'] } },
      { ...services[1], ready: undefined },
    ],
  })
  t.strictSame(reported, [
    'restarting c1 (1 of 2)',
    'waiting until port 8081 is free for c1',
    'waiting for http://127.0.0.1:8081/',
    'warming http://127.0.0.1:8081/a',
    'waiting 7 s before c2',
    'restarting c2 (2 of 2)',
  ])
})

t.test('never has two services down, and restarts the next when the one before is ready', async (t) => {
  const fake = fakeOf()
  let worst = names.length
  const { host, roll } = harness(fake, {
    requests: (options, host) => {
      const states = Object.values(fake.states(host))
      worst = Math.min(worst, states.filter((state) => state === 'RUNNING').length)
      return fake.requests(options, host)
    },
  })
  await roll()
  worst = names.length
  const report = await roll({}, 'two')
  t.equal(report.outcome, 'changed')
  t.equal(worst, 2)
  t.strictSame(started(host), [...names, ...names])
})

t.test('pauses only between restarts of running services', async (t) => {
  for (const [running, pauses] of [
    [names, 2],
    [['c1', 'c3'], 1],
    [['c3'], 0],
    [[], 0],
  ] as const) {
    const { reported, roll } = harness(
      fakeOf({}, [...running], { stopped: names.filter((name) => !running.includes(name as never)) }),
    )
    await roll({ delay: seconds(60) })
    t.equal(reported.filter((line) => line.startsWith('waiting 60 s')).length, pauses, `${running.join(' ')}`)
  }
})

t.test('pauses as long as a service declares', async (t) => {
  const { reported, roll } = harness(fakeOf())
  await roll({
    delay: seconds(60),
    services: [services[0], { ...services[1], delay: seconds(0) }, { ...services[2], delay: seconds(3) }],
  })
  t.strictSame(
    reported.filter((line) => / before /.test(line)),
    ['waiting 3 s before c3'],
  )
})

t.test('ends at the first failure, and the other services keep their processes', async (t) => {
  for (const as of ['BACKOFF', 'FATAL', 'EXITED', 'again'] as const) {
    const prints = Array.from({ length: 50 }, (_, line) => `line ${line}\n`).join('')
    const bad: Record<string, Behaviour> = { c2: { dies: { after: 2, as }, readyAfter: 1e6, prints } }
    const fake = fakeOf(bad)
    const { host, roll } = harness(fake)
    const before = host.clock
    const report = await roll()
    const failure = failureOf(report)
    t.match(
      failure,
      {
        code: 'SERVICE_DOWN',
        message:
          /^c2 did not come up: it ended right after its start.*; restarted before it: c1; left on the old process: c3$/,
      },
      as,
    )
    t.match(failure, { hint: /run again: it continues with c2/, output: /^line 30\n(.|\n)*line 49$/ })
    // A program that its supervisor restarts may still come up.
    const isFinal = as === 'FATAL' || as === 'EXITED'
    t.equal(host.clock - before < 30, isFinal, isFinal ? 'at once' : 'at the deadline')
    t.equal(fake.states(host).c3, 'RUNNING')
    t.strictSame(started(host), ['c1', 'c2'])
  }
})

t.test('counts a service that its manager starts again as starting', async (t) => {
  for (const as of ['BACKOFF', 'EXITED', 'again'] as const) {
    const ready = { port: 8081 }
    const ends = { after: 2, as }
    let began = 0
    /** Exits two seconds after its start, and is up again two seconds later. */
    const programs = (_: string, __: unknown, host: VirtualHost): Behaviour => {
      const age = host.clock - began
      const lost = age >= 2 && age < 4 && as !== 'again'
      return { port: 8081, readyAfter: 5, ...(lost || (as === 'again' && age >= 2) ? { dies: ends } : {}) }
    }
    const fake = new FakeSupervisor({ running: ['c1'], programs })
    const host = new VirtualHost({
      requests: fake.requests,
      beforeChange: (_, what) => {
        if (short(what) === 'startProcess c1') began = host.clock
      },
    })
    conf()(host)
    const plan = planOf((r) => void service_restart(r, { services: [{ name: 'c1', ready }], provider }))
    t.strictSame(failureOf(await run(plan, host)), undefined, as)
    t.ok(host.clock - began >= 5, `${host.clock - began} s`)
  }
})

t.test('gives up on a service that keeps ending', async (t) => {
  let pid = 0
  const fake = fakeOf({ c1: { readyAfter: 1e6 } })
  const host = new VirtualHost({
    // A new process each second.
    requests: (options, machine) => {
      const answer = fake.requests(options, machine)
      if (answer === null || !/getAllProcessInfo|getProcessInfo/.test(options.body ?? '')) return answer
      pid = Math.floor(machine.clock)
      return { ...answer, body: answer.body.replace(/(<name>pid<\/name>\s*<value><int>)[1-9]\d*/g, `$1${pid}`) }
    },
  })
  conf()(host)
  const before = host.clock
  const plan = planOf((r) => void service_restart(r, { services: [{ name: 'c1', ready: { port: 8081 } }], provider }))
  t.match(failureOf(await run(plan, host)), { message: /^c1 did not come up: it ended right after its start, 5 times/ })
  t.ok(host.clock - before < 30)
})

t.test('continues where the last run stopped', async (t) => {
  let broken = true
  const fake = fakeOf()
  const { host, reported, roll } = harness(fake, {
    beforeChange: (_, what) => {
      if (broken && /startProcess.*<string>c2</.test(what)) throw new Error('killed')
    },
  })
  const killed = await roll()
  t.match(failureOf(killed), { message: 'killed' })
  broken = false
  const report = await roll()
  t.strictSame(
    patchOf(report).map((line) => line.replace(/ =.*/, '')),
    ['replace /c3/restartedFor', 'replace /c2/restartedFor', 'replace /c2/state'],
  )
  t.strictSame(
    reported.filter((line) => /\d of \d/.test(line)),
    ['restarting c1 (1 of 3)', 'restarting c2 (2 of 3)', 'starting c2 (1 of 2)', 'restarting c3 (2 of 2)'],
  )
  t.equal((await roll()).outcome, 'unchanged')
  t.strictSame(started(host), ['c1', 'c2', 'c2', 'c3'])
})

t.test('restarts the services that run the failed release after a rollback', async (t) => {
  const [good, bad] = [fakeOf(), fakeOf({ c1: { dies: { after: 2, as: 'again' }, readyAfter: 1e6 } })]
  let fake = good
  const { host, reported, roll } = harness(good, { requests: (...args) => fake.requests(...args) })
  await roll({}, 'one')
  fake = bad
  t.match(failureOf(await roll({}, 'two')), { message: /^c1 did not come up.* and was started again/ })
  fake = good
  t.equal(good.states(host).c1, 'RUNNING', 'supervisord has started it again')
  const mark = started(host).length
  reported.length = 0
  t.match(failureOf(await roll({}, 'one')), undefined)
  t.strictSame(started(host).slice(mark), ['c1'], 'the others were never on it')
  t.match(reported, ['restarting c1 (1 of 1)'])
  t.equal((await roll({}, 'one')).outcome, 'unchanged')
})

t.test('restarts only the service whose configuration changed, with its new group', async (t) => {
  const fake = fakeOf()
  const host = new VirtualHost({ requests: fake.requests }).given('/etc/supervisor/conf.d', null)
  const plan = (environment: Record<string, string>) =>
    planOf((r) => {
      const programs = names.map((name) =>
        supervisor_program(r, { name, command: 'x', environment: name === 'c2' ? environment : {} }),
      )
      const all = services.map((one, index) => ({ ...one, configuration: programs[index]?.digest ?? '' }))
      service_restart(r, { services: all, provider })
    })
  const first = await run(plan({ A: '1' }), host)
  t.strictSame(failureOf(first), undefined)
  const mark = host.changes.length
  const second = await run(plan({ A: '2' }), host)
  t.strictSame(failureOf(second), undefined)
  t.strictSame(host.changes.slice(mark).map(short), [
    'record changes of supervisor_program c2',
    'write /etc/supervisor/conf.d/c2.conf',
    'reloadConfig',
    `record restart c2 (supervisor /var/run/supervisor.sock) for ${digestOf([]).slice(0, 16)}`,
    'stopProcess c2',
    'removeProcessGroup c2',
    'addProcessGroup c2',
    'startProcess c2',
    `record restart c2 (supervisor /var/run/supervisor.sock) for ${digestOf([]).slice(0, 16)}`,
  ])
  t.equal((await run(plan({ A: '2' }), host)).outcome, 'unchanged')
})

t.test('restarts a program that supervisord starts again before its group is removed', async (t) => {
  const fake = fakeOf({ c2: { stopAfter: 2 } }, ['c1', 'c3'], { stopped: ['c2'] })
  let again = 2
  const host: VirtualHost = new VirtualHost({
    requests: (options, host) => {
      if (/removeProcessGroup.*<string>c2</.test(options.body ?? '') && again-- > 0)
        fake.requests({ ...options, body: options.body?.replace('removeProcessGroup', 'startProcess') }, host)
      return fake.requests(options, host)
    },
  })
  conf()(host)
  await host.request({
    socketPath: '/var/run/supervisor.sock',
    method: 'POST',
    path: '/RPC2',
    body: 'supervisor.getState',
  })
  conf('environment=A="2"\n')(host)
  const report = await run(
    planOf((r) => void service_restart(r, { services, provider })),
    host,
  )
  t.strictSame(failureOf(report), undefined)
  t.equal(fake.states(host).c2, 'RUNNING')
  t.ok(host.changes.map(short).includes('stopProcess c2'))
  t.match(fake.processes(host).c2, { config: /A="2"/ })
})

t.test('force restarts each service once for each name, and the next ordinary run has nothing to do', async (t) => {
  const fake = fakeOf()
  const { host, roll } = harness(fake)
  await roll()
  t.equal((await roll({ force: 'run-1' })).outcome, 'changed')
  t.equal((await roll({ force: 'run-1' })).outcome, 'unchanged')
  t.equal((await roll()).outcome, 'unchanged')
  t.equal((await roll({ force: 'run-2' })).outcome, 'changed')
  t.equal(started(host).length, 9)
})

t.test('restarts a service once for each cause of two resources', async (t) => {
  const fake = fakeOf()
  const host = new VirtualHost({ requests: fake.requests })
  conf()(host)
  const plan = (a: string, b: string, more = services) =>
    planOf((r) => {
      const causes = { a: file(r, { path: '/srv/a', content: a }), b: file(r, { path: '/srv/b', content: b }) }
      service_restart(r, { services: more, provider, when: [causes.a] })
      service_restart(r, { services: [...services].slice(0, 1), provider, when: [causes.b] })
    })
  t.equal((await run(plan('1', '1'), host)).outcome, 'changed')
  t.equal((await run(plan('1', '1'), host)).outcome, 'unchanged')
  const before = started(host).length
  t.equal((await run(plan('1', '2'), host)).outcome, 'changed')
  t.strictSame(started(host).slice(before), ['c1'])
  t.equal((await run(plan('1', '2'), host)).outcome, 'unchanged')
  t.equal((await run(plan('1', '2', services.slice(0, 2)), host)).outcome, 'unchanged', 'fewer services restart none')
})

t.test('uses systemd or init scripts by default', (t) => {
  t.match(service_restart.definition.props.parse({ services: [{ name: 'varnish' }] }), {
    provider: { kind: 'systemd' },
  })
  t.end()
})

t.test('starts a service that was stopped by hand', async (t) => {
  const fake = fakeOf()
  const { host, reported, roll } = harness(fake)
  await roll()
  fake.requests(
    {
      socketPath: '/var/run/supervisor.sock',
      method: 'POST',
      path: '/RPC2',
      body: '<methodName>supervisor.stopProcess</methodName><param><value><string>c2</string>',
    },
    host,
  )
  host.clock += 100
  reported.length = 0
  await host.sleep(seconds(1))
  host.record('x', 'y')
  await roll()
  t.strictSame(reported, ['starting c2 (1 of 1)', 'waiting for http://127.0.0.1:8082/'])
})

t.test('fails if another process uses the port', async (t) => {
  const fake = fakeOf({ c1: { holdsPort: 1e6 } })
  const { roll } = harness(fake)
  t.match(failureOf(await roll({ deadline: seconds(30) })), {
    message:
      /^c1 did not come up: port 8081 was still taken by another process after 30 s; left on the old process: c2, c3$/,
    hint: /ss -ltnp 'sport = :8081'/,
  })
})

t.test('fails if a process does not stop', async (t) => {
  const { roll } = harness(fakeOf({ c1: { stopAfter: 1e6 } }))
  t.match(failureOf(await roll({ deadline: seconds(30) })), {
    message: /^c1 did not come up: c1 did not stop within 30 s/,
  })
})

t.test('quotes what was logged since this start, and no line of earlier ones', async (t) => {
  const quoted = async (behaviour: Behaviour, service: object, given: Record<string, string> = {}) => {
    const { host, roll } = harness(fakeOf({ c1: { dies: { after: 1, as: 'FATAL' }, ...behaviour } }))
    for (const [path, text] of Object.entries(given)) host.given(path, text)
    return failureOf(await roll({ services: [{ ...services[0], ...service }] }))
  }
  const log = '/var/log/c1.log'
  const old = { [log]: `${'an earlier release\n'.repeat(40)}MemoryError\n` }
  t.match(await quoted({ prints: 'its own log\n' }, { log }, old), { output: 'its own log' })
  t.match(await quoted({ prints: 'its own log\n' }, {}, old), { output: 'its own log' }, 'as supervisord has it')
  const silent = await quoted({}, { log: '/var/log/other.log' }, { '/var/log/other.log': 'MemoryError\n', ...old })
  t.match(silent, { output: '(/var/log/other.log has no lines since the start)' })
  t.notMatch(silent, { hint: /memory/ }, 'the cause of an earlier failure is no cause of this one')
  t.match(await quoted({}, {}), { output: 'line 2, log of c1' }, 'a log that only supervisord can read')
})

t.test('warns about a page that fails to warm', async (t) => {
  const fake = fakeOf()
  const { roll } = harness(fake, {
    requests: (options, host) =>
      options.path === '/slow' ? { status: 504, headers: {}, body: '' } : fake.requests(options, host),
  })
  const report = await roll({ services: [{ name: 'c1', ready: { port: 8081, warmPaths: ['/slow', '/fine'] } }] })
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [/warming \/slow at port 8081 failed: it answered with HTTP status 504/])
  t.equal(report.warnings.length, 1)
})

t.test('a further attempt restarts only the services that are still due', async (t) => {
  let broken = true
  const { host, roll } = harness(fakeOf(), {
    beforeChange: (_, what) => {
      if (broken && /startProcess.*<string>c2</.test(what)) {
        broken = false
        throw new Error('once')
      }
    },
  })
  t.strictSame(failureOf(await roll({ retries: 1 })), undefined)
  t.strictSame(started(host), ['c1', 'c2', 'c2', 'c3'])
})

t.test('refuses invalid properties', async (t) => {
  const bad = (given: object, message: RegExp) =>
    t.throws(() => planOf((r) => void service_restart(r, { provider, ...given } as never)), { message })
  bad({ services: [] }, /services/)
  bad({ services: [{ name: 'a' }, { name: 'a' }] }, /each service once/)
  bad({ services: [{ name: 'a b' }] }, /letters, digits/)
  bad({ services: [{ name: 'a', ready: { port: 0 } }] }, /port/)
  bad({ services: [{ name: 'a', ready: { port: 1, path: 'x y' } }] }, /begins with/)
})

t.test('adopt: counts a running service as up to date until something changes', async (t) => {
  const declare = (environment: Record<string, string>) =>
    planOf((r) => {
      const program = supervisor_program(r, { name: 'c1', command: 'x', environment })
      service_restart(r, { provider, adopt: true, services: [{ name: 'c1', configuration: program.digest }] })
    })
  const host = new VirtualHost({ requests: fakeOf({}, []).requests })
  host.given('/etc/supervisor/conf.d', null)
  const written = planOf((r) => void supervisor_program(r, { name: 'c1', command: 'x' }))
  t.equal((await run(written, host)).outcome, 'changed')
  t.equal((await run(declare({}), host)).outcome, 'changed', 'a service that is down is started')
  const other = new VirtualHost({ requests: fakeOf({}, ['c1']).requests })
  other.given('/etc/supervisor/conf.d/c1.conf', host.readText('/etc/supervisor/conf.d/c1.conf') ?? '', '0600')
  t.equal((await run(declare({}), other)).outcome, 'unchanged')
  t.strictSame(started(other), [])
  t.strictSame(failureOf(await run(declare({ A: 'b' }), other)), undefined)
  t.strictSame(started(other), ['c1'])
  t.equal((await run(declare({ A: 'b' }), other)).outcome, 'unchanged')
})

t.test('keeps the services running if a check fails', async (t) => {
  let status = 1
  const host = new VirtualHost({
    requests: fakeOf().requests,
    commands: () => ({ status, stderr: 'line 3: no such word' }),
  })
  conf()(host)
  const plan = planOf((r) => void service_restart(r, { provider, services: [{ name: 'c1' }], check: ['proxy', '-t'] }))
  t.match(failureOf(await run(plan, host)), {
    code: 'CHECK_FAILED',
    message: /c1 is not restarted: its check ended with exit status 1/,
    output: /line 3: no such word/,
  })
  t.equal(fakeOf().states(host).c1, 'RUNNING')
  t.strictSame(started(host), [])
  status = 0
  t.equal((await run(plan, host)).outcome, 'changed', 'it is still due')
})

t.test('start off: leaves a stopped service alone, and restarts nothing when it starts', async (t) => {
  const fake = fakeOf({}, [], { stopped: ['c1'] })
  const host = new VirtualHost({ requests: fake.requests })
  conf()(host)
  const plan = (content: string) =>
    planOf((r) => {
      const cause = file(r, { path: '/srv/cause', content })
      service_restart(r, { provider, services: [{ name: 'c1' }], start: false, adopt: true, when: [cause] })
    })
  for (const content of ['1', '2']) t.strictSame(failureOf(await run(plan(content), host)), undefined)
  t.strictSame(started(host), [])
  const call = `<methodName>supervisor.startProcess</methodName><param><value><string>c1</string></value></param>`
  fake.requests({ socketPath: '/var/run/supervisor.sock', method: 'POST', path: '/RPC2', body: call }, host)
  host.clock += 60
  host.forgetAnswers()
  t.equal((await run(plan('2'), host)).outcome, 'unchanged')
  t.equal((await run(plan('3'), host)).outcome, 'changed')
  t.strictSame(started(host), ['c1'])
  t.equal((await run(plan('3'), host)).outcome, 'unchanged')
})

t.test('adopt: restarts if a run has changed a cause', async (t) => {
  const host = new VirtualHost({ requests: fakeOf({}, ['c1']).requests })
  conf()(host)
  host.given('/srv/cause', 'drift')
  const plan = planOf((r) => {
    const cause = file(r, { path: '/srv/cause', content: '1' })
    service_restart(r, { provider, services: [{ name: 'c1' }], adopt: true, when: [cause] })
  })
  t.equal((await run(plan, new VirtualHost({ base: host }), 'plan')).resources.length, 2)
  t.strictSame(
    (await run(plan, host)).resources.map(({ name }) => name),
    ['file /srv/cause', 'service_restart c1'],
  )
  t.equal((await run(plan, host)).outcome, 'unchanged')
})
