/** Tests the operator's screen from start to end: in a pipe, on a terminal, as JSON; quiet and verbose. */

import fc from 'fast-check'
import picocolors from 'picocolors'
import t, { type Test } from 'tap'
import type { ScreenOptions } from '../../../../core/fleet/screen/screen.ts'
import { isHealthy, statusTable } from '../../../../core/fleet/screen/status.ts'
import type { FleetEvent, HostReport } from '../../../../core/fleet/types.ts'
import {
  anyEvents,
  change,
  hostReport,
  rolloutReport,
  runReport,
  screenWith,
  TinyTerminal,
} from '../../../support/screen.ts'

const hosts = ['client1', 'client2', 'client3', 'client4', 'db']
const failure = {
  code: 'COMMAND_FAILED',
  message: 'make exited with status 2',
  resource: 'execute make',
  hint: 'look at it',
}
const start = (action: 'deploy' | 'plan' | 'status' = 'deploy'): FleetEvent => ({
  event: 'start',
  id: action === 'deploy' ? '000012' : null,
  stack: 'site',
  action,
  hosts,
  strategy: 'rolling',
})

/** The events of a deploy that fails on two hosts. */
const deploy: readonly FleetEvent[] = [
  start(),
  { event: 'commit', app: 'site', revision: 'main', commit: 'c0ffeec0ffeec0ffee' },
  { event: 'phase', phase: 'build', hosts },
  { event: 'host', host: 'client1', phase: 'build' },
  { event: 'host', host: 'client1', phase: 'build', step: 'git_release /srv/site' },
  { event: 'host', host: 'client2', phase: 'build' },
  { event: 'done', host: 'client1', phase: 'build', outcome: 'changed', durationMs: 4000 },
  { event: 'connection', host: 'client2', state: 'lost', detail: 'no answer for 15 s' },
  { event: 'connection', host: 'client2', state: 'back' },
  { event: 'connection', host: 'db', state: 'lost', detail: 'no answer for 15 s' },
  { event: 'connection', host: 'db', state: 'back' },
  { event: 'warning', host: 'client1', message: 'the disk is nearly full' },
  { event: 'warning', host: 'client2', message: 'the disk is nearly full' },
  { event: 'done', host: 'client2', phase: 'build', outcome: 'unchanged', durationMs: 900 },
  { event: 'done', host: 'client3', phase: 'build', outcome: 'failed', durationMs: 3000, failure },
  { event: 'done', host: 'client4', phase: 'build', outcome: 'failed', durationMs: 3000, failure },
  { event: 'phase', phase: 'switch', hosts: ['client1'], batch: 1, batches: 2 },
  { event: 'health', what: 'http://site/', ok: false, detail: 'status 502' },
  { event: 'warning', message: 'the stack has no balancer' },
  {
    event: 'end',
    report: rolloutReport(
      [
        hostReport('client1', { live: [{ app: 'site', release: 'r2', commit: 'c0ffeec0ffee' }] }),
        hostReport('client2', { outcome: 'untouched', live: [{ app: 'site', release: 'r1', commit: 'badbadbadbad' }] }),
        hostReport('client3', { outcome: 'failed', phase: 'build', failure }),
        hostReport('client4', { outcome: 'failed', phase: 'build', failure }),
        hostReport('db', { outcome: 'skipped', phase: null, reason: 'it is down' }),
      ],
      { stopped: '2 hosts failed, and --max-failures is 0' },
    ),
  },
]

function reported(events: readonly FleetEvent[], options: Partial<ScreenOptions> = {}): string {
  const { shown, text } = screenWith(options)
  for (const event of events) shown.display(event)
  shown.close()
  return text()
}

const theEnd = `! client3, client4 failed in build (2 hosts)
    execute make
    make exited with status 2
    hint: look at it
skipped: db: it is down
stopped: 2 hosts failed, and --max-failures is 0
changed: client1
not begun: client2
site is on c0ffeec0ffee: client1
site is on badbadbadbad: client2
complete log of client3: converge stack log 12 client3
deploy of site (deployment 12) to site c0ffeec0ffee: 2 failed, 1 changed, 1 skipped, 1 not begun in 63 s
`

const warned = theEnd.replace('skipped', 'warning: client1, client2: the disk is nearly full\nskipped')

