/** Tests two servers on one host: damaged files of the second do not make the run fail at the first. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { derived } from '../../../core/model/reference.ts'
import { seconds } from '../../../core/model/units.ts'
import { file } from '../../../resources/files/file.ts'
import { port_swap } from '../../../resources/port_swap/port_swap.ts'
import { isReadable } from '../../../resources/supervisor/sections.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { type Behaviour, FakeSupervisor } from '../../support/fake_supervisor.ts'

const programs = '/etc/supervisor/conf.d'
const upstreams = '/etc/nginx/conf.d'
const servers = { blog: [9000, 9001], shop: [9090, 9091] } as const
type Release = Readonly<Record<keyof typeof servers | 'worker', string>>
const before: Release = { blog: 'one', shop: 'one', worker: 'one' }
const after: Release = { ...before, blog: 'two' }

const behaviour = (name: string): Behaviour => {
  const port = Number(/-(\d+)$/.exec(name)?.[1] ?? 0)
  return port === 0 ? {} : { port, startsecs: 1, readyAfter: 1, stopAfter: 1 }
}

class World {
  readonly fake = new FakeSupervisor({ running: ['nginx'], programs: behaviour })
  readonly host: VirtualHost
  killAt = Number.POSITIVE_INFINITY
  changes = 0

  constructor() {
    this.host = new VirtualHost({
      requests: (options, host) => {
        // As the real supervisord: if it cannot read one file, it refuses to load any.
        if (/reloadConfig/.test(options.body ?? '') && this.unreadable().length > 0)
          return { status: 200, headers: {}, body: refused }
        return this.fake.requests(options, host)
      },
      commands: () => (this.brokenUpstreams().length === 0 ? {} : { status: 1, stderr: `${this.brokenUpstreams()}` }),
      beforeChange: (_, what) => {
        if (++this.changes >= this.killAt) throw new Error(`killed before ${what}`)
      },
    })
    this.host.given(`${programs}/nginx.conf`, '[program:nginx]\ncommand=nginx\nautostart=true\n').given(upstreams, null)
  }

  unreadable(): string[] {
    return this.filesIn(programs).filter((path) => !isReadable(this.host.readText(path) ?? ''))
  }

  brokenUpstreams(): string[] {
    const isWhole = (path: string) => /^upstream \w+ \{\n.*;\n\}\n$/m.test(this.host.readText(path) ?? '')
    return this.filesIn(upstreams).filter((path) => !isWhole(path))
  }

  filesIn(directory: string): string[] {
    return this.host.list(directory).map((name) => `${directory}/${name}`)
  }

  /** A plan whose last program is known only during the run. */
  plan(release: Release) {
    return planOf((r) => {
      for (const name of ['blog', 'shop'] as const) {
        const releaseFile = file(r, { path: `/srv/${name}`, content: release[name] })
        port_swap(r, {
          name,
          ports: [...servers[name]],
          command: [`/srv/${name}/server`, '%{port}'],
          release: releaseFile.digest,
          upstream: { path: `${upstreams}/${name}.conf`, name },
          reload: { name: 'nginx', provider: { kind: 'supervisor' }, check: ['nginx', '-t'] },
          deadline: seconds(20),
        })
      }
      const releaseFile = file(r, { path: '/srv/worker', content: release.worker })
      supervisor_program(r, { name: 'worker', command: '/bin/worker', environment: { RELEASE: releaseFile.digest } })
    })
  }

  async run(release: Release) {
    this.changes = 0
    return run(this.plan(release), this.host)
  }

  up(): string[] {
    return Object.entries(this.fake.states(this.host))
      .filter(([, state]) => state === 'RUNNING')
      .map(([name]) => name)
      .sort()
  }
}

const refused =
  '<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>92</int></value></member>' +
  '<member><name>faultString</name><value><string>CANT_REREAD: File contains no section headers.</string></value></member></struct></value></fault></methodResponse>'

const damages: readonly ((text: string) => string)[] = [
  () => '',
  () => '\0'.repeat(40),
  (text) => text.slice(0, text.length / 2),
  (text) => text.slice(text.length / 2),
  (text) => `${text}<<<<<<< HEAD\n`,
]

/** The files of the second server, and of a program after it. */
const files: Readonly<Record<string, string>> = {
  'the idle program': `${programs}/shop-9090.conf`,
  'the program that serves': `${programs}/shop-9091.conf`,
  'the upstream': `${upstreams}/shop.conf`,
  'a program whose text is known only during the run': `${programs}/worker.conf`,
}

async function converged(): Promise<World> {
  const world = new World()
  await world.run({ ...before, shop: 'zero' })
  await world.run(before)
  return world
}

for (const [name, path] of Object.entries(files))
  t.test(`damaged: ${name}`, async (t) => {
    for (const [index, damage] of damages.entries())
      for (const release of [before, after]) {
        const world = await converged()
        const what = `damage ${index}, ${release.blog}`
        world.host.writeFile(path, damage(world.host.readText(path) ?? ''), { mode: '0600' })
        const dry = await run(world.plan(release), new VirtualHost({ base: world.host }), 'plan')
        const report = await world.run(release)
        t.strictSame(failureOf(report), undefined, what)
        t.strictSame(patchOf(report), patchOf(dry), what)
        t.strictSame([world.unreadable(), world.brokenUpstreams()], [[], []], what)
        const again = await world.run(release)
        t.strictSame([again.outcome, patchOf(again)], ['unchanged', []], what)
        t.equal(world.up().filter((one) => /^(blog|shop)/.test(one)).length, 2, what)
      }
  })

t.test('reaches the same state in the next run when killed at any change', async (t) => {
  for (const path of Object.values(files))
    for (let at = 1; at < 200; at++) {
      const world = await converged()
      world.host.writeFile(path, '\0', { mode: '0600' })
      world.killAt = at
      const killed = await world.run(after)
      world.killAt = Number.POSITIVE_INFINITY
      if (failureOf(killed) === undefined) break
      t.strictSame(failureOf(await world.run(after)), undefined, `${path}, killed at ${at}`)
      t.equal((await world.run(after)).outcome, 'unchanged', `${path}, killed at ${at}`)
    }
})

t.test('leaves a file of others unchanged', async (t) => {
  const world = await converged()
  const path = `${programs}/other.conf`
  world.host.writeFile(path, 'garbage\n')
  t.match(failureOf(await world.run(after)), { code: 'SUPERVISOR_CANT_REREAD' })
  t.equal(world.host.readText(path), 'garbage\n')
})

t.test('checks paths and ports that are known only during the run in the run', async (t) => {
  const { host } = new World()
  const plan = planOf((r) => {
    const releaseFile = file(r, { path: '/srv/shop', content: 'x' })
    const known = <T>(value: T) => derived(releaseFile.digest, () => value)
    port_swap(r, {
      name: 'shop',
      ports: known([9090, 9091] as [number, number]),
      command: ['/srv/shop/server', '%{port}'],
      upstream: { path: known(`${upstreams}/shop.conf`), name: 'shop' },
      deadline: seconds(20),
    })
  })
  t.strictSame(failureOf(await run(plan, host)), undefined)
  t.equal((await run(plan, host)).outcome, 'unchanged')
})
