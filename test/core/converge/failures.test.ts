/** Tests retries, timeout and ignoreFailure of a resource. */
import t from 'tap'
import { converge } from '../../../core/converge/engine.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { milliseconds, seconds } from '../../../core/model/units.ts'
import { template } from '../../../resources/files/template.ts'
import { failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { fault, probe } from '../../support/faulty_resource.ts'

t.test('retries: waits between attempts, and reports them', async (t) => {
  const thing = probe({
    apply: (count) => {
      if (count <= 2) throw fault(`try ${count}`)
    },
  })
  const plan = planOf((r) => {
    thing(r, { name: 'a', value: 'x', retries: 3, retryDelay: seconds(5) })
  })
  const host = new VirtualHost()
  const before = host.clock
  const notes: string[] = []
  const handlers = [{ note: (message: string) => void notes.push(message) }]
  const report = await converge(plan, host, { id: 'x', mode: 'run', handlers })
  t.match(report, { outcome: 'changed', counts: { changed: 1 }, warnings: [] })
  t.strictSame(notes, ['probe a: try 1; retry 1 of 3', 'probe a: try 2; retry 2 of 3'])
  t.equal(host.clock - before, 10)
  t.strictSame(patchOf(report), ['replace /value = "x"'])
})

t.test('retries: reports the last failure', async (t) => {
  const thing = probe({
    apply: (count) => {
      throw fault(`try ${count}`)
    },
  })
  const host = new VirtualHost()
  const report = await run(
    planOf((r) => {
      thing(r, { name: 'a', retries: 1 })
    }),
    host,
  )
  t.match(failureOf(report), { message: 'try 2' })
  t.equal(host.clock, 1_700_000_002, 'two seconds by default')
})

t.test('retries: counts the changes of a failed attempt', async (t) => {
  const thing = probe({
    apply: (_, __, host) => {
      host.writeFile('/srv/a', 'x')
      throw fault('after all was done')
    },
  })
  const report = await run(
    planOf((r) => {
      thing(r, { name: 'a', value: 'x', retries: 1 })
    }),
    new VirtualHost(),
  )
  t.match(report, { outcome: 'changed', warnings: [] })
})

t.test('retries: makes no attempt after Ctrl-C', async (t) => {
  let isInterrupted = false
  const thing = probe({
    apply: (count) => {
      isInterrupted = true
      throw fault(`try ${count}`)
    },
  })
  const plan = planOf((r) => {
    thing(r, { name: 'a', retries: 5 })
  })
  const report = await converge(plan, new VirtualHost(), { id: 'x', mode: 'run', interrupted: () => isInterrupted })
  t.match(failureOf(report), { message: 'try 1' })
})

t.test('timeout: ends the command, and names the limit', async (t) => {
  let ended = 0
  let end: () => void = () => undefined
  const thing = probe({
    apply: () =>
      new Promise((_, reject) => {
        end = () => reject(fault('ended'))
      }),
  })
  const plan = planOf((r) => {
    thing(r, { name: 'a', timeout: milliseconds(20) })
  })
  const onTimeout = () => {
    ended++
    end()
  }
  const report = await converge(plan, new VirtualHost(), { id: 'x', mode: 'run', onTimeout })
  t.match(failureOf(report), { code: 'TIMEOUT', message: 'it was not done within 20 ms', hint: /longer timeout/ })
  t.equal(ended, 1)
})

t.test('timeout: starts the next attempt only after the last one has ended', async (t) => {
  let under = 0
  const thing = probe({
    apply: async (count) => {
      t.equal(++under, 1, `try ${count} is alone`)
      if (count === 1) await new Promise((resolve) => setTimeout(resolve, 60))
      under--
    },
  })
  const plan = planOf((r) => {
    thing(r, { name: 'a', value: 'x', timeout: milliseconds(20), retries: 1 })
  })
  const notes: string[] = []
  const handlers = [{ note: (message: string) => void notes.push(message) }]
  const report = await converge(plan, new VirtualHost(), { id: 'x', mode: 'run', handlers })
  t.match(report, { outcome: 'changed', warnings: [] })
  t.match(notes, [/not done within 20 ms; retry 1 of 1$/])
})

t.test('timeout: has no effect on a resource that ends in time', async (t) => {
  const thing = probe()
  const report = await run(
    planOf((r) => {
      thing(r, { name: 'a', timeout: seconds(30) })
    }),
    new VirtualHost(),
  )
  t.equal(report.outcome, 'changed')
})

t.test('ignoreFailure: continues, and reports the failure', async (t) => {
  const thing = probe({
    apply: (count) => {
      if (count === 1) throw fault()
    },
  })
  const plan = planOf((r) => {
    thing(r, { name: 'a', ignoreFailure: true })
    thing(r, { name: 'b' })
  })
  const report = await run(plan, new VirtualHost())
  t.match(report.resources, [
    { outcome: 'failed', ignored: true, failure: { message: 'it broke', source: { file: /failures\.test/ } } },
    { outcome: 'changed' },
  ])
  t.match(report, { outcome: 'changed', counts: { failed: 1, changed: 1, notReached: 0 } })
})

t.test('ignoreFailure: reports and counts a mistake of a template once', async (t) => {
  const thing = probe({
    apply: (count) => {
      if (count === 1) throw fault('the second resource')
    },
  })
  const plan = planOf((r) => {
    template(r, { path: '/etc/a', source: '{{typo}}', variables: {}, ignoreFailure: true })
    thing(r, { name: 'b', value: 'x' })
    thing(r, { name: 'c', value: 'x' })
  })
  const report = await run(plan, new VirtualHost())
  t.match(report.counts, { failed: 2, notReached: 1 })
  t.equal(report.resources.filter(({ name }) => name === 'template /etc/a').length, 1)
})

t.test('ignoreFailure: applies to a failed read and a failed guard', async (t) => {
  const thing = probe({ read: () => Promise.reject(fault('cannot look')) })
  const plan = planOf((r) => {
    thing(r, { name: 'a', ignoreFailure: true })
    thing(r, {
      name: 'b',
      ignoreFailure: true,
      onlyIf: {
        description: 'x',
        check: () => {
          throw fault('no guard')
        },
      },
    })
  })
  const report = await run(plan, new VirtualHost())
  t.match(report.resources, [{ failure: { message: 'cannot look' } }, { failure: { message: 'no guard' } }])
  t.equal(report.outcome, 'unchanged')
})

t.test('a dry run fails where the run would, without retries', async (t) => {
  const thing = probe({
    apply: () => {
      throw fault('never')
    },
  })
  const plan = planOf((r) => {
    thing(r, { name: 'a', retries: 3 })
  })
  const report = await run(plan, new VirtualHost({ base: new VirtualHost() }), 'plan')
  t.match(report, { outcome: 'failed', warnings: [] })
})
