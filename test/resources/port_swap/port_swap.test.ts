/** Tests port_swap: starting a new release on another port, and moving requests to it. */
import fc from 'fast-check'
import t from 'tap'
import type { Plan } from '../../../core/compile/compile.ts'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost, type VirtualOptions } from '../../../core/host/virtual.ts'
import { seconds } from '../../../core/model/units.ts'
import type { RunReport } from '../../../core/report/events.ts'
import { file } from '../../../resources/files/file.ts'
import { port_swap } from '../../../resources/port_swap/port_swap.ts'
import { isReadable } from '../../../resources/supervisor/sections.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { type Behaviour, FakeSupervisor } from '../../support/fake_supervisor.ts'

const upstream = '/etc/nginx/conf.d/shop.conf'
const supervisorNginx = { kind: 'supervisor' as const }
const check = ['nginx', '-t']
const props = {
  name: 'shop',
  ports: [9090, 9091] as [number, number],
  command: ['/srv/shop/server', '--port', '%{port}', 'a b'],
  directory: '/srv/shop/1',
  environment: { PORT: '%{port}', SECRET: 'x' },
  upstream: { path: upstream, name: 'shop' },
  reload: { name: 'nginx', provider: supervisorNginx, check },
  deadline: seconds(20),
}
const conf = (port: number) => `/etc/supervisor/conf.d/shop-${port}.conf`
const written = (port: number, start = true) =>
  `; Written by converge; by hand.\n[program:shop-${port}]\nautostart=${start}\n`
const names = (port: number) => `upstream shop { server 127.0.0.1:${port}; }\n`

/** Makes a server that takes time to start, to answer and to stop. */
function fakeOf(running: readonly string[] = [], special: Record<string, Behaviour> = {}): FakeSupervisor {
  const programs = (name: string): Behaviour => {
    const port = Number(/-(\d+)$/.exec(name)?.[1] ?? 0)
    return port === 0 ? {} : { port, startsecs: 1, readyAfter: 3, stopAfter: 2, ...special[name] }
  }
  return new FakeSupervisor({ running: ['nginx', ...running], programs })
}

const given =
  (files: Readonly<Record<string, string>> = {}) =>
  (host: VirtualHost) => {
    host.given('/etc/nginx/conf.d', null)
    host.given('/etc/supervisor/conf.d/nginx.conf', '[program:nginx]\nautostart=true\n')
    for (const [path, text] of Object.entries(files)) host.given(path, text)
  }
const options = (fake: FakeSupervisor): VirtualOptions => ({ requests: fake.requests, commands: () => ({}) })

const current9090 = { [upstream]: names(9090), [conf(9090)]: written(9090) }

