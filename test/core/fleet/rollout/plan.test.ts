import * as fc from 'fast-check'
import t from 'tap'
import { amountOf, batchesOf, limited, parseAmount, type Strategy } from '../../../../core/fleet/rollout/plan.ts'

const hosts = fc
  .array(fc.nat(3), { maxLength: 30 })
  .map((stages) => stages.map((stage, at) => ({ name: `h${at}`, stage })))
const options = fc.record({
  strategy: fc.constantFrom<Strategy>('parallel', 'rolling', 'canary'),
  size: fc.oneof(
    fc.record({ count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
  ),
  first: fc.constantFrom([], ['h0'], ['h3', 'h1'], ['h99']).map((names) => new Set<string>(names)),
  reverse: fc.boolean(),
})

t.test('every host goes once, with its own stage, in the order of the stages', async () => {
  fc.assert(
    fc.property(hosts, options, (hosts, options) => {
      const batches = batchesOf(hosts, options)
      const gone = batches.flat().map(({ name }) => name)
      if (gone.length !== hosts.length || new Set(gone).size !== hosts.length) return false
      const stages = batches.map((batch) => new Set(batch.map(({ stage }) => stage)))
      if (stages.some((one) => one.size !== 1)) return false
      const order = stages.map((one) => [...one][0] ?? 0)
      const sorted = [...order].sort((a, b) => (options.reverse ? b - a : a - b))
      return order.every((stage, at) => stage === sorted[at])
    }),
  )
})

t.test('no batch is larger than asked for; who goes first goes alone', async () => {
  fc.assert(
    fc.property(hosts, options, (hosts, options) => {
      const batches = batchesOf(hosts, options)
      if (batches.some((batch) => batch.length > 1 && batch.some(({ name }) => options.first.has(name)))) return false
      if (options.strategy !== 'rolling') return true
      return batches.every((batch) => {
        const stage = hosts.filter((host) => host.stage === batch[0]?.stage)
        return batch.length <= amountOf(options.size, stage.length, 1)
      })
    }),
  )
})

t.test('amounts as people write them', async (t) => {
  t.strictSame(parseAmount('3', 'batch', 1), { count: 3 })
  t.strictSame(parseAmount('25%', 'batch', 1), { percent: 25 })
  t.equal(amountOf({ percent: 25 }, 5, 1), 1)
  t.equal(amountOf({ percent: 10 }, 5, 1), 1, 'a batch is never empty')
  t.equal(amountOf({ percent: 10 }, 5, 0), 0)
  for (const text of ['', 'x', '0', '-1', '101%', '1.5'])
    t.throws(() => parseAmount(text, 'batch', 1), { code: 'USAGE', usage: true, message: /--batch/ })
})

t.test('patterns of names', async (t) => {
  const names = ['web1', 'web2', 'db.1', 'dbx1']
  t.strictSame(limited(names, ['web*']), ['web1', 'web2'])
  t.strictSame(limited(names, ['!web1']), ['web2', 'db.1', 'dbx1'])
  t.strictSame(limited(names, ['web?', 'db.1', '!web2']), ['web1', 'db.1'])
})
