/** Client, programs and rolling restarts against a real supervisord; as root, and once more as nobody. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { compile, type Plan } from '../../core/compile/compile.ts'
import { type Recipe, role } from '../../core/compile/recipe.ts'
import { converge } from '../../core/converge/engine.ts'
import { LocalHost } from '../../core/host/local.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import { milliseconds, seconds } from '../../core/model/units.ts'
import type { RunReport } from '../../core/report/events.ts'
import { file } from '../../resources/file.ts'
import { service } from '../../resources/service.ts'
import { service_restart } from '../../resources/service_restart.ts'
import { Supervisor } from '../../resources/supervisor/client.ts'
import { supervisor_program } from '../../resources/supervisor_program.ts'
import { supervisord } from '../../resources/supervisord.ts'
import { failureOf, patchOf } from '../support/contract.ts'
import { freePort, needs, sameAs, scratch } from '../support/machine.ts'

const program = '/usr/bin/supervisord'
/** For the run as an ordinary user what has nothing to do with accounts need not be seen twice. */
const brief = { skip: process.env.CONVERGE_TEST_BRIEF !== undefined }

/** Answers HTTP with what it was started with; slow, dying or clinging to its port as its environment says. */
const server = `
import http.server, os, signal, sys, time
print('starting', os.environ['NAME'], os.environ.get('GREETING'), flush=True)
if os.environ.get('DIES'):
    time.sleep(float(os.environ['DIES']))
    print('dying:', 'no database', flush=True)
    sys.exit(3)
def stop(*_):
    print('stopping', flush=True)
    time.sleep(float(os.environ.get('STOPS_IN', '0')))
    if os.environ.get('CLINGS') and os.fork() == 0:
        os.setsid()
        time.sleep(float(os.environ['CLINGS']))
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
time.sleep(float(os.environ.get('STARTS_IN', '0')))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.environ['SEEN'], 'a') as seen: seen.write(os.environ['NAME'] + ' ' + self.path + '\\n')
        self.send_response(int(os.environ.get('STATUS', '200')))
        self.end_headers()
        self.wfile.write((os.environ['NAME'] + ' ' + os.environ.get('GREETING', '') + ' ' + str(os.getpid())).encode())
    def log_message(self, *_): pass
class Server(http.server.HTTPServer):
    allow_reuse_address = True
Server(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`

interface Site {
  readonly directory: string
  readonly socket: string
  readonly confDir: string
  readonly config: string
  readonly ports: readonly number[]
  readonly host: LocalHost
  readonly supervisor: Supervisor
}

const names = ['c1', 'c2', 'c3']

async function siteOf(t: Test): Promise<Site> {
  const directory = scratch(t)
  const [socket, confDir, config] = [`${directory}/s.sock`, `${directory}/conf`, `${directory}/supervisord.conf`]
  mkdirSync(confDir)
  mkdirSync(`${directory}/log`)
  writeFileSync(`${directory}/server.py`, server)
  writeFileSync(
    config,
    `[unix_http_server]\nfile=${socket}\n[supervisord]\nlogfile=${directory}/log/supervisord.log\npidfile=${directory}/s.pid\nchildlogdir=${directory}/log\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n[include]\nfiles=${confDir}/*.conf\n`,
  )
  const host = new LocalHost(`${directory}/state`)
  const ports = [await freePort(), await freePort(), await freePort()]
  const site = { directory, socket, confDir, config, ports, host, supervisor: new Supervisor(host, socket) }
  const own = (action: 'running' | 'stopped') => run(site, (r) => supervisord(r, { config, socket, program, action }))
  t.teardown(async () => void (await own('stopped')))
  t.strictSame(failureOf(await own('running')), undefined, 'supervisord starts')
  return site
}

function planOf(declare: (r: Recipe<unknown>) => unknown): Plan {
  return compile([role<unknown>('test', { deploy: (r) => void declare(r) })], ['deploy'], {})
}