contract(t, port_swap, [
  {
    name: 'starts on the first port',
    props,
    given: given(),
    host: options(fakeOf()),
    changes: ['add /up/0 = 9090', 'replace /loaded = true', 'replace /runs', 'replace /current = 9090'],
    then(t, host) {
      // If a run was killed before nginx was reloaded, the next run uses the second port.
      const port = host.readText(upstream)?.includes(':9091') ? 9091 : 9090
      t.match(host.readText(upstream), `upstream shop {\n    server 127.0.0.1:${port};\n}`)
      t.match(host.readText(conf(port)), `command=/srv/shop/server --port ${port} 'a b'`)
      t.match(host.readText(conf(port)), `environment=PORT="${port}",SECRET="x"`)
      t.match(host.readText(conf(port)), 'autostart=true')
      t.equal(host.lstat(conf(port))?.mode, '0600')
      t.equal(host.lstat(upstream)?.mode, '0644')
    },
  },
  {
    name: 'starts another release on the other port',
    props,
    given: given(current9090),
    host: options(fakeOf(['shop-9090'])),
    changes: ['replace /up/0 = 9091', 'replace /loaded', 'replace /runs', 'replace /current = 9091'],
    then(t, host) {
      t.match(host.readText(upstream), '127.0.0.1:9091')
      t.match(host.readText(conf(9090)), 'autostart=false', 'it does not start at boot')
      t.match(host.readText(conf(9091)), 'autostart=true')
    },
  },
  {
    name: 'switches back to the first port',
    props,
    given: given({ [upstream]: names(9091), [conf(9091)]: written(9091), [conf(9090)]: written(9090, false) }),
    host: options(fakeOf(['shop-9091'])),
    then: (t, host) => t.match(host.readText(upstream), '127.0.0.1:9090'),
  },
  {
    name: 'starts the process again that is down',
    props,
    given: given(current9090),
    host: options(fakeOf()),
    then: (t, host) => t.match(host.readText(upstream), '127.0.0.1:9091'),
  },
  {
    name: 'keeps one of two processes if the current port is unknown',
    props,
    given: given({ [conf(9090)]: written(9090), [conf(9091)]: written(9091) }),
    host: options(fakeOf(['shop-9090', 'shop-9091'])),
    then(t, host) {
      const atRest = [9090, 9091].filter((port) => host.readText(conf(port))?.includes('autostart=false'))
      t.equal(atRest.length, 1)
    },
  },
  {
    name: 'writes text and runs the command for another web server',
    props: {
      ...props,
      command: '/srv/shop/server',
      upstream: { path: upstream, name: 'shop', content: 'ProxyPass / http://127.0.0.1:%{port}/\n' },
      reload: { name: 'apache2', command: ['apachectl', 'graceful'] },
    },
    given: given(),
    host: options(fakeOf()),
    then: (t, host) => t.match(host.readText(upstream), /^ProxyPass \/ http:\/\/127\.0\.0\.1:909[01]\/\n$/),
  },
  {
    name: 'works without a web server to reload',
    props: { ...props, reload: undefined },
    given: given(),
    host: options(fakeOf()),
  },
  {
    name: 'fails at a program file that converge did not write',
    props,
    given: given({ [conf(9090)]: '[program:shop-9090]\n' }),
    host: options(fakeOf()),
    fails: /shop-9090\.conf exists, but converge did not write it.*another name/,
  },
  {
    name: 'fails if supervisord does not run',
    props,
    given: given(),
    host: { requests: new FakeSupervisor({ up: false }).requests, commands: () => ({}) },
    fails: /no supervisord is running/,
  },
])

/** A host with a web server that uses the port of its last reload. */
class World {
  readonly host: VirtualHost
  readonly fake: FakeSupervisor
  readonly reported: string[] = []
  /** The port to which the web server sends visitors. */
  port: number | null = null
  /** Changes before which no server answered at that port. */
  readonly gaps: string[] = []
  /** Called whenever supervisord reads its files. */
  beforeReread = () => {}
  killAt = Number.POSITIVE_INFINITY
  /** The changes that fail because the disk is full, counted from 1. */
  full = { from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY }
  count = 0
  broken = ''

  constructor(special: Record<string, Behaviour> = {}) {
    this.fake = fakeOf([], special)
    this.host = new VirtualHost({
      requests: (options, host) => {
        if (/reloadConfig/.test(options.body ?? '')) this.beforeReread()
        const answer = this.fake.requests(options, host)
        if (/signalProcess/.test(options.body ?? ''))
          this.port = Number(/127\.0\.0\.1:(\d+)/.exec(host.readText(upstream) ?? '')?.[1])
        return answer
      },
      commands: () => (this.broken === '' ? {} : { status: 1, stderr: this.broken }),
      beforeChange: (_, what) => {
        if (++this.count >= this.killAt) throw new Error(`killed before ${what}`)
        if (this.count >= this.full.from && this.count < this.full.to)
          throw Object.assign(new Error(`ENOSPC: no space left on device, ${what}`), {
            code: 'ENOSPC',
            syscall: 'write',
          })
        if (this.port !== null && !this.answers()) this.gaps.push(what)
      },
    })
    given()(this.host)
  }

