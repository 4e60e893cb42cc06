/** Tests service_reload: when a service reloads, by signal, command or manager, and what prevents it. */
import t from 'tap'
import type { CommandHandler } from '../../../core/host/virtual.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { service_reload } from '../../../resources/services/service_reload.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { type Behaviour, FakeSupervisor } from '../../support/fake_supervisor.ts'

const provider = { kind: 'supervisor' as const }
const supervisorWith = (behaviour: Behaviour = {}, state: 'running' | 'stopped' | 'failing' = 'running') => ({
  requests: new FakeSupervisor({ [state]: ['web'], programs: { web: behaviour } }).requests,
})
const check = ['proxy', '-c']
/** A checking program that finds no error unless a file /srv/broken exists. */
const proxy: CommandHandler = ([program, word], _, host) => {
  if (program !== 'proxy') return null
  if (word === 'load') return { stdout: 'loaded' }
  return host.lstat('/srv/broken') === null ? {} : { status: 2, stdout: 'line 3:', stderr: 'no such word\n' }
}

/** Shortens a call to supervisor to `method name ...`; leaves anything else unchanged. */
const shortChange = (change: string) => {
  const method = /<methodName>supervisor\.(\w+)/.exec(change)?.[1]
  if (method === undefined) return change.replace(/^record .*/, 'record')
  return [method, ...[...change.matchAll(/<string>(\w+)</g)].map(([, word]) => word)].join(' ')
}
const changesOf = (host: VirtualHost) => host.changes.map(shortChange)

contract(t, service_reload, [
  {
    name: 'signals a running service',
    props: { name: 'web', provider },
    host: supervisorWith(),
    changes: ['replace /reloadedFor = "'],
    then: (t, host) => {
      t.ok(changesOf(host).includes('signalProcess web HUP'))
      t.notMatch(changesOf(host).join('\n'), /stopProcess|startProcess/)
    },
  },
  {
    name: 'sends another signal, and checks the service afterwards',
    props: { name: 'web', provider, signal: 'USR2', ready: { port: 8081 } },
    host: supervisorWith({ port: 8081 }),
    then: (t, host) => t.ok(changesOf(host).includes('signalProcess web USR2')),
  },
  {
    name: 'reloads with a command',
    props: { name: 'web', provider, command: ['proxy', 'load'] },
    host: { ...supervisorWith(), commands: proxy },
    then: (t, host) => {
      t.ok(changesOf(host).includes('run proxy load'))
      t.notMatch(changesOf(host).join('\n'), /signalProcess/)
    },
  },
  {
    name: 'starts a service that is stopped',
    props: { name: 'web', provider, check },
    host: { ...supervisorWith({}, 'stopped'), commands: proxy },
    changes: ['replace /reloadedFor', 'replace /state = "running"'],
    then: (t, host) => t.ok(changesOf(host).includes('startProcess web')),
  },
  {
    name: 'starts a service that keeps ending',
    props: { name: 'web', provider },
    host: supervisorWith({}, 'failing'),
    changes: ['replace /reloadedFor', 'replace /state = "running"'],
  },
  {
    name: 'fails if the check of the configuration fails',
    props: { name: 'web', provider, check },
    given: (host) => void host.given('/srv/broken', ''),
    host: { ...supervisorWith(), commands: proxy },
    fails: /web is not reloaded: its check ended with exit status 2 correct its configuration.*line 3:\nno such word/s,
  },
  {
    name: 'fails if the reload ends the service',
    props: { name: 'web', provider },
    host: supervisorWith({ diesOf: 'HUP' }),
    fails: /web was not reloaded: it ended right after its reload .*log of web/s,
  },
  {
    name: 'fails if the service is not ready afterwards',
    props: { name: 'web', provider, ready: { port: 8081 }, deadline: seconds(5) },
    host: supervisorWith({ port: 8081, status: 502 }),
    fails: /web was not reloaded: it was not ready within 5 s \(http:\/\/\S+\/\S* answered with HTTP status 502\)/,
  },
  {
    name: 'fails for an unknown service',
    props: { name: 'other', provider },
    host: supervisorWith(),
    fails: /other did not come up: .*it has no such program/,
  },
])