function run(site: Site, declare: (r: Recipe<unknown>) => unknown, told: string[] = []): Promise<RunReport> {
  return converge(planOf(declare), site.host, {
    id: 't',
    mode: 'run',
    handlers: [{ progress: (_, line) => void told.push(line) }],
  })
}

type Environments = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Three servers, and their restart for `cause`. */
function servers(
  site: Site,
  environments: Environments = {},
  cause = 'one',
  options: { readonly startSeconds?: number; readonly [name: string]: unknown } = {},
) {
  const { startSeconds = 0, ...more } = options
  const { directory, confDir, socket, ports } = site
  return (r: Recipe<unknown>) => {
    const release = file(r, { path: `${directory}/release`, content: cause })
    const declared = names.map((name, index) => {
      const environment = { NAME: name, PORT: `${ports[index]}`, SEEN: `${directory}/seen`, ...environments[name] }
      const common = { name, environment, directory, confDir, socket, logDir: `${directory}/log` }
      const one = supervisor_program(r, {
        ...common,
        command: `/usr/bin/python3 ${directory}/server.py`,
        stopWait: seconds(20),
        startSeconds,
      })
      return { name, configuration: one.digest, ready: { port: ports[index] ?? 0, warmPaths: ['/warm'] } }
    })
    service_restart(r, {
      provider: { kind: 'supervisor', socket },
      services: declared,
      when: [release],
      deadline: seconds(20),
      ...more,
    })
  }
}

async function answers(site: Site): Promise<string[]> {
  return Promise.all(site.ports.map(async (port) => (await site.host.request({ port })).body))
}

t.test('supervisord is started, and asked', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  t.equal(await site.supervisor.getState(), 'RUNNING')
  t.strictSame(await site.supervisor.getAllProcessInfo(), [])
  t.equal(
    (await run(site, (r) => supervisord(r, { config: site.config, socket: site.socket, program }))).outcome,
    'unchanged',
  )
  await t.rejects(site.supervisor.startProcess('none'), { code: 'SUPERVISOR_BAD_NAME' })
  writeFileSync(`${site.confDir}/bad.conf`, '[program:bad]\n')
  await t.rejects(site.supervisor.reloadConfig(), { code: 'SUPERVISOR_CANT_REREAD', message: /bad\.conf/ })
  writeFileSync(`${site.confDir}/bad.conf`, '[program:bad]\ncommand=/nowhere/bad\n')
  t.strictSame(await site.supervisor.reloadConfig(), { added: ['bad'], changed: [], removed: [] })
  await site.supervisor.addProcessGroup('bad')
  await t.resolves(site.supervisor.addProcessGroup('bad'), 'twice is fine')
  await t.rejects(site.supervisor.startProcess('bad'), {
    code: 'SUPERVISOR_NO_FILE',
    message: /can't find command '\/nowhere\/bad'/,
  })
  const other = new Supervisor(site.host, `${site.directory}/none.sock`)
  t.equal(await other.getState(), null)
  await t.rejects(other.reloadConfig(), { code: 'SUPERVISOR_DOWN' })
})

t.test('a configuration supervisord refuses', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const directory = scratch(t)
  writeFileSync(`${directory}/bad.conf`, '[supervisord]\nlogfile=/nowhere/at/all.log\n')
  const site = { host: new LocalHost(`${directory}/state`) } as Site
  const report = await run(site, (r) =>
    supervisord(r, { config: `${directory}/bad.conf`, socket: `${directory}/s.sock`, program }),
  )
  t.match(failureOf(report), { code: 'COMMAND_FAILED', output: /\/nowhere\/at\/all\.log/ })
})

