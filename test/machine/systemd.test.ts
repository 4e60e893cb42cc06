/**
 * Tests the built program on a host with systemd: units, the web server and its pages, supervisor, cron, and a reboot.
 */
import { cpSync } from 'node:fs'
import { get } from 'node:http'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { until } from '../support/wait_until.ts'
import { type Ended, systemdHostNeeds, type TestHost, testNetwork } from './support/hosts.ts'
import { converge, installProgram } from './support/program_on_host.ts'
import { webApps } from './support/web_apps.ts'

const example = fileURLToPath(new URL('../../fixtures/example-node-app', import.meta.url))

/** Runs a test role whose setup has this body. */
function setup(host: TestHost, body: string): Promise<Ended> {
  host.write(
    '/root/recipes/units.ts',
    `import { cron, execute, file, role, seconds, service, service_reload, service_restart, systemd_unit } from 'converge-engine'
const unit = (r, name, text) => file(r, { path: '/etc/systemd/system/' + (name.includes('.') ? name : name + '.service'), content: text })
const used = [cron, execute, seconds, service, service_reload, service_restart, systemd_unit]
export default role('units', { setup(r) {
${body}
} })
`,
  )
  return converge(host, 'setup --role units --recipes /root/recipes')
}

const property = async (host: TestHost, unit: string, name: string) =>
  (await host.run(`systemctl show --value --property=${name} ${unit}`)).stdout.trim()

/** Serves on port 8300 the content that its file had at its last start or reload. */
const teller = `
import http.server, os, signal
def load(*_):
    global said
    said = open('/etc/teller').read()
signal.signal(signal.SIGHUP, load)
load()
class Tell(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'{said} {os.getpid()}'.encode())
http.server.ThreadingHTTPServer(('', 8300), Tell).serve_forever()
`
const tellerUnit = `[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/teller.py
ExecReload=/bin/kill -HUP $MAINPID
[Install]
WantedBy=multi-user.target
`
const tellerRole = (message: string, how: 'restart' | 'reload', text = tellerUnit) => `
  const own = unit(r, 'teller', ${JSON.stringify(text)})
  const said = file(r, { path: '/etc/teller', content: '${message}' })
  service(r, { name: 'teller', enabled: true, ready: { port: 8300 } })
  ${
    how === 'restart'
      ? "service_restart(r, { services: [{ name: 'teller', ready: { port: 8300 } }], when: [own, said] })"
      : "service_reload(r, { name: 'teller', ready: { port: 8300 }, when: [said] })"
  }
`

const timer = `
  unit(r, 'tick', ${JSON.stringify('[Service]\nType=oneshot\nExecStart=touch /srv/ticked\n')})
  unit(r, 'tick.timer', ${JSON.stringify('[Timer]\nOnActiveSec=1s\nAccuracySec=100ms\n[Install]\nWantedBy=timers.target\n')})
  service(r, { name: 'tick.timer', enabled: true })
`