t.test('waits for a running service that is not ready, and does not reload it', async (t) => {
  const options = { ready: { port: 8081 }, deadline: seconds(5) }
  const behaviour = { port: 8081, status: 200 }
  const host = new VirtualHost(supervisorWith(behaviour))
  t.strictSame(failureOf(await run(causedBy('1', options), host)), undefined)
  t.equal((await run(causedBy('1', options), host)).outcome, 'unchanged')
  behaviour.status = 502
  const planned = await run(causedBy('1', options), new VirtualHost({ base: host }), 'plan')
  t.strictSame(patchOf(planned), ['replace /state = "running"'])
  t.match(planned.resources, [{ words: 'wait for web' }])
  const failure = failureOf(await run(causedBy('1', options), host))
  t.match(failure, { code: 'SERVICE_DOWN', message: /web is not ready: .*within 5 s .*HTTP status 502/ })
  t.equal(signals(host), 1)
  behaviour.status = 200
  t.equal((await run(causedBy('1', options), host)).outcome, 'unchanged')
})

const causedBy = (content: string, more: object = {}) =>
  planOf((r) => {
    const config = file(r, { path: '/srv/config', content })
    service_reload(r, { name: 'web', provider, when: [config], ...more })
  })
const signals = (host: VirtualHost) => changesOf(host).filter((what) => what.startsWith('signalProcess')).length

t.test('reloads once for each change; a reload that a failure prevented stays due', async (t) => {
  const host = new VirtualHost({ ...supervisorWith(), commands: proxy })
  t.strictSame(failureOf(await run(causedBy('1', { check }), host)), undefined)
  t.equal((await run(causedBy('1', { check }), host)).outcome, 'unchanged')
  t.equal(signals(host), 1)
  host.given('/srv/broken', '')
  t.match(failureOf(await run(causedBy('2', { check }), host)), { code: 'CHECK_FAILED' })
  t.equal(signals(host), 1, 'refused: it keeps its configuration')
  host.remove('/srv/broken')
  t.strictSame(patchOf(await run(causedBy('2', { check }), host)).length, 1, 'the file exists, the reload is due')
  t.equal(signals(host), 2)
  t.equal((await run(causedBy('2', { check }), host)).outcome, 'unchanged')
})

t.test('does not reload a service that it has started', async (t) => {
  const host = new VirtualHost(supervisorWith({}, 'stopped'))
  t.strictSame(failureOf(await run(causedBy('1'), host)), undefined)
  t.equal(signals(host), 0)
  t.equal((await run(causedBy('1'), host)).outcome, 'unchanged')
})

t.test('a dry run predicts the state, and changes nothing', async (t) => {
  const host = new VirtualHost(supervisorWith())
  const report = await run(causedBy('1'), new VirtualHost({ base: host }), 'plan')
  t.strictSame(
    report.resources.map(({ outcome, words }) => [outcome, words]),
    [
      ['planned', undefined],
      ['planned', 'reload web'],
    ],
  )
  t.strictSame(host.changes, [])
})

t.test('hides the output of a check if the content is sensitive', async (t) => {
  const host = new VirtualHost({ ...supervisorWith(), commands: proxy })
  host.given('/srv/broken', '')
  const failure = failureOf(await run(causedBy('1', { check, sensitive: true }), host))
  t.match(failure, { code: 'CHECK_FAILED', output: undefined })
})

t.test('uses systemd, or an init script without systemd', async (t) => {
  for (const [tool, given, expected] of [
    ['systemctl', { '/run/systemd/system': null }, ['systemctl daemon-reload', 'systemctl reload web.service']],
    ['service', { '/etc/init.d/web': '' }, ['service web reload']],
  ] as const) {
    const ran: string[] = []
    const host = new VirtualHost({
      commands: ([program, ...args]) => {
        if (program !== tool) return null
        ran.push([program, ...args].join(' '))
        const unit = 'Names=web.service\nLoadState=loaded\nActiveState=active\nSubState=running\nMainPID=7\n'
        return { stdout: unit }
      },
    })
    for (const [path, content] of Object.entries(given)) host.given(path, content)
    const plan = planOf((r) => void service_reload(r, { name: 'web' }))
    t.strictSame(failureOf(await run(plan, host)), undefined)
    t.strictSame(
      ran.filter((command) => !/ show | status$/.test(command)),
      expected,
    )
    t.equal((await run(plan, host)).outcome, 'unchanged')
  }
})

t.test('stores the run-time state before the reload for the next process', async (t) => {
  const keep = { socket: '/run/web.sock', ask: 'show servers state', file: '/srv/state', blank: '1\n' }
  const contents: (string | null)[] = []
  const fake = new FakeSupervisor({ running: ['web'] })
  const host = new VirtualHost({
    exchanges: ({ socketPath, text }) => `${socketPath} ${text}`,
    requests: (options, on) => {
      if (options.body?.includes('signalProcess')) contents.push(on.readText('/srv/state'))
      return fake.requests(options, on)
    },
  })
  t.strictSame(failureOf(await run(causedBy('1', { keep }), host)), undefined)
  t.strictSame(contents, ['/run/web.sock show servers state\n'])
  t.equal(host.readText('/srv/state'), '1\n', 'some day it would not be true any more')
})