t.test('in a pipe: prints one line for each event, and reasons and warnings once at the end', (t) => {
  t.equal(
    reported(deploy),
    `deploy of site (deployment 12), rolling
commit site: c0ffeec0ffee (main)
build: client[1-4], db
client1: build: changed (4.0 s)
client2: connection lost; if the host is up, its run continues (no answer for 15 s)
client2: connection restored
db: connection lost; converge connects again (no answer for 15 s)
db: connection restored
client3: build: failed (3.0 s)
client4: build: failed (3.0 s)
switch, batch 1 of 2: client1
health not ok: http://site/ status 502
warning: the stack has no balancer
${warned}`,
  )
  const all = reported(deploy, { verbose: true })
  for (const line of ['client1: build: git_release /srv/site', 'client2: build: unchanged (0.90 s)'])
    t.ok(all.includes(`${line}\n`), line)
  t.end()
})

const waitEvent = (elapsedMs: number, detail?: string): FleetEvent => ({
  event: 'waiting',
  what: 'http://site/',
  elapsedMs,
  deadlineMs: 60_000,
  detail,
})

t.test('during a health check: prints the check, its duration and the last answer', (t) => {
  const answers = [
    waitEvent(0),
    waitEvent(3000, 'status 503'),
    waitEvent(4000, 'status 503'),
    waitEvent(5000, 'status 404'),
  ]
  t.equal(
    reported(answers),
    `health check of http://site/ for 3 s, deadline 60 s; last answer: status 503
health check of http://site/ for 5 s, deadline 60 s; last answer: status 404
`,
    'in a pipe each new answer',
  )
  t.equal(reported(answers, { quiet: true }), '')
  t.equal(
    reported([waitEvent(0), { event: 'health', what: 'http://site/', ok: true, detail: '' }]),
    'health ok: http://site/\n',
  )
  t.match(
    reported([waitEvent(3000, 'status 503')], { json: true }),
    /"event":"waiting".*"elapsedMs":3000.*"status 503"/,
  )
  t.end()
})

t.test('--quiet prints failures, and nothing without failures', (t) => {
  t.equal(
    reported(deploy, { quiet: true }),
    `client3: build: failed (3.0 s)
client4: build: failed (3.0 s)
health not ok: http://site/ status 502
warning: the stack has no balancer
${warned}`,
  )
  t.equal(reported([start(), { event: 'end', report: rolloutReport([hostReport('db')]) }], { quiet: true }), '')
  t.end()
})

t.test('the suggested command has the options of the stack', (t) => {
  const lines = reported(deploy, { stackOptions: ' --environment staging' }).split('\n')
  t.equal(lines.at(-3), 'complete log of client3: converge stack log 12 client3 --environment staging')
  t.end()
})

t.test('reports a skipped host once, and no strategy for actions on all hosts at once', (t) => {
  const reason = 'db (192.0.2.1:22): cannot connect: no answer'
  const events: FleetEvent[] = [
    { ...start(), action: 'configure', hosts: ['db'] } as FleetEvent,
    {
      event: 'end',
      report: rolloutReport([hostReport('db', { outcome: 'skipped', phase: null, reason })], {
        action: 'configure',
        outcome: 'unchanged',
        commits: {},
      }),
    },
  ]
  t.match(
    reported(events),
    /\nconfigure of site \(deployment 12\): 1 skipped in/,
    'that is not the same as nothing to do',
  )
  t.match(reported(events), /^configure of site \(deployment 12\)\n/)
  const done: FleetEvent = { event: 'done', host: 'db', phase: 'connect', outcome: 'skipped', durationMs: 5, reason }
  t.equal(reported([...events.slice(0, 1), done, ...events.slice(1)]), reported(events))
  t.equal(reported(events, { live: true }).match(/no answer/g)?.length, 1)
  t.equal(reported(events).match(/^skipped: db \(192\.0\.2\.1:22\): cannot connect: no answer$/gm)?.length, 1)
  t.end()
})

t.test('names a host once on its line', (t) => {
  const line = (host: string, reason: string) =>
    reported([start(), { event: 'done', host, phase: 'connect', outcome: 'skipped', durationMs: 5, reason }], {
      verbose: true,
    }).split('\n')[1]
  t.equal(line('db', 'db (192.0.2.1:22): cannot connect'), 'db: connect: skipped: cannot connect (0.01 s)')
  t.equal(line('db', 'db: gone'), 'db: connect: skipped: gone (0.01 s)')
  t.equal(line('db', 'db2 is gone'), 'db: connect: skipped: db2 is gone (0.01 s)')
  t.equal(line('db', 'db'), 'db: connect: skipped: db (0.01 s)')
  t.end()
})

