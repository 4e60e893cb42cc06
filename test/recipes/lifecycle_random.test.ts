/** Tests that after any history, one undisturbed run converges the host to the declared state. */
import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { asConvergeError, InvalidInput } from '../../core/model/errors.ts'
import { intendedStop } from '../../resources/services/stop_record.ts'
import { FakeHost, type FakeHostOptions, set } from '../support/fake_host.ts'
import { nothingToDo, servedBy, settled, succeeded, throwing } from '../support/lifecycle.ts'

type Step =
  | { readonly do: 'push'; readonly broken: boolean }
  | { readonly do: 'move'; readonly to: number }
  | {
      readonly do: 'set'
      readonly clients: number
      readonly cache: number
      readonly worker: boolean
      readonly keep: number
    }
  | { readonly do: 'always'; readonly on: boolean }
  | {
      readonly do: 'run'
      readonly event: string
      readonly to?: number
      readonly killAt?: number
      readonly fails?: boolean
    }
  | { readonly do: 'supervisord dies' }
  | { readonly do: 'crash'; readonly client: number }
  | { readonly do: 'network'; readonly up: boolean }

const events = [
  'the whole way',
  'build',
  'deploy',
  'configure',
  'rollback',
  'restart',
  'stop',
  'start',
  'rebuild',
  'undeploy',
]
const maybe = <T>(value: fc.Arbitrary<T>, freq: number) => fc.option(value, { freq, nil: undefined })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('push' as const), broken: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), to: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      clients: fc.integer({ min: 1, max: 3 }),
      cache: fc.integer({ min: 1, max: 2 }),
      worker: fc.boolean(),
      keep: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('always' as const), on: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc
      .record({
        do: fc.constant('run' as const),
        event: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('deploy', 'rollback') }, fc.constantFrom(...events)),
        to: maybe(fc.nat(5), 3),
        killAt: maybe(fc.integer({ min: 1, max: 60 }), 2),
        fails: maybe(fc.constant(true), 5),
      })
      .map(({ to, killAt, fails, ...rest }) => ({
        ...rest,
        ...(to === undefined ? {} : { to }),
        ...(killAt === undefined ? {} : { killAt }),
        ...(fails === undefined ? {} : { fails }),
      })),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'supervisord dies' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), client: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('network' as const), up: fc.boolean() }) },
)

const both = ['zeo-server', 'zeo-client']
const options: fc.Arbitrary<FakeHostOptions> = fc.record({
  user: fc.constantFrom('root', 'jane'),
  roles: fc.constantFrom(['zeo-client'], both),
  init: fc.constantFrom('other', 'systemd'),
})

class World {
  readonly host: FakeHost
  readonly commits: string[]
  clients = 2
  worker = false
  keep = 5
  /** False after a stop that was killed, until another run finishes it. */
  private stopEnded = true
  private site = {}
  private app: Record<string, unknown> = {}

  constructor(options: FakeHostOptions) {
    this.host = new FakeHost(options)
    this.commits = [this.host.remote.tip()]
  }

  async take(step: Step): Promise<void> {
    const { host } = this
    if (step.do === 'push') this.push(step.broken)
    else if (step.do === 'move') host.remote.move(this.commits[step.to % this.commits.length] ?? '')
    else if (step.do === 'set') this.set(step)
    else if (step.do === 'always') this.app = { ...this.app, always_build_on_deploy: step.on }
    else if (step.do === 'supervisord dies') host.supervisor.endSupervisord(host.machine)
    else if (step.do === 'crash') host.supervisor.giveUp(host.machine, `site-client${step.client}`)
    else if (step.do === 'network') host.remote.reachable = step.up
    else await this.run(step)
    set(host, this.site, this.app)
  }

  private push(broken: boolean): void {
    const commit = this.host.remote.push({ VERSION: `${this.commits.length + 1}\n`, broken: broken ? '' : null })
    this.commits.push(commit)
  }

  private set({ clients, cache, worker, keep }: Step & { do: 'set' }): void {
    Object.assign(this, { clients, worker, keep })
    this.site = { instance_count: clients, zodb_cache_size: cache }
    const command = { name: 'worker', cmd: 'bin/client1', args: 'run worker.py' }
    this.app = { ...this.app, keep_releases: keep, buildout_init_commands: worker ? [command] : [] }
  }

  private async run({ event, to, killAt, fails }: Step & { do: 'run' }): Promise<void> {
    const { host } = this
    host.buildFailure = fails ? 'Error: no network' : null
    const release = to === undefined ? undefined : host.releases()[to]?.id
    const options = { ...(release && event === 'rollback' ? { to: release } : {}), ...(killAt ? { killAt } : {}) }
    try {
      await host.run(event === 'the whole way' ? undefined : [event], options)
    } catch (error) {
      // There may be no release to roll back to, which each role reports.
      const problems = error instanceof InvalidInput ? error.problems : [asConvergeError(error)]
      if (!problems.every(({ code }) => ['NO_SUCH_RELEASE', 'NOT_COMPLETE'].includes(code))) throw error
    }
    host.buildFailure = null
    if (event === 'stop') this.stopEnded = host.killedBefore === null
    else if (event === 'configure' && host.killedBefore === null) this.stopEnded = true
  }

  /** Checks the conditions that are true at any time. */
  check(): void {
    const { host } = this
    for (const app of ['site', 'zeo']) {
      const current = host.currentRelease(app)
      assert.ok(current === undefined || current.complete, `${current?.id} is current, and not complete`)
      const link = host.machine.lstat(`${host.root}/srv/www/${app}/current`)
      assert.ok(current !== undefined || link === null, 'current points to no release')
    }
    for (const [name, { startedIn, state }] of Object.entries(host.processes()))
      if (state === 'RUNNING')
        assert.ok(host.machine.stat(`${startedIn}/.converge/complete`), `${name} runs from an incomplete release`)
    for (const app of ['site', 'zeo'])
      for (const [name, { state }] of Object.entries(host.processes()))
        if (this.stopEnded && name.startsWith(`${app}-`) && intendedStop(host.machine, app) !== null)
          assert.notEqual(state, 'RUNNING', `${name} runs although ${app} was stopped on purpose`)
  }

  /** Checks the conditions that are true after an undisturbed run. */
  async end(events: readonly string[] | undefined): Promise<void> {
    const { host, clients, worker, keep } = this
    host.remote.reachable = true
    if (host.remote.files(host.remote.tip()).broken !== undefined) await this.take({ do: 'push', broken: false })
    await this.take({ do: 'always', on: false })
    succeeded(throwing, await host.run(events))
    const names = ['client1', 'client2', 'client3'].slice(0, clients)
    servedBy(throwing, host, clients, { programs: worker ? ['worker', ...names] : names })
    if (host.options.roles?.includes('zeo-server')) settled(throwing, host, { app: 'zeo', programs: ['zeoserver'] })
    // In addition to those to keep: the current release and the one before it, if they are older.
    assert.ok(
      host.releases().filter(({ complete }) => complete).length <= Math.max(2, keep) + 2,
      'old releases are removed',
    )
    await nothingToDo(throwing, host, events)
  }
}

t.test('any history ends in the declared state', async (t) => {
  const history = fc.array(step, { minLength: 3, maxLength: 14 })
  const last = fc.constantFrom(['deploy'], undefined)
  await fc.assert(
    fc.asyncProperty(options, history, last, async (options, history, last) => {
      const world = new World(options)
      await world.host.run()
      for (const one of history) {
        await world.take(one)
        world.check()
      }
      await world.end(last)
    }),
    { numRuns: 60, seed: 20 },
  )
  t.pass('60 histories were lived through')
})