t.test('warns about a failed query of the state, and continues the reload', async (t) => {
  const keep = { socket: '/run/web.sock', ask: 'show servers state', file: '/srv/state' }
  const host = new VirtualHost(supervisorWith()).given('/run/web.sock', '')
  const report = await run(causedBy('1', { keep }), host)
  t.strictSame(failureOf(report), undefined)
  t.match(report.warnings, [/web is reloaded without what was set at run time/])
  t.equal(signals(host), 1)
  const first = await run(causedBy('1', { keep }), new VirtualHost(supervisorWith()))
  t.strictSame(first.warnings, [], 'before the first reload, nothing was set at run time')
  const removed = await run(causedBy('1', { keep }), new VirtualHost(supervisorWith()).given('/srv/state', '1\n'))
  t.match(removed.warnings, [/web is reloaded without what was set at run time/], 'someone has removed the socket')
})

t.test('several resources reload one service in a run, each for its own cause', async (t) => {
  const host = new VirtualHost(supervisorWith())
  const plan = (a: string, b: string) =>
    planOf((r) => {
      for (const [name, content] of [
        ['a', a],
        ['b', b],
      ] as const) {
        const config = file(r, { path: `/srv/${name}`, content })
        service_reload(r, { name: 'web', provider, purpose: name, when: [config] })
      }
    })
  t.strictSame(failureOf(await run(plan('1', '1'), host)), undefined)
  t.equal(signals(host), 2)
  await run(plan('1', '2'), host)
  t.equal(signals(host), 3)
  t.equal((await run(plan('1', '2'), host)).outcome, 'unchanged')
})

t.test('reloads for each change of its causes between runs', async (t) => {
  const host = new VirtualHost(supervisorWith())
  const plan = (names: readonly string[]) =>
    planOf((r) => {
      const when = names.map((name) => file(r, { path: `/srv/${name}`, content: name }))
      service_reload(r, { name: 'web', provider, purpose: 'the site', when })
    })
  for (const names of [['a'], ['a', 'b'], ['a']]) {
    const before = signals(host)
    t.strictSame(failureOf(await run(plan(names), host)), undefined)
    t.equal(signals(host), before + 1, names.join(' '))
    t.equal((await run(plan(names), host)).outcome, 'unchanged')
  }
})

t.test('force reloads once for each command, and completes due reloads', async (t) => {
  const host = new VirtualHost(supervisorWith())
  await run(causedBy('1'), host)
  await run(causedBy('2', { force: 'run 7' }), host)
  t.equal(signals(host), 2)
  t.equal((await run(causedBy('2', { force: 'run 7' }), host)).outcome, 'unchanged')
  t.equal((await run(causedBy('2'), host)).outcome, 'unchanged')
  await run(causedBy('2', { force: 'run 8' }), host)
  t.equal(signals(host), 3)
})

t.test('refuses a signal with SIG', (t) => {
  const wrong = () => planOf((r) => void service_reload(r, { name: 'web', signal: 'SIG HUP' }))
  t.throws(wrong, { message: /a signal without SIG/ })
  t.end()
})

/** Writes the files of proc(5) for the main process 100 of `web` and its workers. */
function runs(host: VirtualHost, { auxv = 'a', workers = [101, 102], leaving = [] as number[] } = {}): void {
  const stat = (pid: number) => `${pid} (a b) c) S 1 ${'0 '.repeat(17)}${pid}0 0\n`
  host.given('/proc/100/stat', stat(100)).given('/proc/100/auxv', auxv)
  host.given('/proc/100/task/100/children', `${workers.join(' ')} `)
  for (const pid of workers)
    host
      .given(`/proc/${pid}/stat`, stat(pid))
      .given(`/proc/${pid}/cmdline`, leaving.includes(pid) ? 'worker process is shutting down' : 'worker process')
}

