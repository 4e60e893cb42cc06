import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { failureOf, planOf, run } from '../../support/contract.ts'
import { fault, probe } from '../../support/faulty_resource.ts'

/** Makes a type whose reads take a while, and which records how many ran at the same time. */
function slow(pause = 10) {
  const record = { most: 0, reads: [] as string[] }
  let under = 0
  const thing = probe({
    readsAhead: true,
    read: async (_, __, name) => {
      record.reads.push(name)
      record.most = Math.max(record.most, ++under)
      await sleep(pause)
      under--
    },
  })
  return { thing, seen: record }
}
const names = Array.from({ length: 20 }, (_, index) => `n${index}`)

t.test('runs up to eight slow reads in parallel', async (t) => {
  const { thing, seen: record } = slow()
  const host = new VirtualHost()
  for (const name of names) host.given(`/srv/${name}`, '')
  const report = await run(
    planOf((r) => {
      for (const name of names) thing(r, { name })
    }),
    host,
  )
  t.match(report, { outcome: 'unchanged', counts: { unchanged: 20 } })
  t.equal(record.most, 8)
  t.strictSame(record.reads, names, 'each once, in order')
})

t.test('drops what was read ahead after the first change', async (t) => {
  const { thing } = slow(1)
  const writer = probe({ apply: (_, __, host) => host.writeFile('/srv/n3', 'drifted by another') }, 'writer')
  const host = new VirtualHost()
  for (const name of names) host.given(`/srv/${name}`, '')
  const plan = planOf((r) => {
    thing(r, { name: 'n1' })
    writer(r, { name: 'w', value: 'x' })
    thing(r, { name: 'n3' })
  })
  const report = await run(plan, host)
  t.strictSame(
    report.resources.map(({ name }) => name),
    ['writer w', 'probe n3'],
  )
  t.equal(host.readText('/srv/n3'), '')
})

t.test('reads nothing ahead after the first change', async (t) => {
  const { thing, seen: record } = slow(5)
  const plan = planOf((r) => {
    for (const name of names) thing(r, { name, value: 'x' })
  })
  const report = await run(plan, new VirtualHost())
  t.equal(failureOf(report), undefined)
  const ahead = record.reads.indexOf('n0', 1)
  t.ok(ahead > 0 && ahead <= 16, `the first change came after ${ahead} reads`)
  for (const name of names.slice(16))
    t.equal(record.reads.filter((one) => one === name).length, 2, 'its turn, and read back')
})

t.test('a failure of a read ahead counts in its turn', async (t) => {
  const thing = probe({
    readsAhead: true,
    read: async (_, __, name) => {
      if (name !== 'n0') throw fault(`no ${name}`)
    },
  })
  const plan = planOf((r) => {
    for (const name of ['n0', 'n1', 'n2']) thing(r, { name })
  })
  const host = new VirtualHost()
  host.given('/srv/n0', '')
  const report = await run(plan, host)
  t.match(failureOf(report), { message: 'no n1', resource: 'probe n1' })
  t.match(report.counts, { unchanged: 1, failed: 1, notReached: 1 })
})

t.test('guarded resources and those with references wait for their turn', async (t) => {
  const { thing, seen: record } = slow(1)
  const plan = planOf((r) => {
    const a = thing(r, { name: 'a', onlyIf: true })
    thing(r, { name: 'b', value: a.value })
    thing(r, { name: 'c', when: [a] })
    thing(r, { name: 'd', notIf: true })
  })
  const host = new VirtualHost()
  for (const name of ['a', 'b', 'c']) host.given(`/srv/${name}`, '')
  await run(plan, host)
  t.strictSame([record.most, record.reads], [1, ['a', 'b', 'c']])
})