t.test('a host that was built and not switched is unchanged', (t) => {
  const of = (name: string, outcome: HostReport['outcome'], phase: HostReport['phase']) =>
    hostReport(name, { outcome, phase, ...(outcome === 'failed' ? { failure } : {}) })
  const report = rolloutReport(
    [of('a', 'failed', 'switch'), of('b', 'changed', 'build'), of('c', 'unchanged', 'build')],
    {
      stopped: 'one host failed, and --max-failures is 0',
    },
  )
  const lines = reported([start(), { event: 'end', report }])
    .trimEnd()
    .split('\n')
  t.ok(lines.includes('built only: b, c'), lines.join('\n'))
  t.match(lines.at(-1), /: 1 failed, 2 built only in /)
  t.notOk(lines.some((line) => line.startsWith('changed:')))
  t.end()
})

t.test('announces restarts, and groups hosts with the same ones', (t) => {
  const client = ['plone_instances-client1, plone_instances-client2']
  const due = [1, 2, 3, 4].map((n) => ({ host: `client${n}`, what: client }))
  const restarts = (hosts: typeof due): FleetEvent => ({ event: 'restarts', phase: 'configure', hosts })
  t.equal(
    reported([restarts([{ host: 'zeo', what: ['zeoserver'] }, ...due])]),
    [
      'restarts in configure, one batch of hosts after the other:',
      '  zeo: zeoserver',
      '  client[1-4]: plone_instances-client1, plone_instances-client2',
      '',
    ].join('\n'),
  )
  t.equal(
    reported([restarts([{ host: 'zeo', what: ['zeo\u001b[2Jserver', 'x'] }])]),
    'restarts in configure:\n  zeo: zeoserver, x\n',
  )
  t.end()
})

t.test('names the recipe of a run', (t) => {
  const report = rolloutReport([hostReport('db')], { action: 'run', recipe: 'restart', commits: {} })
  const text = reported([
    { ...start(), action: 'run', recipe: 'restart', hosts: ['db'] } as FleetEvent,
    { event: 'end', report },
  ])
  t.equal(
    text,
    'run restart of site (deployment 12), rolling\nrun restart of site (deployment 12): 1 changed in 63 s\n',
  )
  t.end()
})

t.test('on a terminal, the summary replaces the table', (t) => {
  const terminal = new TinyTerminal({ columns: 110, rows: 24 })
  reported(deploy, { live: true, color: true, write: terminal.write, size: () => terminal.size })
  t.equal(
    terminal.text.join('\n'),
    `commit site: c0ffeec0ffee (main)
health not ok: http://site/ status 502
warning: the stack has no balancer
${warned}`,
  )
  t.end()
})

t.test('draws the table while hosts work, but not during a question', async (t) => {
  const terminal = new TinyTerminal({ columns: 60, rows: 12 })
  const { shown } = screenWith({ live: true, write: terminal.write, size: () => terminal.size })
  const wait = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  shown.display(start())
  await wait(() => terminal.text.some((line) => /deploy of site/.test(line)))
  shown.pause()
  t.strictSame(terminal.text, [''], 'there is room for a question')
  shown.display({ event: 'warning', message: 'reported meanwhile' })
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.strictSame(terminal.text, [''])
  shown.resume()
  t.strictSame(terminal.text, ['warning: reported meanwhile', ''])
  await wait(() => terminal.text.some((line) => /5 waiting/.test(line)))
  shown.close()
  t.strictSame(terminal.text, ['warning: reported meanwhile', ''])
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.strictSame(terminal.text, ['warning: reported meanwhile', ''], 'nothing is drawn after the end')
})

t.test('--json-output prints each event on a line, the report last', (t) => {
  const lines = reported(deploy, { json: true }).trimEnd().split('\n')
  const events = lines.map((line) => JSON.parse(line) as { readonly time: string })
  t.strictSame(
    events.map(({ time: _, ...event }) => event),
    JSON.parse(JSON.stringify(deploy)),
  )
  for (const { time } of events) t.equal(new Date(time).toISOString(), time)
  t.match(JSON.parse(lines.at(-1) ?? ''), { event: 'end', report: { outcome: 'failed' } })
  t.end()
})