async function ownUnit(t: Test, host: TestHost): Promise<void> {
  const tells = async () =>
    (await host.run('curl -s --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:8300/')).stdout.split(' ')
  host.write('/usr/local/lib/teller.py', teller)

  const first = await setup(host, tellerRole('one', 'restart'))
  t.match(first, { status: 0, stdout: /service teller.*\n +state: +stopped -> running\n +enabled: +false -> true\n/ })
  t.equal(await property(host, 'teller', 'UnitFileState'), 'enabled')
  t.match(await setup(host, tellerRole('one', 'restart')), { status: 0, stdout: /nothing to do/ })
  const [, pid] = await tells()

  t.match(await setup(host, tellerRole('two', 'restart')), { status: 0, stdout: /restart teller/ })
  const [two, pidTwo] = await tells()
  t.equal(two, 'two')
  t.not(pidTwo, pid, 'restarted')

  const changed = tellerUnit.replace('[Service]', '[Service]\nEnvironment=MORE=yes')
  t.match(await setup(host, tellerRole('two', 'restart', changed)), { status: 0, stdout: /restart teller/ })
  const pidThree = await property(host, 'teller', 'MainPID')
  t.match(
    (await host.run(`tr '\\0' '\\n' < /proc/${pidThree}/environ`)).stdout,
    /^MORE=yes$/m,
    'systemd has read it again',
  )
  t.equal(await property(host, 'teller', 'NeedDaemonReload'), 'no')

  for (const isLoadedAgain of [false, true]) {
    const edited = changed.replace('MORE=yes', 'MORE=no')
    host.write('/etc/systemd/system/teller.service', edited)
    await host.run('systemctl daemon-reload && systemctl restart teller')
    host.write('/etc/systemd/system/teller.service', changed)
    if (isLoadedAgain) await host.run('systemctl daemon-reload')
    t.match(await setup(host, tellerRole('two', 'restart', changed)), {
      status: 0,
      stdout: /restart teller\b.*\n1 changed/,
    })
    const process = await property(host, 'teller', 'MainPID')
    t.match((await host.run(`tr '\\0' '\\n' < /proc/${process}/environ`)).stdout, /^MORE=yes$/m, 'reverted by hand')
    await host.run('systemctl restart teller')
    t.match(await setup(host, tellerRole('two', 'restart', changed)), { status: 0, stdout: /nothing to do/ })
  }
  const pidFour = await property(host, 'teller', 'MainPID')

  t.match((await setup(host, tellerRole('two', 'reload', changed))).status, 0)
  t.match(await setup(host, tellerRole('three', 'reload', changed)), { status: 0, stdout: /reload teller/ })
  t.strictSame(await tells(), ['three', pidFour], 'the same process prints the new text')
  t.match(await setup(host, tellerRole('three', 'reload', changed)), { status: 0, stdout: /nothing to do/ })

  t.match(await setup(host, timer), {
    status: 0,
    stdout: /service tick\.timer.*\n +state: +stopped -> running\n +enabled: +false -> true\n/,
  })
  t.match(await setup(host, timer), { status: 0, stdout: /nothing to do/ })
  await host.run('rm -f /srv/ticked')
  await host.reboot()
  t.equal((await tells())[0], 'three', 'it started with the host')
  await until(() => host.exists('/srv/ticked'), 'so did the timer')
  const stopped = "for (const name of ['teller', 'tick.timer']) service(r, { name, action: 'stopped', enabled: false })"
  t.match(await setup(host, stopped), {
    status: 0,
    stdout: /service teller.*\n +state: +running -> stopped\n +enabled: +true -> false\n/,
  })
  t.match(await setup(host, stopped), { status: 0, stdout: /nothing to do/ })
  await host.reboot()
  t.equal(await property(host, 'teller', 'ActiveState'), 'inactive', 'it did not start with the host')
}

async function failingUnit(t: Test, host: TestHost): Promise<void> {
  const unitWith = (name: string, lines: string, more = '') =>
    setup(
      host,
      `unit(r, '${name}', ${JSON.stringify(`[Service]\n${lines}\n`)}); service(r, { name: '${name}'${more} })`,
    )

  const late = await unitWith('late', 'ExecStart=/bin/sh -c "sleep 0.2; echo no database at all >&2; exit 3"')
  t.match(late, { status: 1, stdout: /late did not come up: it ended right after its start \(exit-code\)/ })
  t.match(late.stdout, /\| no database at all\n.*status=3/s, 'the end of its journal')
  const none = await unitWith('nowhere', 'ExecStart=/nowhere/program')
  t.match(none, { status: 1, stdout: /nowhere did not come up.*\/nowhere\/program: No such file or directory/s })

  host.write('/root/loop', '#!/bin/sh\necho round and round\nexit 1\n', 0o755)
  const loopUnit = () => unitWith('loop', 'ExecStart=/root/loop\nRestart=always\nRestartSec=0')
  t.match(await loopUnit(), {
    status: 1,
    stdout: /loop did not come up: it ended right after its start.*round and round/s,
  })
  await until(async () => (await property(host, 'loop', 'SubState')) === 'failed', 'it was given up')
  host.write('/root/loop', '#!/bin/sh\nexec sleep 1000\n', 0o755)
  t.match(await loopUnit(), { status: 0, stdout: /service loop state: \w+ -> running/ }, 'as soon as it is repaired')

  const silent = 'Type=notify\nTimeoutStartSec=infinity\nExecStart=/bin/sh -c "echo waiting for ever; sleep 1000"'
  const slow = await unitWith('silent', silent, ', deadline: seconds(2)')
  t.match(slow, { status: 1, stdout: /silent did not come up: it was not ready within 2 s.*waiting for ever/s })
  t.match(slow.stdout, /\| .*Starting silent\.service/, 'the first entry since the start is among them')

  t.match(await setup(host, "service(r, { name: 'missing' })"), {
    status: 1,
    stdout: /there is no service missing on this host/,
  })
  await host.run('ln -s /dev/null /etc/systemd/system/covered.service')
  t.match(await setup(host, "service(r, { name: 'covered' })"), {
    status: 1,
    stdout: /covered.service is masked.*systemctl unmask covered.service/s,
  })
}

