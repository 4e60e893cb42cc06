/**
 * Tests drift that somebody loads manually, with random events and kills: in the end every service has loaded the
 * declared configuration, and the next run changes nothing.
 */
import fc from 'fast-check'
import t from 'tap'
import { compile } from '../../../core/compile/compile.ts'
import { type Recipe, role } from '../../../core/compile/role.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import type { Handle } from '../../../core/model/resource.ts'
import { execute } from '../../../resources/commands/execute.ts'
import { file } from '../../../resources/files/file.ts'
import { service_reload } from '../../../resources/services/service_reload.ts'
import { service_restart } from '../../../resources/services/service_restart.ts'
import { supervisor_program } from '../../../resources/supervisor/supervisor_program.ts'
import { failureOf, run } from '../../support/contract.ts'
import { FakeSupervisor } from '../../support/fake_supervisor.ts'
import { probe } from '../../support/faulty_resource.ts'

const runs = Number(process.env.PROPERTY_RUNS ?? 300)
const files = ['/srv/a', '/srv/b'] as const
const programFile = '/etc/supervisor/conf.d/client.conf'

/** A host that records which file contents each service loaded last. */
class World {
  readonly loaded: Record<string, string> = {}
  private readonly supervisor = new FakeSupervisor()
  private killAt = Number.POSITIVE_INFINITY
  private dead = false
  private count = 0
  private turn = 0
  private readonly whole = new Map<string, string | null>()
  /** Services that may have loaded a file that was later restored manually. */
  readonly excused = new Set<string>()
  readonly host: VirtualHost = new VirtualHost({
    requests: (options, host) => this.supervisor.requests(options, host),
    commands: ([program = '', name = '', verb = '']) => {
      if (program === 'load') this.load('execute')
      if (program === 'service' && verb !== 'status') this.load(name)
      return {}
    },
    beforeChange: () => {
      if (++this.count >= this.killAt) this.dead = true
      if (this.dead) throw new Error('killed')
    },
  })

  constructor() {
    this.host.given('/srv', null).given('/etc/supervisor/conf.d', null).given('/etc/init.d/web', '', '0755')
  }

  text(): string {
    return files.map((path) => this.host.readText(path)).join('|')
  }

  load(name: string): void {
    this.loaded[name] = this.text()
  }

  /** Does the same as `supervisorctl update`, and reloads all other services. */
  async loadByHand(): Promise<void> {
    for (const name of ['execute', 'web', 'gate']) this.load(name)
    const call = (method: string) =>
      this.supervisor.requests(
        {
          socketPath: '/var/run/supervisor.sock',
          method: 'POST',
          path: '/RPC2',
          body: `<methodName>supervisor.${method}</methodName><param><value><string>client</string></value></param>`,
        },
        this.host,
      )
    for (const method of ['reloadConfig', 'stopProcess', 'removeProcessGroup', 'addProcessGroup', 'startProcess'])
      call(method)
    this.host.forgetAnswers()
  }

  /** Restores a file from the last successful run; `execute` and gates cannot detect that. */
  restore(path: string): void {
    const content = this.whole.get(path)
    if (content == null) return
    this.host.writeFile(path, content, { mode: path === programFile ? '0600' : '0644' })
    this.host.forgetAnswers()
    if (path !== programFile) for (const name of ['execute', 'gate']) this.excused.add(name)
  }

  /** Returns the configuration that the program runs with, and the text of its file. */
  program(): readonly [string | undefined, string | null] {
    return [this.supervisor.processes(this.host).client?.config, this.host.readText(programFile)]
  }

  async converge(event: string, value: string, killAt = Number.POSITIVE_INFINITY) {
    Object.assign(this, { killAt, count: 0, dead: false })
    const report = await run(this.plan(event, value), this.host)
    Object.assign(this, { killAt: Number.POSITIVE_INFINITY, dead: false })
    if (report.outcome !== 'failed')
      for (const path of [...files, programFile]) this.whole.set(path, this.host.readText(path))
    return report
  }

  async dryRun(event: string, value: string) {
    return run(this.plan(event, value), new VirtualHost({ base: this.host }), 'plan')
  }

  private plan(event: string, value: string) {
    const written = (r: Recipe<unknown>): Handle[] => files.map((path) => file(r, { path, content: value }))
    const declared = role<unknown>('test', {
      // Writes files for which only `configure` declares services.
      setup: (r) => void written(r),
      configure: (r) => {
        const when = written(r)
        const client = supervisor_program(r, { name: 'client', command: 'x', environment: { VALUE: value } })
        const provider = { kind: 'supervisor' as const }
        service_restart(r, { provider, services: [{ name: 'client', configuration: client.digest }] })
        service_reload(r, { name: 'web', when })
        execute(r, { name: 'load', command: ['load'], when })
        // Finds a difference each time its gate is open.
        const gate = probe({ apply: () => this.load('gate') }, 'gate')
        gate(r, { name: 'gate', value: `${++this.turn}`, when })
      },
    })
    return compile([declared], [event], {})
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('drift' as const),
    path: fc.constantFrom(...files, programFile),
    how: fc.constantFrom('edit', 'truncate', 'delete', 'chmod'),
  }),
  fc.record({ kind: fc.constant('load' as const) }),
  // Restores a file manually, as the last complete run left it.
  fc.record({ kind: fc.constant('restore' as const), path: fc.constantFrom(...files, programFile) }),
  fc.record({
    kind: fc.constant('converge' as const),
    event: fc.constantFrom('setup', 'configure'),
    value: fc.constantFrom('A', 'C'),
    killAt: fc.option(fc.integer({ min: 1, max: 25 }), { nil: undefined }),
  }),
)