  answers(): boolean {
    return this.fake.requests({ port: this.port ?? 0 }, this.host)?.status === 200
  }

  plan(more: object = {}, cause = 'one'): Plan {
    return planOf((r) => {
      const config = file(r, { path: '/srv/config', content: cause })
      port_swap(r, { ...props, when: [config], ...more })
    })
  }

  async run(more: object = {}, cause = 'one'): Promise<RunReport> {
    this.count = 0
    const plan = this.plan(more, cause)
    const handlers = [{ progress: (_: string, line: string) => void this.reported.push(line) }]
    return converge(plan, this.host, { id: 'test', mode: 'run', handlers })
  }

  up(): string[] {
    const states = Object.entries(this.fake.states(this.host))
    return states.filter(([name, state]) => name !== 'nginx' && state === 'RUNNING').map(([name]) => name)
  }
}

t.test('reports its steps in order', async (t) => {
  const world = new World()
  await world.run()
  world.reported.length = 0
  t.equal((await world.run({ directory: '/srv/shop/2' })).outcome, 'changed')
  t.strictSame(world.reported, [
    'starting shop-9091',
    'waiting for http://127.0.0.1:9091/',
    'port 9091 is current',
    'waiting until port 9090 has no connection',
  ])
  t.strictSame(world.gaps, [])
  t.strictSame(world.up(), ['shop-9091'])
})

t.test('replaces a program that was changed, loaded and restored by hand', async (t) => {
  const world = new World()
  await world.run()
  const { host, fake } = world
  const [path, whole] = [conf(9090), host.readText(conf(9090)) ?? '']
  const call = (method: string) =>
    fake.requests(
      {
        socketPath: '/var/run/supervisor.sock',
        method: 'POST',
        path: '/RPC2',
        body: `<methodName>supervisor.${method}</methodName><param><value><string>shop-9090</string></value></param>`,
      },
      host,
    )
  /** Does the same as `supervisorctl update`. */
  const update = () => {
    call('reloadConfig')
    call('stopProcess')
    host.clock += 5
    call('removeProcessGroup')
    call('addProcessGroup')
    host.clock += 5
  }
  update()
  host.forgetAnswers()
  t.equal((await world.run()).outcome, 'unchanged', 'the same text was loaded')
  host.writeFile(path, whole.replace('SECRET="x"', 'SECRET="y"'), { mode: '0600' })
  update()
  host.writeFile(path, whole, { mode: '0600' })
  t.equal((await world.run()).outcome, 'changed')
  t.strictSame(world.up(), ['shop-9091'])
  t.strictSame(world.gaps, [])
  t.equal((await world.run()).outcome, 'unchanged')
})

t.test('reloads an upstream file that was changed, loaded and restored by hand', async (t) => {
  const world = new World()
  await world.run()
  const { host, fake } = world
  const whole = host.readText(upstream) ?? ''
  const reload = () => {
    const text = ['nginx', 'HUP'].map((word) => `<param><value><string>${word}</string></value></param>`).join('')
    const body = `<methodName>supervisor.signalProcess</methodName>${text}`
    fake.requests({ socketPath: '/var/run/supervisor.sock', method: 'POST', path: '/RPC2', body }, host)
    world.port = Number(/127\.0\.0\.1:(\d+)/.exec(host.readText(upstream) ?? '')?.[1])
  }
  host.writeFile(upstream, whole.replace('9090', '9999'))
  reload()
  host.writeFile(upstream, whole)
  t.equal(world.port, 9999)
  const report = await world.run()
  t.strictSame(
    report.resources.map(({ words }) => words),
    ['reload the web server'],
  )
  t.equal(world.port, 9090)
  t.strictSame(world.up(), ['shop-9090'], 'the process stays')
  t.equal((await world.run()).outcome, 'unchanged')
})

