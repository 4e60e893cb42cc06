/** Tests the batches of a rollout: their order, their limits, the canary and the migrating host. */
import * as fc from 'fast-check'
import t from 'tap'
import {
  chooseMigrators,
  matchHostPatterns,
  type Strategy,
  splitIntoBatches,
  splitIntoTurns,
} from '../../../../core/fleet/planning/batches.ts'
import { parseHostCount, resolveHostCount } from '../../../../core/fleet/planning/host_count.ts'

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

t.test('every host is in one batch, with its own stage, in the order of the stages', async () => {
  fc.assert(
    fc.property(hosts, options, (hosts, options) => {
      const batches = splitIntoBatches(hosts, options)
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

t.test('no batch is larger than its limit', async () => {
  fc.assert(
    fc.property(hosts, options, (hosts, options) => {
      if (options.strategy === 'parallel') return true
      const begun = new Set<number | undefined>()
      return splitIntoBatches(hosts, options).every((batch) => {
        const stage = hosts.filter((host) => host.stage === batch[0]?.stage)
        const isSecond = options.strategy === 'canary' && begun.has(batch[0]?.stage)
        begun.add(batch[0]?.stage)
        return isSecond || batch.length <= resolveHostCount(options.size, stage.length, 1)
      })
    }),
  )
})

t.test('the first host has a batch of its own, before all others of its stage', async () => {
  fc.assert(
    fc.property(hosts, options, (hosts, options) => {
      const batches = splitIntoBatches(hosts, options)
      const turns = batches.flatMap((batch) => splitIntoTurns(batch, options.first))
      if (turns.flat().length !== hosts.length) return false
      const others = new Set<number>()
      return turns.every((turn) => {
        const isFirst = turn.some(({ name }) => options.first.has(name))
        if (!isFirst) for (const { stage } of turn) others.add(stage)
        return !isFirst || (turn.length === 1 && !others.has(turn[0]?.stage ?? -1))
      })
    }),
  )
})

t.test('the migrating host is the canary, and in the first batch', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const hosts = names.map((name) => ({ name, stage: 0 }))
  const plan = (strategy: Strategy, count: number) =>
    splitIntoBatches(hosts, { strategy, size: { count }, first: new Set(['c']), reverse: false }).map((batch) =>
      batch.map(({ name }) => name).join(' '),
    )
  t.strictSame(plan('canary', 1), ['c', 'a b d e'])
  t.strictSame(plan('canary', 2), ['c a', 'b d e'])
  t.strictSame(plan('rolling', 1), ['c', 'a', 'b', 'd', 'e'])
  t.strictSame(plan('rolling', 2), ['c a', 'b d', 'e'])
  t.strictSame(plan('parallel', 2), ['c', 'a b d e'], 'in a parallel rollout, it runs before the others')
  t.strictSame(
    splitIntoTurns(hosts, new Set(['c'])).map((turn) => turn.map(({ name }) => name)),
    [['c'], ['a', 'b', 'd', 'e']],
    'no host has the new code before that',
  )
})

t.test('the migrating host of an app is in the first stage that has the app', async () => {
  const some = fc
    .array(fc.record({ stage: fc.nat(2), appsToMigrate: fc.subarray(['site', 'shop', 'mail']) }), { maxLength: 12 })
    .map((all) => all.map((one, at) => ({ name: `h${at}`, ...one })))
  fc.assert(
    fc.property(some, fc.subarray(['site', 'shop', 'mail']), options, (hosts, expected, { strategy, size }) => {
      const first = chooseMigrators(hosts, (app) => expected.includes(app))
      const order = splitIntoBatches(hosts, { strategy, size, first, reverse: false }).flatMap((batch) =>
        splitIntoTurns(batch, first),
      )
      return expected.every((app) => {
        const turns = order.map((turn) => turn.filter(({ appsToMigrate }) => appsToMigrate.includes(app)))
        const opening = turns.find((turn) => turn.length > 0)
        return opening === undefined || (opening.length === 1 && opening.every(({ name }) => first.has(name)))
      })
    }),
  )
})

t.test('parses numbers and percentages of hosts', async (t) => {
  const percentFrom1 = { min: 1, allowsPercent: true }
  t.strictSame(parseHostCount('3', 'batch', percentFrom1), { count: 3 })
  t.strictSame(parseHostCount('25%', 'batch', percentFrom1), { percent: 25 })
  t.equal(resolveHostCount({ percent: 25 }, 5, 1), 1)
  t.equal(resolveHostCount({ percent: 10 }, 5, 1), 1, 'a batch is never empty')
  t.equal(resolveHostCount({ percent: 10 }, 5, 0), 0)
  for (const text of ['', 'x', '0', '-1', '101%', '1.5'])
    t.throws(() => parseHostCount(text, 'batch', percentFrom1), { code: 'USAGE', usage: true, message: /--batch/ })
})

t.test('matches patterns of host names', async (t) => {
  const names = ['web1', 'web2', 'db.1', 'dbx1']
  t.strictSame(matchHostPatterns(names, ['web*']), ['web1', 'web2'])
  t.strictSame(matchHostPatterns(names, ['!web1']), ['web2', 'db.1', 'dbx1'])
  t.strictSame(matchHostPatterns(names, ['web?', 'db.1', '!web2']), ['web1', 'db.1'])
})
