/** Tests that the engine reads resources ahead of their turn, up to eight at once, until the first change. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { failureOf, planOf, run } from '../../support/contract.ts'
import { fault, probe } from '../../support/faulty_resource.ts'

/**
 * Makes a type whose reads take a while, and which records how many ran at the same time.
 * @param pause in milliseconds
 */
function slowProbe(pause = 10) {
  const record = { mostAtOnce: 0, reads: [] as string[] }
  let running = 0
  const declare = probe({
    readsAhead: true,
    read: async (_, __, name) => {
      record.reads.push(name)
      record.mostAtOnce = Math.max(record.mostAtOnce, ++running)
      await sleep(pause)
      running--
    },
  })
  return { declare, record }
}
const names = Array.from({ length: 20 }, (_, index) => `n${index}`)

t.test('runs up to eight slow reads in parallel', async (t) => {
  const { declare, record } = slowProbe()
  const host = new VirtualHost()
  for (const name of names) host.given(`/srv/${name}`, '')
  const report = await run(
    planOf((r) => {
      for (const name of names) declare(r, { name })
    }),
    host,
  )
  t.match(report, { outcome: 'unchanged', counts: { unchanged: 20 } })
  t.equal(record.mostAtOnce, 8)
  t.strictSame(record.reads, names, 'each name once, in order')
})

t.test('reads a resource again if another one has changed since its read ahead', async (t) => {
  const { declare } = slowProbe(1)
  const writer = probe({ apply: (_, __, host) => host.writeFile('/srv/n3', 'drifted by another') }, 'writer')
  const host = new VirtualHost()
  for (const name of names) host.given(`/srv/${name}`, '')
  const plan = planOf((r) => {
    declare(r, { name: 'n1' })
    writer(r, { name: 'w', value: 'x' })
    declare(r, { name: 'n3' })
  })
  const report = await run(plan, host)
  t.strictSame(
    report.resources.map(({ name }) => name),
    ['writer w', 'probe n3'],
  )
  t.equal(host.readText('/srv/n3'), '')
})

t.test('reads nothing ahead after the first change', async (t) => {
  const { declare, record } = slowProbe(5)
  const plan = planOf((r) => {
    for (const name of names) declare(r, { name, value: 'x' })
  })
  const report = await run(plan, new VirtualHost())
  t.equal(failureOf(report), undefined)
  // The second read of n0 follows its change.
  const readsBeforeChange = record.reads.indexOf('n0', 1)
  t.ok(readsBeforeChange > 0 && readsBeforeChange <= 16, `the first change came after ${readsBeforeChange} reads`)
  for (const name of names.slice(16))
    t.equal(record.reads.filter((read) => read === name).length, 2, 'one read in its turn, and one after the change')
})

t.test('reports the failure of a read ahead in the turn of its resource', async (t) => {
  const declare = probe({
    readsAhead: true,
    read: async (_, __, name) => {
      if (name !== 'n0') throw fault(`no ${name}`)
    },
  })
  const plan = planOf((r) => {
    for (const name of ['n0', 'n1', 'n2']) declare(r, { name })
  })
  const host = new VirtualHost()
  host.given('/srv/n0', '')
  const report = await run(plan, host)
  t.match(failureOf(report), { message: 'no n1', resource: 'probe n1' })
  t.match(report.counts, { unchanged: 1, failed: 1, notReached: 1 })
})

t.test('does not read resources with a guard, a reference or a cause ahead', async (t) => {
  const { declare, record } = slowProbe(1)
  const plan = planOf((r) => {
    const a = declare(r, { name: 'a', onlyIf: true })
    declare(r, { name: 'b', value: a.value })
    declare(r, { name: 'c', when: [a] })
    declare(r, { name: 'd', notIf: true })
  })
  const host = new VirtualHost()
  for (const name of ['a', 'b', 'c']) host.given(`/srv/${name}`, '')
  await run(plan, host)
  t.strictSame([record.mostAtOnce, record.reads], [1, ['a', 'b', 'c']])
})