t.test('what a program file says is what the program gets', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const { directory, confDir, socket } = site
  const environment = {
    A: 'plain',
    B: 'with "quotes" inside',
    C: "it's",
    D: 'per %d cent 100%',
    E: 'a ;b #c, d=e',
    F: ';x',
    G: '',
    H: ' blanks ',
    I: 'é 😀',
    J: '{"a": [1, "b"]}',
    K: '\\n $HOME `x`',
    L: 'tab%(here)s',
  }
  writeFileSync(
    `${directory}/show.py`,
    `import json, os, sys\njson.dump([sys.argv[1:], os.getcwd(), {k: v for k, v in os.environ.items() if len(k) == 1 and k != '_'}], open('${directory}/shown', 'w'))\n`,
  )
  mkdirSync(`${directory}/50% ;off`)
  const report = await run(site, (r) => {
    const one = supervisor_program(r, {
      name: 'show.it-1',
      command: `/usr/bin/python3 ${directory}/show.py %d ;x "a b" '#c' #d`,
      directory: `${directory}/50% ;off`,
      environment,
      confDir,
      socket,
      autorestart: false,
    })
    service_restart(r, {
      provider: { kind: 'supervisor', socket },
      services: [{ name: 'show.it-1', configuration: one.digest }],
      ignoreFailure: true,
    })
  })
  for (let tries = 0; tries < 50 && !existsSync(`${directory}/shown`); tries++) await site.host.sleep(milliseconds(100))
  await site.host.sleep(milliseconds(200))
  t.strictSame(JSON.parse(readFileSync(`${directory}/shown`, 'utf8')), [
    ['%d', ';x', 'a b', '#c', '#d'],
    `${directory}/50% ;off`,
    environment,
  ])
  t.equal(statSync(`${confDir}/show.it-1.conf`).mode & 0o777, 0o600)
  t.match(
    failureOf(report),
    { code: 'SERVICE_DOWN', message: /ended right after its start/ },
    'a program that is done is none that runs',
  )
})

