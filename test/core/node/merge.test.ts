/** Tests the merge rules of layers as properties over any JSON. */
import fc from 'fast-check'
import t from 'tap'
import { sameJson } from '../../../core/model/json.ts'
import { isObject, type JsonObject, merge } from '../../../core/node/merge.ts'
import { hasPath, type KeyPath, valueAt } from '../../../core/node/path.ts'

// Few names, so that layers overlap, including names of Object's properties.
const name = fc.constantFrom('a', 'b', 'c', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', '0', 'ü')
const { layer } = fc.letrec<{ layer: Record<string, unknown>; value: unknown }>((tie) => ({
  layer: fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.string({ maxLength: 3 }),
      fc.array(fc.integer(), { maxLength: 2 }),
    ),
    tie('layer'),
  ),
}))

/** Returns every path of a layer that leads to something other than a non-empty object. */
function leaves(value: unknown, path: KeyPath = []): KeyPath[] {
  if (!isObject(value) || Object.keys(value).length === 0) return [path]
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
}

t.test('a merge with an empty layer changes nothing', async () => {
  fc.assert(fc.property(layer, (one) => sameJson(merge(one, {}), one) && sameJson(merge({}, one), one)))
})

// If a plain value is between two objects, the result depends on which pair is merged first; this generator excludes
// such layers.
const { agreed } = fc.letrec<{ agreed: Record<string, unknown> }>((tie) => ({
  agreed: fc.record(
    {
      object: fc.oneof({ depthSize: 'small' }, fc.constant({}), tie('agreed')),
      constructor: fc.oneof({ depthSize: 'small' }, fc.constant({}), tie('agreed')),
      list: fc.array(fc.integer(), { maxLength: 2 }),
      scalar: fc.oneof(fc.constant(null), fc.integer(), fc.string({ maxLength: 2 })),
      other: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
}))

t.test('a merge is associative', async () => {
  const associative = fc.property(agreed, agreed, agreed, (low, middle, high) =>
    sameJson(merge(merge(low, middle), high), merge(low, merge(middle, high))),
  )
  fc.assert(associative, { numRuns: 500 })
})

t.test('the value of the higher layer wins', async () => {
  const later = fc.property(layer, layer, (low, high) => {
    const merged = merge(low, high)
    return leaves(high).every(
      (path) => isObject(valueAt(high, path)) || sameJson(valueAt(merged, path), valueAt(high, path)),
    )
  })
  fc.assert(later, { numRuns: 500 })
})

t.test('keeps what the higher layer does not set', async () => {
  const kept = fc.property(layer, layer, (low, high) => {
    const merged = merge(low, high)
    return leaves(low).every((path) => {
      if (path.length === 0) return true
      const parts = path.map((_, i) => path.slice(0, i + 1))
      const open = parts.every(
        (part) => !hasPath(high, part) || (part.length < path.length && isObject(valueAt(high, part))),
      )
      return !open || sameJson(valueAt(merged, path), valueAt(low, path))
    })
  })
  fc.assert(kept, { numRuns: 500 })
})

t.test('changes neither layer', async () => {
  const unchanged = fc.property(layer, layer, (low, high) => {
    const before = JSON.stringify([low, high])
    merge(low, high)
    return JSON.stringify([low, high]) === before
  })
  fc.assert(unchanged)
})

const rules: readonly { rule: string; low: JsonObject; high: JsonObject; merged: JsonObject }[] = [
  {
    rule: 'merges objects key by key',
    low: { a: { x: 1, y: 2 } },
    high: { a: { y: 3 } },
    merged: { a: { x: 1, y: 3 } },
  },
  { rule: 'a list replaces a list', low: { a: [1, 2] }, high: { a: [3] }, merged: { a: [3] } },
  { rule: 'an empty list replaces a list', low: { a: [1, 2] }, high: { a: [] }, merged: { a: [] } },
  { rule: 'an empty object changes nothing', low: { a: { x: 1 } }, high: { a: {} }, merged: { a: { x: 1 } } },
  { rule: 'null sets null', low: { a: { x: 1 } }, high: { a: null }, merged: { a: null } },
  { rule: 'an object replaces null', low: { a: null }, high: { a: { x: 1 } }, merged: { a: { x: 1 } } },
  { rule: 'a scalar replaces an object', low: { a: { x: 1 } }, high: { a: 'x' }, merged: { a: 'x' } },
  { rule: 'a list replaces an object', low: { a: { 0: 1 } }, high: { a: [2] }, merged: { a: [2] } },
]

for (const { rule, low, high, merged } of rules)
  t.test(rule, async (t) => {
    t.strictSame(merge(low, high), merged)
  })

t.test('prototype keys have no effect', async (t) => {
  const high = JSON.parse(
    '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "a": {"__proto__": {"polluted": 1}}}',
  )
  const merged = merge({ a: { x: 1 } }, high as JsonObject) as Record<string, unknown>
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.equal(merged.polluted, undefined)
  t.strictSame(Object.keys(merged).sort(), ['a', 'constructor'])
  t.equal((merged.a as Record<string, unknown>).polluted, undefined)
})

t.test('does not copy what only one layer has', async (t) => {
  const [low, high] = [
    { a: { x: { deep: 1 } }, b: {} },
    { c: { y: 1 }, a: { z: 1 } },
  ]
  const merged = merge(low, high) as typeof low & typeof high
  t.equal(merged.b, low.b)
  t.equal(merged.c, high.c)
  t.equal(merged.a.x, low.a.x)
  t.equal(merge(low, { a: { x: { deep: 1 } } }), low, 'a layer without a difference returns the lower layer itself')
})

t.test('does not copy the unchanged hosts of a large stack', async (t) => {
  const hosts = (status: string) =>
    Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`host${i}`, { status, ip: `10.0.0.${i}` }]))
  const [low, high] = [
    { opsworks: { layers: { web: { instances: hosts('online') } } } },
    { opsworks: { layers: { web: { instances: { host7: { status: 'stopped' } } } } } },
  ]
  const merged = merge(low, high)
  const instances = valueAt(low, ['opsworks', 'layers', 'web', 'instances']) as JsonObject
  const mergedInstances = valueAt(merged, ['opsworks', 'layers', 'web', 'instances']) as JsonObject
  const copied = Object.keys(instances).filter((host) => mergedInstances[host] !== instances[host])
  t.strictSame(copied, ['host7'])
  t.strictSame(valueAt(merged, ['opsworks', 'layers', 'web', 'instances', 'host7']), {
    status: 'stopped',
    ip: '10.0.0.7',
  })
})
