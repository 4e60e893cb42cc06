/** Tests supervisor_program: the file of a program, its text, and its removal. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { minutes, seconds } from '../../../core/model/units.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'

const path = '/etc/supervisor/conf.d/site-client1.conf'
const minimal = `; Written by converge; what is changed here by hand is lost.
[program:site-client1]
command=bin/run
autostart=true
autorestart=true
startsecs=1
startretries=3
stopsignal=TERM
stopwaitsecs=10
stopasgroup=false
stdout_logfile_maxbytes=10485760
stdout_logfile_backups=5
redirect_stderr=true
`
const withDirectory = (host: VirtualHost) => void host.given('/etc/supervisor/conf.d', null)
const props = { name: 'site-client1', command: 'bin/run' }
const runningHost = () =>
  new FakeSupervisor({ running: ['site-client1', 'other'], programs: { 'site-client1': { stopAfter: 30 } } })

contract(t, supervisor_program, [
  {
    name: 'creates the file, readable only by its owner',
    props,
    given: withDirectory,
    changes: ['replace /mode = "0600"', 'replace /content', 'replace /kind = "file"'],
    then: (t, host) => t.equal(host.readText(path), minimal),
  },
  {
    name: 'writes all properties',
    props: {
      name: 'site-client1',
      command: '/srv/www/site/current/bin/client1 console',
      directory: '/srv/www/site/current',
      user: 'deploy',
      environment: { TZ: 'UTC', HOME: '/home/deploy', EMPTY: '' },
      autostart: false,
      autorestart: 'unexpected' as const,
      startSeconds: 5,
      startRetries: 0,
      stopSignal: 'INT' as const,
      stopWait: minutes(1),
      stopAsGroup: true,
      logDir: '/var/log/site',
      logMaxBytes: 1000,
      logBackups: 2,
    },
    given: withDirectory,
    then: (t, host) =>
      t.equal(
        host.readText(path),
        `; Written by converge; what is changed here by hand is lost.
[program:site-client1]
command=/srv/www/site/current/bin/client1 console
directory=/srv/www/site/current
user=deploy
environment=EMPTY="",HOME="/home/deploy",TZ="UTC"
autostart=false
autorestart=unexpected
startsecs=5
startretries=0
stopsignal=INT
stopwaitsecs=60
stopasgroup=true
stdout_logfile=/var/log/site/site-client1.log
stdout_logfile_maxbytes=1000
stdout_logfile_backups=2
redirect_stderr=true
`,
      ),
  },
  {
    name: "an event listener uses stdout only for supervisor's protocol",
    props: { ...props, type: 'eventlistener' as const, events: ['TICK_60', 'PROCESS_STATE'], logDir: '/var/log' },
    given: withDirectory,
    then: (t, host) => {
      const text = host.readText(path) ?? ''
      t.match(text, '[eventlistener:site-client1]\ncommand=bin/run\nevents=TICK_60,PROCESS_STATE\n')
      t.match(
        text,
        'stderr_logfile=/var/log/site-client1.log\nstderr_logfile_maxbytes=10485760\nstderr_logfile_backups=5\nstdout_logfile=NONE\n',
      )
      t.notMatch(text, 'redirect_stderr')
    },
  },
  {
    name: 'quotes values so that supervisor reads them unchanged',
    props: {
      ...props,
      command: 'run %d ;x "# y" #z a;b',
      directory: '/srv/100% ;sure',
      environment: { A: 'say "hi" now', B: "it's 5%", C: 'a ;b #c d;e', D: ';x', E: '{"a": 1}', F: '%(here)s' },
    },
    given: withDirectory,
    then: (t, host) => {
      t.match(host.readText(path), 'command=run %%d %(here).0s;x "# y" %(here).0s#z a;b\n')
      t.match(host.readText(path), 'directory=/srv/100%% %(here).0s;sure\n')
      t.match(
        host.readText(path),
        `environment=A='say "hi" now',B="it's 5%%",C="a %(here).0s;b %(here).0s#c d;e",D=";x",E='{"a": 1}',F="%%%(here).0s(here)s"\n`,
      )
    },
  },
  { name: 'leaves a correct file unchanged', props, given: (host) => host.given(path, minimal, '0600'), changes: [] },
  {
    name: 'narrows a wider mode',
    props,
    given: (host) => host.given(path, minimal),
    changes: ['replace /mode = "0600"'],
  },
  {
    name: 'writes the app that the program belongs to',
    props: { ...props, app: 'site' },
    given: (host) => host.given(path, minimal),
    changes: ['replace /mode = "0600"', 'replace /content'],
    then: (t, host) =>
      t.match(host.readText(path), /^; Written by converge for site; what .*\n\[program:site-client1\]\n/),
  },
  {
    name: 'fails to replace a file that converge did not write',
    props,
    given: (host) => host.given(path, '[program:site-client1]\ncommand=/bin/own\n'),
    fails: /converge did not write it.*another name.*mv /s,
  },
  {
    name: 'fails to remove a file that converge did not write',
    props: { name: 'site-client1', absent: true },
    given: (host) => host.given(path, '[program:site-client1]\ncommand=/bin/own\n'),
    fails: /converge did not write it/,
  },
  { name: 'fails if its directory does not exist', props, fails: /no such file or directory/ },
  {
    name: 'absent: stops the program, removes its group, and removes the file last',
    props: { name: 'site-client1', absent: true },
    host: { requests: runningHost().requests },
    given: (host) => host.given(path, minimal, '0600'),
    changes: ['replace /mode = null', 'replace /content = null', 'replace /kind = "absent"'],
    then: (t, host) => {
      t.equal(host.lstat(path), null)
      t.equal(host.changes.at(-1)?.startsWith(`remove ${path}`), true)
    },
  },
  {
    name: 'absent: succeeds while supervisord is down',
    props: { name: 'site-client1', absent: true },
    host: { requests: new FakeSupervisor({ up: false }).requests },
    given: (host) => host.given(path, minimal, '0600'),
    then: (t, host) => t.equal(host.lstat(path), null),
  },
  {
    name: 'absent: succeeds if supervisord does not know the program',
    props: { name: 'site-client1', absent: true },
    host: { requests: new FakeSupervisor({}).requests },
    given: (host) => host.given(path, minimal, '0600'),
    then: (t, host) => t.equal(host.lstat(path), null),
  },
  {
    name: 'absent: does not query supervisord if the file does not exist',
    props: { name: 'site-client1', absent: true },
    given: withDirectory,
    changes: [],
  },
])

t.test('absent: leaves other programs unchanged', async (t) => {
  const fake = runningHost()
  const host = new VirtualHost({ requests: fake.requests }).given(path, minimal, '0600')
  await run(
    planOf((r) => void supervisor_program(r, { name: 'site-client1', absent: true })),
    host,
  )
  t.strictSame(fake.states(host), { other: 'RUNNING' })
})

t.test('reports a fault of supervisord, and keeps the file', async (t) => {
  const host = new VirtualHost({ requests: () => ({ status: 500, headers: {}, body: '' }) }).given(
    path,
    minimal,
    '0600',
  )
  const report = await run(
    planOf((r) => void supervisor_program(r, { name: 'site-client1', absent: true })),
    host,
  )
  t.match(failureOf(report), { code: 'SUPERVISOR_ANSWER', message: /HTTP status 500/ })
  t.equal(host.readText(path), minimal)
})

t.test('refuses invalid properties with the reason', async (t) => {
  for (const [given, message] of [
    [{ name: 'a b', command: 'x' }, /letters, digits, dots/],
    [{ name: 'a' }, /command is required/],
    [{ name: 'a', command: 'x\ny' }, /one line/],
    [{ name: 'a', command: 'x', environment: { 'A-B': 'x' } }, /environment/],
    [{ name: 'a', command: 'x', environment: { A: 'x\ry' } }, /without a carriage return/],
    [{ name: 'a', command: 'x', environment: { A: '"x"' } }, /without a quote at either end/],
    [{ name: 'a', command: 'x', environment: { A: `it's "x" ` } }, /without both kinds of quotes/],
    [{ name: 'a', command: 'x', type: 'eventlistener' as const }, /needs events/],
    [{ name: 'a', command: 'x', events: ['TICK_60'] }, /needs events/],
    [{ name: 'a', command: 'x', type: 'eventlistener' as const, events: ['tick'] }, /TICK_60/],
  ] as const)
    t.throws(() => planOf((r) => void supervisor_program(r, given as never)), { message }, JSON.stringify(given))
})

t.test('resolves a relative command at the directory of the program', async (t) => {
  const { implementation, props: schema } = supervisor_program.definition
  for (const [command, expected] of [
    ['env/bin/gunicorn --bind :80', '/srv/www/a/current/env/bin/gunicorn --bind :80'],
    ['node server.js', 'node server.js'],
    ['/usr/bin/node x', '/usr/bin/node x'],
  ])
    t.match(implementation.files?.(schema.parse({ name: 'a', command, directory: '/srv/www/a/current' })), [
      { content: `\ncommand=${expected}\n` },
    ])
})

t.test('render displays the file without a host', async (t) => {
  const { implementation } = supervisor_program.definition
  const parsed = supervisor_program.definition.props.parse({ ...props, owner: 'deploy', stopWait: seconds(1.5) })
  t.match(implementation.files?.(parsed), [{ path, mode: '0600', owner: 'deploy', content: /stopwaitsecs=2\n/ }])
  t.strictSame(implementation.files?.({ ...parsed, absent: true }), [])
})
