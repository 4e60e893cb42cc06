/** Tests the engine: changes, guards, failures, interrupts and handlers of a run. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import type { Check } from '../../../core/model/resource.ts'
import type { Handlers } from '../../../core/report/events.ts'
import { file } from '../../../resources/files/file.ts'
import { failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { fault, probe } from '../../support/faulty_resource.ts'

const exists = (path: string): Check => ({
  description: `${path} exists`,
  check: (host) => host.lstat(path) !== null,
})
const outcomes = (report: Awaited<ReturnType<typeof run>>) =>
  report.resources.map(({ name, outcome }) => [name, outcome])

t.test('a run reports its changes, and a second one has nothing to do', async (t) => {
  const thing = probe()
  const plan = planOf((r) => {
    thing(r, { name: 'a', value: 'x' })
    thing(r, { name: 'b', value: 'y' })
  })
  const host = new VirtualHost()
  host.given('/srv/a', 'x')
  const report = await run(plan, host)
  t.match(report, { id: 'test', mode: 'run', outcome: 'changed', roles: ['test'], events: ['deploy'], warnings: [] })
  t.match(report.counts, { changed: 1, unchanged: 1, planned: 0, unknown: 0, skipped: 0, failed: 0, notReached: 0 })
  t.strictSame(patchOf(report), ['replace /value = "y"'])
  t.equal((await run(plan, host)).outcome, 'unchanged')
})

t.test('evaluates boolean guards at once, and checks in their turn', async (t) => {
  const thing = probe()
  const plan = planOf((r) => {
    thing(r, { name: 'yes', onlyIf: true, notIf: false })
    thing(r, { name: 'no', onlyIf: false })
    thing(r, { name: 'neither', notIf: true })
    thing(r, { name: 'early', onlyIf: exists('/srv/made') })
    thing(r, { name: 'made', value: '1' })
    thing(r, { name: 'late', onlyIf: exists('/srv/made') })
    thing(r, { name: 'not', notIf: exists('/srv/made') })
  })
  const host = new VirtualHost()
  const dry = await run(plan, new VirtualHost({ base: host }), 'plan')
  const real = await run(plan, host)
  t.strictSame(
    real.resources.map(({ key, outcome, reason }) => [key, outcome, reason]),
    [
      ['yes', 'changed', undefined],
      ['no', 'skipped', 'only if is false for this node'],
      ['neither', 'skipped', 'not if is true for this node'],
      ['early', 'skipped', 'only if /srv/made exists'],
      ['made', 'changed', undefined],
      ['late', 'changed', undefined],
      ['not', 'skipped', 'not if /srv/made exists'],
    ],
  )
  t.strictSame(
    dry.resources.map(({ reason }) => reason),
    real.resources.map(({ reason }) => reason),
    'the dry run saw the same',
  )
})

t.test('a failed guard fails its resource', async (t) => {
  const thing = probe()
  const broken: Check = { description: 'it works', check: () => Promise.reject(fault('no answer')) }
  const report = await run(
    planOf((r) => {
      thing(r, { name: 'a', onlyIf: broken })
    }),
    new VirtualHost(),
  )
  t.match(failureOf(report), { message: 'no answer', resource: 'probe a', source: { file: /engine\.test/ } })
})

t.test('reports a resource type that does not converge', async (t) => {
  const liar = probe({ appliesNothing: true })
  const report = await run(
    planOf((r) => {
      liar(r, { name: 'a', value: 'said' })
    }),
    new VirtualHost(),
  )
  t.match(failureOf(report), { code: 'NOT_CONVERGED', attempted: 'read back', output: /replace.*\/value.*said/ })
  t.equal(report.outcome, 'failed')
})

t.test('a failure ends the run', async (t) => {
  const thing = probe({
    apply: (count) => {
      if (count === 2) throw fault()
    },
  })
  const plan = planOf((r) => {
    for (const name of ['a', 'b', 'c', 'd']) thing(r, { name })
  })
  const report = await run(plan, new VirtualHost())
  t.strictSame(outcomes(report), [
    ['probe a', 'changed'],
    ['probe b', 'failed'],
  ])
  t.match(report, { outcome: 'failed', counts: { notReached: 2 } })
})

t.test('an error of JavaScript in a resource type names its line', async (t) => {
  const thing = probe({
    apply: () => {
      throw new TypeError('x is not a function')
    },
  })
  const report = await run(
    planOf((r) => {
      thing(r, { name: 'a' })
    }),
    new VirtualHost(),
  )
  t.match(failureOf(report), {
    code: 'USER_CODE_FAILED',
    message: /^the resource type \w+ threw TypeError: x is not a function$/,
    output: /at .*\.ts:\d+/,
  })
})

t.test('an interrupt finishes the current resource, and begins no other', async (t) => {
  let isInterrupted = false
  const thing = probe({
    apply: (count) => {
      isInterrupted = count === 2
    },
  })
  const plan = planOf((r) => {
    for (const name of ['a', 'b', 'c']) thing(r, { name })
  })
  const host = new VirtualHost()
  const report = await converge(plan, host, { id: 'i', mode: 'run', interrupted: () => isInterrupted })
  t.match(report, { outcome: 'interrupted', counts: { changed: 2, notReached: 1 } })
  t.equal(host.readText('/srv/b'), '')
  t.match(await run(plan, host), { outcome: 'changed', counts: { unchanged: 2, changed: 1 } })
})

t.test('calls handlers in order', async (t) => {
  const received: string[] = []
  const handler: Handlers = {
    start: ({ id, mode, resources }) => received.push(`start ${id} ${mode} ${resources}`),
    applying: (name) => received.push(`applying ${name}`),
    progress: (name, line) => received.push(`progress ${name}: ${line}`),
    resource: ({ name, outcome }) => received.push(`${outcome} ${name}`),
    warn: (message) => received.push(`warn ${message}`),
    end: ({ outcome }) => received.push(`end ${outcome}`),
  }
  const thing = probe({
    apply: (_, { progress, warn }) => {
      progress('half way')
      warn('careful')
      warn('careful')
    },
  })
  const plan = planOf((r) => {
    r.warn('of the recipe')
    thing(r, { name: 'a' })
    thing(r, { name: 'b', onlyIf: false })
    file(r, { path: '/etc/passwd', content: 'root:x:0:0:root:/root:/bin/bash\n' })
  })
  const report = await converge(plan, new VirtualHost(), {
    id: '7',
    mode: 'run',
    handlers: [handler, { end: () => received.push('second') }],
  })
  t.strictSame(received, [
    'start 7 run 3',
    'warn of the recipe',
    'applying probe a',
    'progress probe a: half way',
    'warn probe a: careful',
    'changed probe a',
    'skipped probe b',
    'unchanged file /etc/passwd',
    'end changed',
    'second',
  ])
  t.strictSame(report.warnings, ['of the recipe', 'probe a: careful'])
})

t.test('a handler that throws ends the run with its error', async (t) => {
  const plan = planOf((r) => {
    file(r, { path: '/srv/a', content: '' })
  })
  for (const handler of [
    {
      resource: () => {
        throw fault('disk full')
      },
    },
    {
      end: () => {
        throw fault('disk full')
      },
    },
  ])
    await t.rejects(converge(plan, new VirtualHost(), { id: 'x', mode: 'run', handlers: [handler] }), {
      message: 'disk full',
    })
})

t.test('handlers get contents for a diff, and the report does not', async (t) => {
  const reads: unknown[] = []
  const plan = planOf((r) => {
    file(r, { path: '/srv/a', content: 'new\n' })
    file(r, { path: '/srv/b', content: 'hush\n', sensitive: true })
  })
  const host = new VirtualHost()
  host.given('/srv/a', 'old\n')
  const report = await converge(plan, host, {
    id: 'x',
    mode: 'run',
    handlers: [{ resource: ({ texts }) => reads.push(texts) }],
  })
  t.strictSame(reads, [{ before: 'old\n', after: 'new\n' }, null])
  t.notOk(report.resources.some((resource) => 'texts' in resource))
})