t.test('a rolling restart: one at a time, in order, each answering before the next', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const slowly = (environments?: Environments, cause?: string, more?: object) =>
    servers(site, environments, cause, { startSeconds: 1, ...more })
  const seen = () => readFileSync(`${site.directory}/seen`, 'utf8').trim().split('\n')
  t.strictSame(failureOf(await run(site, slowly())), undefined, 'first run')
  t.match(await answers(site), [/^c1 {2}\d/, /^c2 {2}\d/, /^c3 {2}\d/])
  t.equal((await run(site, slowly())).outcome, 'unchanged')

  const before = await answers(site)
  const slow = Object.fromEntries(names.map((name) => [name, { STARTS_IN: '0.5', STOPS_IN: '0.5' }]))
  const plan = slowly(slow, 'two', { delay: seconds(1) })
  const overlay = new VirtualHost({ base: site.host })
  const planned = await converge(planOf(plan), overlay, { id: 'p', mode: 'plan' })
  t.strictSame(await answers(site), before, 'a dry run restarts nothing')
  writeFileSync(`${site.directory}/seen`, '')

  const down: string[] = []
  let watching = true
  const watch = (async () => {
    while (watching) {
      const up = await Promise.all(
        site.ports.map((port) =>
          site.host.request({ port, path: '/watch', timeout: seconds(5) }).then(
            () => true,
            () => false,
          ),
        ),
      )
      if (up.filter((one) => !one).length > 1) down.push(up.join())
      await site.host.sleep(milliseconds(20))
    }
  })()
  const told: string[] = []
  const report = await run(site, plan, told)
  watching = false
  await watch
  t.strictSame(failureOf(report), undefined)
  t.strictSame(patchOf(planned), patchOf(report), 'what was planned was done')
  t.strictSame(down, [], 'never two of them down at once')
  t.strictSame(
    told.filter((line) => /\d of \d/.test(line)),
    names.map((name, index) => `restarting ${name} (${index + 1} of 3)`),
  )
  t.equal(told.filter((line) => line.startsWith('waiting 1 s before')).length, 2)
  t.strictSame(
    seen()
      .filter((line) => / \/(warm)?$/.test(line))
      .filter((line, index, all) => line !== all[index - 1]),
    names.flatMap((name) => [`${name} /`, `${name} /warm`]),
    'ready, warmed, then the next',
  )
  const after = await answers(site)
  t.ok(
    after.every((one, index) => one !== before[index]),
    'each is a new process',
  )
  t.equal((await run(site, slowly(slow, 'two'))).outcome, 'unchanged')

  t.test('a changed environment of one restarts that one', async (t) => {
    t.strictSame(failureOf(await run(site, slowly({ ...slow, c2: { GREETING: 'hello' } }, 'two'))), undefined)
    const now = await answers(site)
    t.strictSame([now[0], now[2]], [after[0], after[2]])
    t.match(now[1], /^c2 hello \d/)
  })

  t.test('stopped by hand: started, the others are left alone', async (t) => {
    const all = await answers(site)
    await site.supervisor.stopProcess('c3')
    await site.host.sleep(seconds(1))
    const told: string[] = []
    t.strictSame(failureOf(await run(site, slowly({ ...slow, c2: { GREETING: 'hello' } }, 'two'), told)), undefined)
    t.equal(told[0], 'starting c3 (1 of 1)')
    t.strictSame((await answers(site)).slice(0, 2), all.slice(0, 2))
  })

  t.test('killed with SIGKILL: supervisord brings it back, and nobody restarts it again', async (t) => {
    const [c1 = ''] = await answers(site)
    spawnSync('kill', ['-9', c1.split(' ').at(-1) ?? ''])
    for (let tries = 0; tries < 50 && (await answers(site).catch(() => [c1]))[0] === c1; tries++)
      await site.host.sleep(milliseconds(100))
    const back = await answers(site)
    t.not(back[0], c1)
    t.equal((await run(site, slowly({ ...slow, c2: { GREETING: 'hello' } }, 'two'))).outcome, 'unchanged')
  })

  t.test('absent: stopped, forgotten, removed', async (t) => {
    const { confDir, socket } = site
    t.strictSame(
      failureOf(await run(site, (r) => supervisor_program(r, { name: 'c3', absent: true, confDir, socket }))),
      undefined,
    )
    t.strictSame(
      (await site.supervisor.look()).map(({ name }) => name),
      ['c1', 'c2'],
    )
    t.notOk(existsSync(`${confDir}/c3.conf`))
    t.equal(await site.host.listening(site.ports[2] ?? 0), false)
  })

  t.test('service: stopped and running', async (t) => {
    const provider = { kind: 'supervisor' as const, socket: site.socket }
    t.strictSame(failureOf(await run(site, (r) => service(r, { name: 'c1', action: 'stopped', provider }))), undefined)
    t.equal((await site.supervisor.look()).find(({ name }) => name === 'c1')?.state, 'STOPPED')
    t.strictSame(failureOf(await run(site, (r) => service(r, { name: 'c1', provider }))), undefined)
    t.equal((await site.supervisor.look()).find(({ name }) => name === 'c1')?.state, 'RUNNING')
  })
})

t.test('one that does not come up stops the roll, shows its log, and the next run goes on there', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  await run(site, servers(site))
  const before = await answers(site)
  const began = performance.now()
  const failure = failureOf(await run(site, servers(site, { c2: { DIES: '0.2' } }, 'two')))
  t.match(failure, {
    code: 'SERVICE_DOWN',
    message:
      /^c2 did not come up: it ended right after its start.*; restarted before it: c1; left on the old process: c3$/,
    output: /starting c2(.|\n)*dying: no database$/,
  })
  t.ok(performance.now() - began < 15_000, 'at once, not at the deadline')
  const [, , c3] = await Promise.all(
    site.ports.map((port) =>
      site.host.request({ port }).then(
        ({ body }) => body,
        () => '',
      ),
    ),
  )
  t.equal(c3, before[2])

  const told: string[] = []
  t.strictSame(failureOf(await run(site, servers(site, { c2: { GREETING: 'mended' } }, 'two'), told)), undefined)
  t.match(
    told.filter((line) => /\d of \d/.test(line)),
    [/^(starting|restarting) c2 \(1 of 2\)/, /^restarting c3 \(2 of 2\)/],
  )
  t.match(await answers(site), [/^c1 /, /^c2 mended /, /^c3 /])
})