t.test('reloads for a file restored by hand only if the service loaded something in between', async (t) => {
  const cases: [name: string, now: Parameters<typeof runs>[1], signals: number][] = [
    ['nothing was loaded', {}, 0],
    ['one worker ended, and another started', { workers: [102, 103] }, 0],
    ['all workers are new', { workers: [103, 104] }, 1],
    ['the old workers leave', { workers: [101, 102, 103], leaving: [101, 102] }, 1],
    ['the main process has executed its program again', { auxv: 'b' }, 1],
  ]
  for (const [name, now, expected] of cases) {
    const host = new VirtualHost(supervisorWith())
    runs(host)
    t.strictSame(failureOf(await run(causedBy('1'), host)), undefined)
    const before = signals(host)
    t.equal((await run(causedBy('1'), host)).outcome, 'unchanged')
    // The content is the same as before.
    host.writeFile('/srv/config', '1')
    runs(host, now)
    const planned = await run(causedBy('1'), new VirtualHost({ base: host }), 'plan')
    t.equal(planned.outcome, expected === 0 ? 'unchanged' : 'planned', name)
    t.equal((await run(causedBy('1'), host)).outcome, expected === 0 ? 'unchanged' : 'changed', name)
    t.equal(signals(host) - before, expected, name)
    t.equal((await run(causedBy('1'), host)).outcome, 'unchanged', name)
    // Cached answers are not read again.
    runs(host, { auxv: 'c' })
    t.equal((await run(causedBy('1'), host)).outcome, 'unchanged', name)
  }
})

t.test('does not reload again after a reload by hand', async (t) => {
  const host = new VirtualHost(supervisorWith())
  runs(host)
  await run(causedBy('1'), host)
  runs(host, { workers: [105], auxv: 'z' })
  t.equal((await run(causedBy('1'), host)).outcome, 'unchanged')
})

t.test('does not reload again when a reload takes effect after the run, also if a file is touched', async (t) => {
  const host = new VirtualHost(supervisorWith())
  runs(host)
  await run(causedBy('1'), host)
  const before = signals(host)
  // The main process executes its program, and replaces its workers.
  runs(host, { workers: [105], auxv: 'z' })
  t.equal((await run(causedBy('1'), host)).outcome, 'unchanged')
  host.writeFile('/srv/config', '1')
  t.equal((await run(causedBy('1'), host)).outcome, 'unchanged', 'nothing else was loaded')
  host.writeFile('/srv/config', '1')
  runs(host, { workers: [106], auxv: 'y' })
  t.equal((await run(causedBy('1'), host)).outcome, 'changed', 'the file was changed and loaded')
  t.equal(signals(host) - before, 1)
})

t.test('does not reload after a reload by an earlier version', async (t) => {
  const host = new VirtualHost(supervisorWith())
  await run(causedBy('1'), host)
  const earlier = new VirtualHost({ base: host, ...supervisorWith() })
  for (const what of host.changes.filter((one) => one.endsWith(': loaded'))) earlier.record(what.slice(7), 'null')
  earlier.writeFile('/srv/config', '1')
  t.equal((await run(causedBy('1'), earlier)).outcome, 'unchanged')
})

t.test('adopt: counts a running service as up to date until something changes', async (t) => {
  const host = new VirtualHost(supervisorWith())
  host.given('/srv/config', '1')
  t.equal((await run(causedBy('1', { adopt: true }), host)).outcome, 'unchanged')
  t.equal(signals(host), 0)
  await run(causedBy('2', { adopt: true }), host)
  t.equal(signals(host), 1)
  t.equal((await run(causedBy('2', { adopt: true }), host)).outcome, 'unchanged')
  const down = new VirtualHost(supervisorWith({}, 'stopped'))
  down.given('/srv/config', '1')
  t.equal((await run(causedBy('1', { adopt: true }), down)).outcome, 'changed', 'starts a service that is down')
})

t.test('reloads once for each replacement of a certificate that others manage', async (t) => {
  const [link, first, second] = ['/srv/live.pem', '/srv/archive/1.pem', '/srv/archive/2.pem']
  const host = new VirtualHost(supervisorWith())
  host.given(first, '1').given(second, '2')
  const loads = { loads: [link] }
  t.strictSame(failureOf(await run(causedBy('1', loads), host)), undefined)
  const unchanged = async (what: string) => {
    t.equal((await run(causedBy('1', loads), host)).outcome, 'unchanged', what)
  }
  await unchanged('there is none yet')
  host.replaceLink(link, 'archive/1.pem')
  await unchanged('the first one: whichever resource reads it first reloads')
  for (const replace of [
    () => host.replaceLink(link, 'archive/2.pem'),
    () => host.writeFile(second, '3'),
    () => host.replaceLink(link, first),
  ]) {
    const before = signals(host)
    replace()
    t.equal((await run(causedBy('1', loads), new VirtualHost({ base: host }), 'plan')).outcome, 'planned')
    t.equal((await run(causedBy('1', loads), host)).outcome, 'changed')
    t.equal(signals(host), before + 1)
    await unchanged('reloaded')
  }
  host.remove(link)
  await unchanged('gone')
})
