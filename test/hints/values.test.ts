/** Proves the hints about values of attributes: triggers each by the code that reads the value, then follows it. */
import t from 'tap'
import { AttributeReader } from '../../recipes/site/attribute_reader.ts'
import { hostAddress } from '../../recipes/site/hosts.ts'
import { proveCalls } from '../support/proofs.ts'

const reading = (read: (values: AttributeReader) => unknown) => () => {
  const values = new AttributeReader()
  read(values)
  values.check()
}

t.test('values', async (t) => {
  const source = 'recipes/site/attribute_reader.ts'
  proveCalls(t, [
    {
      source,
      hint: 'give a single value',
      broken: reading((values) => values.line('a', ['x'])),
      repaired: reading((values) => values.line('a', 'x')),
    },
    {
      source,
      hint: 'give a name without # or ; at its start',
      broken: reading((values) => values.buildoutLine('a', '#x.cfg')),
      repaired: reading((values) => values.buildoutLine('a', 'x.cfg')),
    },
    {
      source,
      hint: 'give the value on one line',
      broken: reading((values) => values.line('a', 'x\ny')),
      repaired: reading((values) => values.line('a', 'x y')),
    },
    {
      source,
      hint: 'write it as ["…", "…"]',
      broken: reading((values) => values.lines('a', 'x')),
      repaired: reading((values) => values.lines('a', ['x', 'y'])),
    },
    {
      source,
      hint: 'give a number',
      broken: reading((values) => values.number('a', 'many', 1)),
      repaired: reading((values) => values.number('a', 2, 1)),
    },
  ])
})

t.test('addresses', async (t) => {
  proveCalls(t, [
    {
      source: 'recipes/site/hosts.ts',
      hint: 'give it a private_dns_name or a private_ip where the JSON describes it',
      broken: () => hostAddress({} as never, 'web1'),
      repaired: () => hostAddress({ private_ip: '10.0.0.1' } as never, 'web1'),
    },
  ])
})