t.test('a plan prints the same change once with its hosts, and lists the unchanged hosts', (t) => {
  const planned = (host: string, more: Parameters<typeof runReport>[0]): FleetEvent => ({
    event: 'done',
    host,
    phase: 'plan',
    outcome: 'planned',
    durationMs: 5,
    report: runReport(more),
  })
  const motd = change('file /etc/motd', {
    diff: ['-a', '+b'],
    patch: [{ op: 'replace', path: '/content', value: 'b' }],
  })
  const events: FleetEvent[] = [
    start('plan'),
    ...['client1', 'client2', 'client3', 'client4'].map((host) => planned(host, [motd])),
    { event: 'done', host: 'db', phase: 'plan', outcome: 'unchanged', durationMs: 5 },
    {
      event: 'end',
      report: rolloutReport(
        hosts.map((host) => hostReport(host, { outcome: host === 'db' ? 'unchanged' : 'planned' })),
        { action: 'plan', id: null, outcome: 'planned', commits: {} },
      ),
    },
  ]
  t.match(
    reported(events, { live: true }),
    `client[1-4] (4 hosts)
  ~ file /etc/motd
      -a
      +b
unchanged: db
plan of site: 4 would change, 1 unchanged in 63 s
`,
  )
  t.end()
})

t.test('changes and warnings list hosts in the order of the stack file, whichever ends first', (t) => {
  const edit = (path: string) =>
    change(`file ${path}`, { patch: [{ op: 'replace', path: '/mode', value: '0600', before: '0644' }] })
  const planned = (host: string): FleetEvent[] => [
    { event: 'warning', host, message: 'the clock is slow' },
    {
      event: 'done',
      host,
      phase: 'plan',
      outcome: 'planned',
      durationMs: 5,
      report: runReport([edit(host === 'db' ? '/etc/db' : '/etc/motd')]),
    },
  ]
  const report = rolloutReport(
    ['db', 'web2', 'web1'].map((host) => hostReport(host, { outcome: 'planned' })),
    { action: 'plan', id: null, outcome: 'planned', commits: {} },
  )
  const events: FleetEvent[] = [start('plan'), ...['web1', 'db', 'web2'].flatMap(planned), { event: 'end', report }]
  const text = reported(events, { live: true })
  t.match(text, /^db\n.*\nweb2, web1 \(2 hosts\)\n/)
  t.match(text, /^warning: db, web2, web1: the clock is slow$/m)
  t.end()
})

t.test('status prints a table, whatever hosts report', (t) => {
  const sampleStatus = {
    roles: ['zeo-client'],
    apps: [
      {
        name: 'site',
        directory: '/srv/site',
        current: { id: '000042-1a2b3c4d', commit: '1a2b3c4d5e6f7788', revision: 'main', created: '', by: '' },
        services: [
          { name: 'zope1', state: 'RUNNING', up: true, detail: '' },
          { name: 'zope2', state: 'FATAL', up: false, detail: '' },
        ],
      },
    ],
    lastRun: { id: '1', started: 'then', outcome: 'failed', roles: [], events: ['deploy'], changed: 1 },
    lock: { by: 'joe@desk', since: 'today', message: 'wait\x1b[2J' },
    rollout: 'ann@desk since today (deployment 12)\x1b[2J',
  }
  const other = structuredClone(sampleStatus)
  Object.assign(other, { lock: null, lastRun: null, rollout: undefined })
  other.apps[0]!.current.commit = '999999999999'
  other.apps[0]!.services.pop()
  const done = (host: string, status: unknown, behind?: string): FleetEvent => ({
    event: 'done',
    host,
    phase: 'status',
    outcome: 'unchanged',
    durationMs: 5,
    status,
    behind,
  })
  const down = { code: 'CONNECT_FAILED', message: 'db: connection refused', hint: 'is it up?' }
  const refused = { code: 'SUDO_REFUSED', message: 'sudo was refused: no tty', hint: 'set "sudo"' }
  const text = reported([
    start('status'),
    done('client1', sampleStatus),
    done('client2', other, '000011'),
    done('client3', { roles: 'all of them' }),
    done('client4', '\x1b]0;mine\x07'),
    { event: 'done', host: 'db', phase: 'connect', outcome: 'failed', durationMs: 5, failure: down },
    { event: 'done', host: 'web1', phase: 'status', outcome: 'failed', durationMs: 5, failure: refused },
    {
      event: 'end',
      report: rolloutReport(
        [
          ...['client1', 'client2', 'client3', 'client4'].map((host) => hostReport(host, { outcome: 'unchanged' })),
          hostReport('db', { outcome: 'failed', phase: 'connect', failure: down }),
          hostReport('web1', { outcome: 'failed', phase: 'status', failedIn: 'status', failure: refused }),
        ],
        { action: 'status', id: null, commits: {} },
      ),
    },
  ])
  t.match(text, /^! db failed in connect\n/, 'the failure of the unreachable host comes first')
  t.equal(
    text.slice(text.indexOf('HOST')),
    `HOST     ROLES       APP   RELEASE  COMMIT        SERVICES      LAST RUN
client1  zeo-client  site  42       1a2b3c4d5e6f  1 up, 1 down  deploy failed
client2  zeo-client  site  42       999999999999  1 up          none
client3                                           not readable
client4                                           not readable
db                                                not reached
web1                                              unknown
client1: down: zope2
client1: locked by a rollout: ann@desk since today (deployment 12)
client1: locked by joe@desk since today: wait
client2: behind: missed deployment 11
client3, client4: its status cannot be parsed
site is on 1a2b3c4d5e6f: client1
site is on 999999999999: client2
6 hosts: 5 reached, 1 not, 1 with an unknown state, 1 with services down, 1 with a failed last run, 1 behind
`,
  )
  t.match(text, /! db failed in connect\n {4}db: connection refused\n {4}hint: is it up\?/)
  t.end()
})

