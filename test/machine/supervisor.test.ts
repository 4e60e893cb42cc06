/** Tests the client, supervisord itself and its program files with a real supervisord, as root and again as nobody. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { ServiceView } from '../../core/compile/inspection.ts'
import { LocalHost } from '../../core/host/local.ts'
import { milliseconds, seconds } from '../../core/model/units.ts'
import { servicesOf } from '../../recipes/app/inspect.ts'
import { service_restart } from '../../resources/services/service_restart.ts'
import { Supervisor } from '../../resources/supervisor/client.ts'
import { supervisor_program } from '../../resources/supervisor/supervisor_program.ts'
import { supervisord } from '../../resources/supervisor/supervisord.ts'
import { failureOf } from '../support/contract.ts'
import { needs, sameAs, scratch } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { brief, program, run, type Site, servers, siteOf } from './support/supervisor_site.ts'

t.test('starts supervisord, and queries it', async (t) => {
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

t.test('reports a configuration that supervisord refuses', async (t) => {
  if (!needs(t, ['supervisord'])) return
  const directory = scratch(t)
  writeFileSync(`${directory}/bad.conf`, '[supervisord]\nlogfile=/nowhere/at/all.log\n')
  const site = { host: new LocalHost(`${directory}/state`) } as Site
  const report = await run(site, (r) =>
    supervisord(r, { config: `${directory}/bad.conf`, socket: `${directory}/s.sock`, program }),
  )
  t.match(failureOf(report), { code: 'COMMAND_FAILED', output: /\/nowhere\/at\/all\.log/ })
})

t.test('a program gets the values of its file', async (t) => {
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

/** Records each event, and the state that supervisord reports through its socket. */
const listener = `
import os, socket, sys
def ask():
    body = '<?xml version="1.0"?><methodCall><methodName>supervisor.getState</methodName><params/></methodCall>'
    one = socket.socket(socket.AF_UNIX)
    one.connect(os.environ['SUPERVISOR_SERVER_URL'][len('unix://'):])
    one.sendall(('POST /RPC2 HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: text/xml\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s' % (len(body), body)).encode())
    answer = one.makefile('rb').read().decode()
    return 'RUNNING' if 'RUNNING' in answer else answer
while True:
    sys.stdout.write('READY\\n'); sys.stdout.flush()
    headers = dict(word.split(':') for word in sys.stdin.readline().split())
    payload = sys.stdin.read(int(headers['len'])).replace('\\n', ' ')
    try: state = ask()
    except Exception as error: state = repr(error)
    with open(os.environ['SEEN'], 'a') as seen: seen.write(headers['eventname'] + ' ' + payload + ' ' + state + '\\n')
    sys.stdout.write('RESULT 2\\nOK'); sys.stdout.flush()
`

t.test('an event listener receives events, and reaches the socket', brief, async (t) => {
  if (!needs(t, ['root', 'supervisord'])) return
  const site = await siteOf(t)
  const { directory, confDir, socket } = site
  chmodSync(socket, 0o700)
  writeFileSync(`${directory}/listener.py`, listener)
  const report = await run(site, (r) => {
    const one = supervisor_program(r, {
      name: 'events',
      type: 'eventlistener',
      events: ['TICK_5', 'PROCESS_STATE_RUNNING'],
      user: 'root',
      command: `/usr/bin/python3 ${directory}/listener.py`,
      environment: { SEEN: `${directory}/events` },
      confDir,
      socket,
      logDir: `${directory}/log`,
    })
    service_restart(r, {
      provider: { kind: 'supervisor', socket },
      services: [{ name: 'events', configuration: one.digest }],
    })
  })
  t.strictSame(failureOf(report), undefined)
  await run(site, servers(site))
  const recordedEvents = () => (existsSync(`${directory}/events`) ? readFileSync(`${directory}/events`, 'utf8') : '')
  for (let tries = 0; tries < 80 && !/TICK_5.*RUNNING/.test(recordedEvents()); tries++)
    await site.host.sleep(milliseconds(100))
  t.match(recordedEvents(), /^PROCESS_STATE_RUNNING processname:c1 .* RUNNING$/m)
  t.match(recordedEvents(), /^TICK_5 .* RUNNING$/m)
})

t.test('reports a program that ends after each start as failing', brief, async (t) => {
  if (!needs(t, ['supervisord'])) return
  const { confDir, supervisor, socket, directory } = await siteOf(t)
  const command = `/bin/sh -c "sleep 3; test -e ${directory}/repaired && exec sleep 600"`
  writeFileSync(`${confDir}/client1.conf`, `[program:client1]\ncommand=${command}\n`)
  await supervisor.reloadConfig()
  await supervisor.addProcessGroup('client1')
  const ready = { kind: 'uptime', time: seconds(60) } as const
  const view = async () => {
    const [service] = await servicesOf(new LocalHost(`${directory}/state`), socket, [{ name: 'client1', ready }])
    return service
  }
  await until(async () => (await supervisor.fetchAllProcessInfo())[0]?.state === 'RUNNING', 'it is up')
  t.match(await view(), { readiness: 'starting', detail: 'it must stay up for 60 s' })
  let failing: ServiceView | undefined
  await until(async () => {
    failing = await view()
    return failing?.readiness === 'failing'
  }, 'it has ended twice')
  t.match(failing, { up: false, detail: /^it ended \d times within a minute of its start$/ })
  writeFileSync(`${directory}/repaired`, '')
  await supervisor.stopProcess('client1')
  await until(async () => (await supervisor.fetchAllProcessInfo())[0]?.state === 'STOPPED', 'it is stopped')
  await supervisor.startProcess('client1')
  await until(async () => (await supervisor.fetchAllProcessInfo())[0]?.state === 'RUNNING', 'it is up again')
  t.match(await view(), { readiness: 'starting' }, 'exits before a stop by hand do not count')
})

t.test('stops supervisord with its programs, however long that takes', brief, async (t) => {
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
  t.strictSame(failureOf(await again), undefined, 'started after the old one has ended')
  t.equal(await site.supervisor.getState(), 'RUNNING')
})

t.test('refuses a socket of another account', async (t) => {
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

t.test('an ordinary user runs supervisord as well', async (t) => {
  if (!needs(t, ['root', 'supervisord', 'nobody'])) return
  sameAs(t, 'nobody', fileURLToPath(import.meta.url))
})