t.test('starts another process only for a new release, cause, environment or command', async (t) => {
  const world = new World()
  const ports: (number | null)[] = []
  const changes: [more: object, cause?: string][] = [
    [{}],
    [{}],
    [{ release: 'two' }],
    [{ release: 'two' }, 'two'],
    [{ release: 'two', environment: { PORT: '%{port}' } }, 'two'],
    [{ release: 'two', environment: { PORT: '%{port}' }, force: 'restart 1' }, 'two'],
    [{ release: 'two', environment: { PORT: '%{port}' }, force: 'restart 1' }, 'two'],
    [{ release: 'two', environment: { PORT: '%{port}' } }, 'two'],
  ]
  for (const [more, cause] of changes) {
    t.strictSame(failureOf(await world.run(more, cause)), undefined)
    ports.push(world.port)
  }
  t.strictSame(ports, [9090, 9090, 9091, 9090, 9091, 9090, 9090, 9090])
  t.strictSame(world.gaps, [])
})

t.test('starts the current process again after it was stopped by hand', async (t) => {
  const world = new World()
  await world.run()
  world.fake.giveUp(world.host, 'shop-9090')
  // Cached answers are valid until the next change, and this change was not made by the run.
  world.host.writeFile('/srv/else', '')
  const report = await world.run()
  t.strictSame(patchOf(report), ['add /up/0 = 9090'])
  t.equal(report.resources[0]?.words, 'start on port 9090')
  t.strictSame(world.up(), ['shop-9090'])
})

t.test('stops a new process that does not come up, and keeps the old one', async (t) => {
  for (const [behaviour, message] of [
    [{ status: 500 }, /was not ready within 20 s \(http:\/\/127\.0\.0\.1:9091\/\S* answered with HTTP status 500\)/],
    [{ dies: { after: 0, as: 'FATAL' } }, /ended right after its start/],
    [{ fault: 20 }, /the file is not there/],
  ] as const) {
    const world = new World({ 'shop-9091': behaviour })
    await world.run()
    const failed = failureOf(await world.run({ directory: '/srv/shop/2' })) as Record<string, string>
    t.match(failed.message, message)
    t.match(failed.message, /; it was stopped, and port 9090 continues to serve the previous version$/)
    t.match(failed.output, /log of shop-9091|^$/)
    t.strictSame(world.up(), ['shop-9090'])
    t.equal(world.port, 9090)
    t.match(world.host.readText(conf(9091)), 'autostart=false')
    t.equal((await world.run()).outcome, 'unchanged', 'a second run changes nothing')
    t.strictSame(world.gaps, [])
  }
})

t.test('changes nothing if the configuration of the web server is broken', async (t) => {
  const world = new World()
  await world.run()
  const before = world.host.readText(upstream)
  world.broken = 'unknown directive "lsten"'
  const failed = failureOf(await world.run({ directory: '/srv/shop/2' })) as Record<string, string>
  t.match(failed, { code: 'CHECK_FAILED', output: /lsten/, message: /configuration of nginx is broken: nginx -t/ })
  t.equal(world.host.readText(upstream), before)
  t.equal(world.host.lstat(conf(9091)), null)
  t.strictSame(world.up(), ['shop-9090'])
  world.broken = ''
  t.equal((await world.run({ directory: '/srv/shop/2' })).outcome, 'changed')
})

t.test('restores an upstream file that the web server refuses', async (t) => {
  const world = new World()
  await world.run()
  const before = world.host.readText(upstream)
  const commands = { checks: 0 }
  Object.defineProperty(world, 'broken', { get: () => (commands.checks++ > 0 ? 'no' : '') })
  const failed = failureOf(await world.run({ directory: '/srv/shop/2' })) as Record<string, string>
  t.match(failed, { code: 'CHECK_FAILED', message: /it was stopped, and port 9090 continues to serve/ })
  t.equal(world.host.readText(upstream), before)
  t.strictSame(world.up(), ['shop-9090'])
})