t.test('status --quiet prints nothing while all is up', (t) => {
  const service = { name: 'zope1', state: 'RUNNING', up: true, detail: '' }
  const statusOf = (up: boolean, lock: object | null = null) => ({
    roles: ['zeo-client'],
    apps: [{ name: 'site', directory: '/srv', current: null, services: [{ ...service, up }] }],
    lastRun: null,
    lock,
  })
  const shown = (status: unknown, behind?: string) =>
    reported(
      [
        start('status'),
        { event: 'done', host: 'db', phase: 'status', outcome: 'unchanged', durationMs: 5, status, behind },
        {
          event: 'end',
          report: rolloutReport([hostReport('db', { outcome: 'unchanged' })], {
            action: 'status',
            id: null,
            commits: {},
            outcome: 'unchanged',
          }),
        },
      ],
      { quiet: true },
    )
  t.equal(shown(statusOf(true)), '')
  t.match(shown(statusOf(false)), /^HOST .*\ndb {4}.*\ndb: down: zope1\n/)
  const unready = { ...service, up: false, readiness: 'not ready', detail: 'runs, but has no server' }
  t.match(
    shown({ ...statusOf(true), apps: [{ ...statusOf(true).apps[0], services: [unready] }] }),
    /^db: not up: zope1 \(not ready: runs, but has no server\)$/m,
  )
  t.match(shown(statusOf(true), '000011'), /behind: missed deployment 11/)
  t.match(shown(statusOf(true, { by: 'joe', since: 'today', message: '' })), /locked by joe/)
  const disk = (state: string) => ({ ...statusOf(true), disk: { state, detail: '/srv has 12 MiB free' } })
  t.match(
    shown(disk('full')),
    /^db: the disk is full or read-only: \/srv has 12 MiB free\n1 host: 1 reached, 1 with a full or read-only disk\n/m,
  )
  t.match(shown(disk('low')), /^db: the disk is nearly full: \/srv has 12 MiB free\n1 host: 1 reached\n/m)
  const restarts = { services: ['nginx', 'redis-server'], reboot: 'since an upgrade', problem: null }
  t.match(
    shown({ ...statusOf(true), restarts }),
    /^db: outdated: services with old libraries: nginx, redis-server\ndb: reboot: due since an upgrade\n1 host: 1 reached\n/m,
  )
  t.equal(isHealthy({ ...statusOf(true), restarts }), true)
  const after = (outcome: string) => ({
    ...statusOf(true),
    lastRun: { started: '2026-01-01', outcome, events: ['build'] },
  })
  t.match(shown(after('failed')), /build failed .*\n1 host: 1 reached, 1 with a failed last run\n/)
  t.equal(shown(after('interrupted')), '')
  t.strictSame([disk('full'), disk('low'), after('died'), after('changed')].map(isHealthy), [false, true, false, true])
  const job = { name: 'backup', ok: false, detail: 'failed, 2026-11-29T21:00:04+00:00: disk full' }
  const unsaved = { ...statusOf(true), apps: [{ ...statusOf(true).apps[0], jobs: [job] }] }
  t.match(shown(unsaved), /^db: backup of site failed, .*: disk full\n1 host: 1 reached, 1 with failed jobs\n/m)
  t.equal(isHealthy(unsaved), false)
  const closed = {
    ...statusOf(true),
    apps: [{ ...statusOf(true).apps[0], closed: { by: 'joe@desk', at: '2026-11-28T21:00:00Z' } }],
  }
  t.match(
    shown(closed),
    /^db .* site .* closed .*\ndb: site is closed for maintenance by joe@desk, 2026-11-28T21:00:00Z: visitors get HTTP 503\n/m,
  )
  t.match(shown(closed), /1 with closed sites/)
  t.notMatch(shown(closed), /down/)
  t.equal(isHealthy(closed), false)
  const pinned = { ...statusOf(true), apps: [{ ...statusOf(true).apps[0], pinnedFrom: '000012-c0ffeec0' }] }
  t.match(
    shown(pinned),
    /^db: site is pinned: rolled back from 000012-c0ffeec0, until the next deploy\n1 host: 1 reached$/m,
  )
  t.equal(isHealthy(pinned), true)
  const app = { ...statusOf(true).apps[0], stopped: { by: 'joe@desk', at: '2026-11-28T21:00:00Z' } }
  const stopped = { ...statusOf(true), apps: [app] }
  t.match(
    shown(stopped),
    /^db .* site .* stopped .*\ndb: site was stopped on purpose by joe@desk, 2026-11-28T21:00:00Z\n/m,
  )
  t.notMatch(shown(stopped), /down/)
  t.match(shown(stopped), /1 with stopped apps/)
  t.equal(isHealthy(stopped), false)
  t.strictSame([statusOf(true), statusOf(false), 'what?', undefined].map(isHealthy), [true, false, false, false])
  t.end()
})