/** Declares a service, a timer with its service, and a socket with its service. */
const declaredUnits = (word: string) => `
  const install = (target) => ({ Install: { WantedBy: target } })
  const own = systemd_unit(r, {
    name: 'word.service',
    content: { Service: { ExecStart: '/bin/sleep 1000', Environment: ['WORD=${word}', 'MORE=yes'] }, ...install('multi-user.target') },
    enabled: true,
    action: 'running',
  })
  service_restart(r, { services: [{ name: 'word' }], when: [own] })
  systemd_unit(r, { name: 'tock.service', content: '[Service]\\nType=oneshot\\nExecStart=touch /srv/tocked' })
  systemd_unit(r, {
    name: 'tock.timer',
    content: { Timer: { OnActiveSec: '1s', AccuracySec: '100ms' }, ...install('timers.target') },
    enabled: true,
    action: 'running',
  })
  systemd_unit(r, { name: 'echo@.service', content: { Service: { ExecStart: '/bin/cat', StandardInput: 'socket' } } })
  systemd_unit(r, {
    name: 'echo.socket',
    content: { Socket: { ListenStream: 8311, Accept: true }, ...install('sockets.target') },
    enabled: true,
    action: 'running',
  })
`

async function unitType(t: Test, host: TestHost): Promise<void> {
  const units = ['word.service', 'tock.timer', 'echo.socket']
  t.match(await setup(host, declaredUnits('one')), { status: 0, stdout: /systemd_unit word\.service/ })
  t.match(await setup(host, declaredUnits('one')), { status: 0, stdout: /nothing to do/ })
  for (const unit of units)
    t.strictSame(
      [await property(host, unit, 'ActiveState'), await property(host, unit, 'UnitFileState')],
      ['active', 'enabled'],
      unit,
    )
  await until(() => host.exists('/srv/tocked'), 'the timer has started its service')
  const echo = `bash -c 'exec 3<>/dev/tcp/127.0.0.1/8311; echo back >&3; head -1 <&3'`
  t.match(await host.run(echo), { stdout: 'back' }, 'the socket has started its service')

  const pid = await property(host, 'word', 'MainPID')
  t.match(await setup(host, declaredUnits('two')), { status: 0, stdout: /restart word/ })
  const changed = await property(host, 'word', 'MainPID')
  t.not(changed, pid)
  t.match((await host.run(`tr '\\0' '\\n' < /proc/${changed}/environ`)).stdout, /^WORD=two\nMORE=yes$/m)

  const wrong =
    "systemd_unit(r, { name: 'word.service', content: { Service: { ExecStart: '/bin/true', Restrat: true } } })"
  t.match(await setup(host, wrong), {
    status: 1,
    stdout: /systemd would not use all lines of word\.service.*word\.service:3: Unknown key.*'Restrat'/s,
  })
  t.equal(await property(host, 'word', 'NeedDaemonReload'), 'no', 'the file in use is unchanged')

  const names = [...units, 'tock.service', 'echo@.service']
  const removed = `for (const name of ${JSON.stringify(names)}) systemd_unit(r, { name, absent: true })`
  t.match(await setup(host, removed), { status: 0, stdout: /systemd_unit word\.service/ })
  t.match(await setup(host, removed), { status: 0, stdout: /nothing to do/ })
  for (const unit of units) t.equal(await property(host, unit, 'LoadState'), 'not-found', unit)
  const { stdout } = await host.run(
    'find /etc/systemd/system -name "word*" -o -name "*tock*" -o -name "echo*" -o -name "*check*"',
  )
  t.equal(stdout, '', 'no file and no link is left')
}

const site = {
  ...webApps,
  deploy: {
    shop: { scm: { scm_type: 'directory', repository: '/srv/node-app' } },
    wiki: { scm: { scm_type: 'directory', repository: '/srv/php-app' } },
  },
}

/** Sends requests to the site, one after the other, until the test stops it. */
function visitors(host: TestHost, name: string) {
  const counts = { answered: 0, failed: [] as string[] }
  let going = true
  const visit = () =>
    new Promise<void>((resolve) => {
      const fail = (why: string) => {
        counts.failed.push(why)
        resolve()
      }
      const sent = get({ host: host.address, headers: { host: name }, timeout: 20_000, agent: false }, (answer) => {
        answer.on('error', (error) => fail(error.message))
        answer.on('end', () => {
          if (answer.statusCode !== 200) return fail(`status ${answer.statusCode}`)
          counts.answered += 1
          resolve()
        })
        answer.resume()
      })
      sent.on('timeout', () => sent.destroy(new Error('no answer')))
      sent.on('error', (error) => fail(error.message))
    })
  const all = (async () => {
    while (going) await visit()
  })()
  return async () => {
    going = false
    await all
    return counts
  }
}