t.test('fails if another process uses a port', async (t) => {
  const table = (port: number) =>
    `  sl  local_address\n   0: 0100007F:${port.toString(16).toUpperCase()} 00000000:0000 0A 0:0 0:0 0 0 0 1\n`
  const world = new World()
  await world.run()
  world.host.given('/proc/net/tcp', table(9091))
  const changes = world.host.changes.length
  const failed = failureOf(await world.run({ directory: '/srv/shop/2' }))
  t.match(failed, { code: 'PORT_TAKEN', message: /port 9091.* is taken by another process/, hint: /sport = :9091/ })
  t.equal(world.host.changes.length, changes, 'nothing was touched')
  t.equal((await world.run()).outcome, 'unchanged', 'it matters only when it is needed')
  world.host.given('/proc/net/tcp', table(80))
  t.equal((await world.run({ directory: '/srv/shop/2' })).outcome, 'changed')
})

t.test('waits for connections of the old process, and closes them at the deadline', async (t) => {
  const connection = '   0: 0100007F:2382 0100007F:C9F0 01 0:0 0:0 0 0 0 1\n'
  const world = new World()
  await world.run()
  world.host.given('/proc/net/tcp', connection)
  const began = world.host.clock
  const report = await world.run({ directory: '/srv/shop/2', stopDeadline: seconds(45) })
  t.ok(world.host.clock - began > 45, 'as long as it may')
  t.match(report.warnings, [
    /port 9090 still had 1 connections after 45 s, and they are cut \(set a longer stop_deadline_seconds\)$/,
  ])
  t.strictSame(world.up(), ['shop-9091'])
})

t.test('loses no request when killed at any change, and the next run reaches the same state', async (t) => {
  const next = { directory: '/srv/shop/2' }
  for (const after of [next, { directory: '/srv/shop/3' }, { directory: props.directory }])
    for (let at = 1; ; at++) {
      const world = new World()
      await world.run()
      world.killAt = at
      const killed = await world.run(next)
      if (killed.outcome !== 'failed') {
        t.ok(at > 10, `${at} changes to be killed at`)
        break
      }
      world.killAt = Number.POSITIVE_INFINITY
      if (!world.answers()) t.fail(`killed at ${at}: visitors got nothing`)
      const repaired = await world.run(after)
      t.strictSame(failureOf(repaired), undefined, `killed at ${at}`)
      const again = await world.run(after)
      if (again.outcome !== 'unchanged') t.fail(`killed at ${at}: there is still something to do`)
      t.strictSame(world.up(), [`shop-${world.port}`], `killed at ${at}: one process, and visitors are sent to it`)
      t.match(world.host.readText(conf(world.port ?? 0)), `directory=${after.directory}`)
      t.strictSame(world.gaps, [], `killed at ${at}`)
    }
})

t.test('loses no request when the disk is full at any change, and the next run reaches the same state', async (t) => {
  const next = { directory: '/srv/shop/2' }
  for (const length of [1, 2, Number.POSITIVE_INFINITY])
    for (let at = 1; ; at++) {
      const world = new World()
      await world.run()
      world.full = { from: at, to: at + length }
      const failed = await world.run(next)
      if (failed.outcome !== 'failed') {
        t.ok(at > 10, `${at} changes that fail`)
        break
      }
      const { message } = failureOf(failed) as { message: string }
      world.full.from = Number.POSITIVE_INFINITY
      const where = `${length} changes fail from ${at} on: ${message}`
      if (!world.answers()) t.fail(`${where}: visitors got nothing`)
      if (/port 9090 continues to serve/.test(message)) t.equal(world.port, 9090, where)
      if (/port 9091 is already current/.test(message)) t.match(world.host.readText(upstream), '127.0.0.1:9091', where)
      t.strictSame(failureOf(await world.run(next)), undefined, where)
      t.equal((await world.run(next)).outcome, 'unchanged', where)
      t.strictSame(world.up(), [`shop-${world.port}`], where)
      t.strictSame(world.gaps, [], where)
    }
})