t.test('a value of another type does not break the display', (t) => {
  const odd = (value: unknown) => value as never
  const failure = odd({ code: 7, message: { a: 1 } })
  const text = reported([
    start(),
    { event: 'host', host: 'client1', phase: 'build', step: odd(7) },
    { event: 'warning', host: 'client1', message: odd(['x']) },
    {
      event: 'done',
      host: 'client1',
      phase: 'build',
      outcome: 'failed',
      durationMs: 5,
      failure,
      report: odd({ resources: 7 }),
    },
    { event: 'end', report: rolloutReport([hostReport('client1', { outcome: 'failed', failure })]) },
  ])
  t.match(text, /client1: build: failed \(/)
  t.match(text, /! client1 failed in switch\n {4}the host reported its failure in a form that cannot be read/)
  t.end()
})

/** Checks that the output contains only the control sequences of the table, whatever text hosts send. */
function neverSteered(t: Test, name: string, options: Partial<ScreenOptions>): void {
  const names = ['client1', 'evil\x1b[2J\r\n', 'db']
  const report = rolloutReport(
    names.map((host) =>
      hostReport(host, { outcome: 'failed', failure: { code: 'X', message: '\x1b]0;a\x07\r\nb\x9b' } }),
    ),
    { stopped: 'a\x1b[A', commits: { 'x\x07': 'c\x08' } },
  )
  t.test(name, (t) => {
    fc.assert(
      fc.property(anyEvents(names), (events) => {
        const terminal = new TinyTerminal({ columns: 80, rows: 24 })
        const { shown } = screenWith({ ...options, write: terminal.write })
        for (const event of [
          { ...start(), hosts: names },
          ...events,
          { event: 'end' as const, report },
        ] as FleetEvent[])
          shown.display(event)
        shown.close()
      }),
      { numRuns: 200 },
    )
    t.end()
  })
}

neverSteered(t, 'no host steers the terminal', { live: true, color: true })
neverSteered(t, 'no host steers it through a pipe', { verbose: true })

t.test('the status of an unreachable host has its last known state', async (t) => {
  const current = [{ app: 'shop', release: '000012-c0ffeec0', commit: 'c0ffeec0ffee1234' }]
  const lastKnown = {
    deployment: '000014',
    outcome: 'changed' as const,
    started: '2026-01-01T10:00:00Z',
    live: current,
  }
  const failure = { code: 'CONNECT_FAILED', message: 'refused' }
  const lines = statusTable(
    [{ host: 'db', status: null, failure, lastKnown }],
    Number.POSITIVE_INFINITY,
    new Date('2026-01-01T13:00:00Z'),
    picocolors.createColors(false),
  )
  t.match(lines.join('\n'), /^db: last known: shop release 12 c0ffeec0ffee, deployment 14 changed 3 h ago$/m)
})