async function webServer(t: Test, host: TestHost): Promise<void> {
  host.write('/root/site.json', JSON.stringify(site))
  cpSync(example, `${host.root}/srv/node-app`, { recursive: true })
  host.write('/srv/php-app/index.php', "<?php echo 'one ' . basename(dirname(__DIR__)) . PHP_EOL;")
  const run = (event: string) => converge(host, `${event} --role port-app,php-app --json /root/site.json`)
  const page = async (name: string) =>
    (
      await host.run(
        `curl -s --retry 20 --retry-delay 1 --retry-all-errors --fail -H 'Host: ${name}' http://127.0.0.1/`,
      )
    ).stdout
  const php = (await host.run('ls /lib/systemd/system | grep php.*-fpm.service')).stdout.trim()
  const units = ['supervisor', 'nginx', php]
  const reloads = async (unit: string) =>
    Number((await host.run(`journalctl -u ${unit} --output cat | grep -c ^Reloading || true`)).stdout)

  t.match(await run('setup'), {
    status: 0,
    stdout: /service supervisor.*\n +state: +\w+ -> running\n +enabled: +false -> true\n/,
  })
  t.match((await run('deploy')).status, 0)
  t.match(await page('shop.test'), /^one /)
  t.match(await page('wiki.test'), /^one /)
  for (const unit of units)
    t.strictSame(
      [await property(host, unit, 'ActiveState'), await property(host, unit, 'UnitFileState')],
      ['active', 'enabled'],
      unit,
    )
  t.match(await run('setup'), { status: 0, stdout: /nothing to do/ })
  t.match(await run('deploy'), { status: 0, stdout: /nothing to do/ })

  const stop = [visitors(host, 'shop.test'), visitors(host, 'wiki.test')]
  const before = await Promise.all(units.map((unit) => property(host, unit, 'MainPID')))
  const reloaded = await reloads('nginx')
  host.write('/srv/node-app/VERSION', 'two\n')
  host.write('/srv/php-app/index.php', "<?php echo 'two ' . basename(dirname(__DIR__)) . PHP_EOL;")
  t.match((await run('deploy')).status, 0)
  t.match(await page('shop.test'), /^two /)
  t.match(await page('wiki.test'), /^two /)
  for (const counts of await Promise.all(stop.map((end) => end()))) {
    t.strictSame(counts.failed, [], 'no visitor got an error')
    t.ok(counts.answered > 0)
  }
  t.equal((await reloads('nginx')) - reloaded, 1, 'nginx was reloaded once, for the new port')
  t.strictSame(
    await Promise.all(units.map((unit) => property(host, unit, 'MainPID'))),
    before,
    'none of them was restarted',
  )

  const job = "cron(r, { name: 'greeting', schedule: '@reboot', command: 'echo at 100% > /srv/greeting' })"
  t.match(await setup(host, job), { status: 0, stdout: /cron greeting/ })
  await host.shutDown()
  await host.start()
  t.match(await page('shop.test'), /^two /, 'the site answers again after a reboot')
  t.match(await page('wiki.test'), /^two /)
  await until(
    () => host.exists('/srv/greeting') && host.read('/srv/greeting') === 'at 100%\n',
    'cron has run the job',
    30,
  )
  t.match(await run('deploy'), { status: 0, stdout: /nothing to do/ })
  t.match((await run('undeploy')).status, 0)
  t.notMatch(await host.run("curl -s -H 'Host: shop.test' http://127.0.0.1/"), { stdout: /^two / })
}

t.test('a host with systemd', async (t) => {
  t.setTimeout(300_000)
  const programs = ['python3', 'git', 'nginx', 'php-fpm', 'supervisord', 'crontab', 'apt'] as const
  if (!needs(t, [...systemdHostNeeds, ...programs])) return
  const network = await testNetwork(t)
  const host = await network.systemdHost('web1', { node: 'own' })
  installProgram(host)
  await t.test('starts a unit with the host, and restarts or reloads it for changes', (t) => ownUnit(t, host))
  await t.test('reports units that do not come up, with the reason', (t) => failingUnit(t, host))
  await t.test('writes, enables, starts and removes units of its own', (t) => unitType(t, host))
  await t.test('serves a server and a PHP app behind nginx', (t) => webServer(t, host))
})
