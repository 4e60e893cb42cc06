/** Tests which types of attributes a recipe may define: those that a JSON or YAML file can set. */
import t from 'tap'
import * as z from 'zod'
import { defineAttributes } from '../../../core/load/own_attributes.ts'
import { foreignType } from '../../../core/load/schema_defaults.ts'

t.test('accepts values that are converted, and unions with an option for a file', (t) => {
  const shape = {
    day: z.coerce.date(),
    days: z.array(z.coerce.date()).default([]),
    big: z.coerce.bigint().default(1n),
    either: z.union([z.date(), z.iso.date()]).optional(),
    nested: z.union([z.string(), z.object({ at: z.date() })]).optional(),
  }
  for (const [name, schema] of Object.entries(shape)) t.equal(foreignType(schema, name), null, name)
  t.doesNotThrow(() => defineAttributes('schema_defaults_test', z.object(shape)))
  const parsed = z.object(shape).parse({ day: '2026-11-30', big: '12' })
  t.match(parsed, { day: new Date('2026-11-30'), big: 12n })
  t.end()
})

t.test('refuses types that no file has', (t) => {
  t.match(foreignType(z.object({ days: z.array(z.date()) }), 'shop'), { path: 'shop.days[]', type: 'date' })
  t.match(foreignType(z.bigint().optional(), 'n'), { path: 'n', type: 'bigint' })
  t.match(foreignType(z.union([z.date(), z.bigint()]), 'n'), { path: 'n', type: 'date' })
  t.match(foreignType(z.map(z.string(), z.string()), 'n'), { type: 'map' })
  t.end()
})