t.test('repairs truncated program files before supervisord reads them', async (t) => {
  const whole = new World()
  await whole.run()
  const text = whole.host.readText(conf(9090)) ?? ''
  const ends = [text.indexOf('SECRET') + 3, text.indexOf('SECRET="') + 8, text.indexOf('stopsignal=T') + 12]
  for (const end of ends) {
    const world = new World()
    await world.run()
    await world.run({ release: 'two' })
    const kept = [conf(9090), conf(9091)]
    for (const path of kept) world.host.writeFile(path, (world.host.readText(path) ?? '').slice(0, end))
    const broken: string[] = []
    world.beforeReread = () => {
      broken.push(...kept.filter((path) => !/\nredirect_stderr=true\n/.test(world.host.readText(path) ?? '')))
    }
    t.strictSame(failureOf(await world.run({ release: 'three' })), undefined)
    t.strictSame(broken, [], text.slice(0, end))
    t.equal(world.up().length, 1)
    t.equal((await world.run({ release: 'three' })).outcome, 'unchanged')
  }
})

t.test('repairs a damaged program file of the idle port, and starts nothing', async (t) => {
  const whole = new World()
  await whole.run()
  await whole.run({ release: 'two' })
  const idle = conf(9090)
  const text = whole.host.readText(idle) ?? ''
  const damage = fc.oneof(
    fc.nat(text.length - 1).map((end) => text.slice(0, end)),
    fc.nat(text.length).map((at) => `${text.slice(0, at)}\0garbage\n${text.slice(at)}`),
    fc.constantFrom(...text.split('\n').filter((line) => line !== '')).map((line) => text.replace(`${line}\n`, '')),
    fc.constantFrom(
      '',
      '\n',
      'x',
      '[program:shop-9090]\n',
      '[program:other]\ncommand=x\n',
      text.replace('autostart=', 'a='),
    ),
  )
  const check = async (damaged: string, killAt: number) => {
    const world = new World()
    await world.run()
    await world.run({ release: 'two' })
    world.host.writeFile(idle, damaged)
    const before = world.up()
    const dry = await run(world.plan({ release: 'two' }), new VirtualHost({ base: world.host }), 'plan')
    world.killAt = killAt
    const [mark, report] = [world.host.changes.length, await world.run({ release: 'two' })]
    world.killAt = Number.POSITIVE_INFINITY
    if (failureOf(report) === undefined) t.strictSame(patchOf(report), patchOf(dry), JSON.stringify(damaged))
    else t.strictSame(failureOf(await world.run({ release: 'two' })), undefined, JSON.stringify(damaged))
    const now = world.host.readText(idle) ?? ''
    t.ok(isReadable(now) && /^autostart=false$/m.test(now), JSON.stringify([damaged, now]))
    t.strictSame(world.up(), before)
    t.notMatch(world.host.changes.slice(mark).join('\n'), /startProcess|stopProcess|signalProcess/)
    t.equal((await world.run({ release: 'two' })).outcome, 'unchanged')
  }
  await fc.assert(fc.asyncProperty(damage, fc.constantFrom(99, 1, 2, 3, 4), check), { numRuns: 60 })
})

t.test('refuses invalid properties', async (t) => {
  for (const [more, message] of [
    [{ ports: [9090, 9090] }, /two different ports/],
    [{ command: 'server', environment: {} }, /must contain %\{port\}/],
    [{ upstream: { path: upstream, name: 'a b' } }, /letters, digits/],
    [{ environment: { A: `"'` } }, /without a quote at either end/],
  ] as const)
    t.throws(() => planOf((r) => void port_swap(r, { ...props, ...more } as never)), { message })
})