async function take(world: World, one: typeof step extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const { host } = world
  if (one.kind === 'load') return world.loadByHand()
  if (one.kind === 'restore') return world.restore(one.path)
  if (one.kind === 'converge') return void (await world.converge(one.event, one.value, one.killAt))
  if (one.how === 'delete') host.remove(one.path)
  else if (one.how === 'chmod' && host.stat(one.path) !== null) host.setMode(one.path, '0640')
  else host.writeFile(one.path, one.how === 'truncate' ? '' : 'B')
}

/** Lists differences between loaded and declared values; empty if they agree. */
function differences(world: World, value: string): string[] {
  const expected = files.map(() => value).join('|')
  const [runs, message] = world.program()
  return [
    ...['execute', 'web', 'gate'].flatMap((name) =>
      world.loaded[name] === expected || world.excused.has(name) ? [] : [name],
    ),
    ...(runs === message && message?.includes(`VALUE="${value}"`) ? [] : ['client']),
  ]
}

t.test('after any history, services have loaded the declared content', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.constantFrom('A', 'C'), async (steps, value) => {
      const world = new World()
      await world.converge('configure', 'A')
      for (const one of steps) await take(world, one)
      const planned = await world.dryRun('configure', value)
      const last = await world.converge('configure', value)
      const named = ({ resources }: typeof last) => resources.map(({ name }) => name).join()
      if (named(planned) !== named(last)) throw new Error(`planned ${named(planned)}, did ${named(last)}`)
      if (failureOf(last) !== undefined) throw new Error(JSON.stringify(failureOf(last)))
      const wrong = differences(world, value)
      if (wrong.length > 0) throw new Error(`not loaded: ${wrong}`)
      if ((await world.converge('configure', value)).outcome !== 'unchanged') throw new Error('still something to do')
      if ((await world.converge('setup', value)).outcome !== 'unchanged') throw new Error('setup has something to do')
    }),
    { numRuns: runs },
  )
  t.pass(`${runs} sequences`)
})

t.test('a run that is killed anywhere repairs loaded drift', async (t) => {
  for (const event of ['setup', 'configure'])
    for (let at = 1; ; at++) {
      const world = new World()
      await world.converge('configure', 'A')
      for (const path of [...files, programFile]) world.host.writeFile(path, 'B')
      await world.loadByHand()
      const { outcome } = await world.converge(event, 'A', at)
      await world.loadByHand()
      t.match((await world.converge('configure', 'A')).outcome, /^(un)?changed$/)
      t.strictSame(differences(world, 'A'), [], `${event} killed at change ${at}`)
      t.equal((await world.converge('configure', 'A')).outcome, 'unchanged')
      if (outcome !== 'failed') break
    }
})

t.test('restarts once a program that was changed, loaded and restored by hand', async (t) => {
  for (const how of ['edit', 'truncate', 'delete'] as const) {
    const world = new World()
    await world.converge('configure', 'A')
    await take(world, { kind: 'drift', path: programFile, how })
    await world.loadByHand()
    world.restore(programFile)
    t.strictSame(differences(world, 'A'), ['client'], how)
    const [planned, done] = [await world.dryRun('configure', 'A'), await world.converge('configure', 'A')]
    const named = ({ resources }: typeof done) => resources.map(({ name }) => name)
    t.strictSame(named(done), ['service_restart client'])
    t.strictSame(named(planned), named(done))
    t.strictSame(differences(world, 'A'), [])
    t.equal((await world.converge('configure', 'A')).outcome, 'unchanged')
  }
})

t.test('reloads once a file that was changed, loaded and restored by hand', async (t) => {
  for (const how of ['edit', 'truncate', 'delete'] as const) {
    const world = new World()
    await world.converge('configure', 'A')
    await take(world, { kind: 'drift', path: '/srv/a', how })
    await world.loadByHand()
    world.restore('/srv/a')
    t.strictSame(differences(world, 'A'), ['web'], how)
    const [planned, done] = [await world.dryRun('configure', 'A'), await world.converge('configure', 'A')]
    const named = ({ resources }: typeof done) => resources.map(({ name }) => name)
    t.strictSame(named(done), ['service_reload web'])
    t.strictSame(named(planned), named(done))
    t.strictSame(differences(world, 'A'), [])
    t.equal((await world.converge('configure', 'A')).outcome, 'unchanged')
  }
})

t.test('does not restart a program that somebody restarted with the same configuration', async (t) => {
  const world = new World()
  await world.converge('configure', 'A')
  await world.loadByHand()
  t.equal((await world.converge('configure', 'A')).outcome, 'unchanged')
})
