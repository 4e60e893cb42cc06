/** Tests the columns of tables: as wide as their content requires, and never wider than the terminal. */
import fc from 'fast-check'
import t from 'tap'
import { ago, columns } from '../../../../core/fleet/screen/columns.ts'
import { cut, shortNames, widthOf } from '../../../../core/fleet/screen/text.ts'

const cells = (...texts: string[]) => texts.map((text) => ({ text }))

t.test('omits an empty column, and spare columns if the terminal is narrow', (t) => {
  const rows = [
    cells('HOST', 'ROLES', 'NOTE', 'STATE'),
    cells('client1', 'zeo-client, base', '', 'up'),
    cells('db', '', '', ''),
  ]
  t.strictSame(columns(rows, Number.POSITIVE_INFINITY, []), [
    'HOST     ROLES             STATE',
    'client1  zeo-client, base  up',
    'db',
  ])
  t.strictSame(columns(rows, 28, []), ['HOST     ROLES         STATE', 'client1  zeo-client,…  up', 'db'])
  t.strictSame(columns(rows, 18, ['ROLES']), ['HOST     STATE', 'client1  up', 'db'])
  t.end()
})

t.test('shortens long names so that they differ', (t) => {
  const short = (width: number, ...names: string[]) => names.map(shortNames(names, width))
  t.strictSame(short(12, 'web-01.shop.example.org', 'web-02.shop.example.org', 'db'), [
    'web-01.shop…',
    'web-02.shop…',
    'db',
  ])
  t.strictSame(short(10, 'web-01.shop.example.org', 'web-02.shop.example.org'), ['web-01.sh…', 'web-02.sh…'])
  t.strictSame(short(8, 'shop-production-web1', 'shop-production-web2', 'shop-production-db'), [
    '…on-web1',
    '…on-web2',
    '…tion-db',
  ])
  t.strictSame(short(8, 'shop-production-web1'), ['shop-pr…'])
  t.strictSame(short(6, '長い名前のホスト1', '長い名前のホスト2'), ['…スト1', '…スト2'])
  const name = fc.string({ unit: 'grapheme', maxLength: 30 })
  fc.assert(
    fc.property(fc.array(name, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), (names, width) => {
      for (const shown of names.map(shortNames(names, width))) if (widthOf(shown) > width) throw new Error(shown)
    }),
  )
  const rows = [cells('HOST', 'STATE'), cells('shop-production-web1', 'up'), cells('shop-production-web2', 'down')]
  t.strictSame(columns(rows, 12, []), ['HOST   STATE', '…web1  up', '…web2  down'])
  t.end()
})

t.test('measures wide characters', (t) => {
  for (const sign of ['⏩', '⌚', '◽', '長', '✅']) t.equal(widthOf(sign), 2, sign)
  for (const sign of ['…', '→', '⠋', '█', 'é']) t.equal(widthOf(sign), 1, sign)
  t.equal(cut('⏩⏩⏩', 5), '⏩⏩…')
  t.end()
})

t.test('no line is wider than the terminal, and each row is one line', (t) => {
  const cell = fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 30 }) })
  const table = fc
    .integer({ min: 1, max: 7 })
    .chain((count) => fc.array(fc.array(cell, { minLength: count, maxLength: count }), { minLength: 2, maxLength: 8 }))
  fc.assert(
    fc.property(table, fc.integer({ min: 1, max: 120 }), fc.boolean(), (rows, width, some) => {
      const lines = columns(rows, width, some ? [rows[0]?.[0]?.text ?? ''] : [])
      if (lines.length !== rows.length) throw new Error('a row is missing')
      const widest = Math.max(...lines.map(widthOf))
      if (widest > width) throw new Error(`${widest} columns`)
    }),
    { numRuns: 500 },
  )
  t.end()
})

t.test('prints the time since a moment', (t) => {
  const now = new Date('2026-11-21T12:00:00Z')
  const before = (minutes: number) => ago(new Date(now.getTime() - minutes * 60_000).toISOString(), now)
  t.strictSame([0, 1, 119, 120, 2879, 2880].map(before), [
    'just now',
    '1 min ago',
    '119 min ago',
    '2 h ago',
    '47 h ago',
    '2 days ago',
  ])
  t.equal(ago('whenever', now), '')
  t.end()
})