t.test('one that dies only after a while, and comes back by itself, is not ready either', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const failure = failureOf(await run(site, servers(site, { c1: { DIES: '2.5' } })))
  t.match(failure, { code: 'SERVICE_DOWN', message: /^c1 did not come up: it ended right after its start/ })
})

t.test('one that answers with an error is not ready', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const failure = failureOf(await run(site, servers(site, { c1: { STATUS: '500' } }, 'one', { deadline: seconds(4) })))
  t.match(failure, {
    message:
      /^c1 did not come up: it was not ready within 4 s \(it answered with HTTP status 500\); not started: c2, c3$/,
  })
})

t.test('a run that ends between two restarts', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  await run(site, servers(site))
  const before = await answers(site)
  class Dying extends LocalHost {
    override record(key: string, value: string): void {
      super.record(key, value)
      if (key === 'restart c1') throw new Error('killed')
    }
  }
  const dying = new Dying(`${site.directory}/state`)
  await run({ ...site, host: dying }, servers(site, {}, 'two'))
  const between = await answers(site)
  t.strictSame(
    between.map((one, index) => one === before[index]),
    [false, true, true],
  )
  t.strictSame(failureOf(await run(site, servers(site, {}, 'two'))), undefined)
  t.strictSame(
    (await answers(site)).map((one, index) => one === between[index]),
    [true, false, false],
  )
})

t.test('a port that a child of the old process still holds is waited for', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const clinging = { c1: { CLINGS: '1.5' } }
  await run(site, servers(site, clinging))
  const told: string[] = []
  t.strictSame(failureOf(await run(site, servers(site, clinging, 'two'), told)), undefined)
  t.ok(told.includes(`waiting until port ${site.ports[0]} is free for c1`))
  const longer = { c1: { CLINGS: '4' } }
  await run(site, servers(site, longer, 'three'))
  t.match(failureOf(await run(site, servers(site, longer, 'four', { deadline: seconds(2) }))), {
    message: /^c1 did not come up: port \d+ was still taken by another process after 2 s/,
  })
})

t.test('supervisord is stopped with what it runs, however long that takes', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const site = await siteOf(t)
  const { config, socket } = site
  await run(site, servers(site, { c1: { STOPS_IN: '2.5' } }))
  const stopping = run(site, (r) => supervisord(r, { config, socket, program, action: 'stopped' }))
  await site.host.sleep(seconds(1))
  t.equal(await site.supervisor.getState(), 'SHUTDOWN')
  const again = run({ ...site, host: new LocalHost(`${site.directory}/state`) }, (r) =>
    supervisord(r, { config, socket, program }),
  )
  t.strictSame(failureOf(await stopping), undefined)
  t.strictSame(failureOf(await again), undefined, 'started once the old one is gone')
  t.equal(await site.supervisor.getState(), 'RUNNING')
})

t.test('a socket that is another account’s', async (t) => {
  if (!needs(t, ['root', 'supervisord', 'nobody'])) return
  const site = await siteOf(t)
  chmodSync(site.socket, 0o700)
  const script = `import('${new URL('../../core/host/local.ts', import.meta.url)}').then(async ({ LocalHost }) => { const { Supervisor } = await import('${new URL('../../resources/supervisor/client.ts', import.meta.url)}'); try { await new Supervisor(new LocalHost('/tmp/x'), '${site.socket}').getState() } catch (error) { console.log(error.code, error.hint) } })`
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '-e', script], {
    uid: 65_534,
    gid: 65_534,
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', HOME: '/tmp' },
  })
  t.match(`${stdout}${stderr}`, 'SUPERVISOR_DENIED run converge as root')
})

t.test('the same as an ordinary user', async (t) => {
  if (!needs(t, ['root', 'supervisord', 'nobody'])) return
  sameAs(t, 'nobody', fileURLToPath(import.meta.url))
})
