/** Tests hosts_entry: names of an address in /etc/hosts. */
import fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { hosts_entry } from '../../../resources/system/hosts_entry.ts'
import { contract, patchOf, planOf, run } from '../../support/contract.ts'

const path = '/etc/hosts'
const db = { address: '10.0.0.5', names: ['db1.example.com', 'db1'] }
const holds = (content: string) => ({ given: (host: VirtualHost) => void host.given(path, content) })
const becomes = (content: string) => ({
  then: (t: { equal(a: unknown, b: unknown): unknown }, host: VirtualHost) =>
    void t.equal(host.readText(path), content),
})
const localhost = '127.0.0.1\tlocalhost\n'

contract(t, hosts_entry, [
  {
    name: 'adds the names on one line',
    props: db,
    ...holds(localhost),
    changes: ['add /db1/0', 'add /db1.example.com/0'],
    ...becomes(`${localhost}10.0.0.5\tdb1.example.com db1\n`),
  },
  {
    name: 'accepts the names on two lines',
    props: db,
    ...holds('10.0.0.5 db1\n10.0.0.5 db1.example.com # x\n'),
    changes: [],
  },
  {
    name: 'adds only missing names',
    props: db,
    ...holds('10.0.0.5 db1\n'),
    ...becomes('10.0.0.5 db1\n10.0.0.5\tdb1.example.com\n'),
  },
  {
    name: 'moves names, and keeps the others with their comment',
    props: db,
    ...holds('10.0.0.4 db1 db2 # old\n10.0.0.6 DB1.example.com\n'),
    ...becomes('10.0.0.4\tdb2 # old\n10.0.0.5\tdb1.example.com db1\n'),
  },
  {
    name: 'keeps addresses of the other family',
    props: db,
    ...holds('::5 db1\n10.0.0.5 db1 db1.example.com\n'),
    changes: [],
  },
  {
    name: 'adds an IPv6 address',
    props: { address: 'fe80::5', names: ['db1'] },
    ...holds('10.0.0.5 db1\n'),
    ...becomes('10.0.0.5 db1\nfe80::5\tdb1\n'),
  },
  {
    name: 'does not take comments for entries',
    props: db,
    ...holds('#10.0.0.5 db1 db1.example.com\n'),
    changes: ['add', 'add'],
  },
  {
    name: 'removes a name',
    props: { names: ['db1'], absent: true },
    ...holds('10.0.0.5 db1 x\n::5 db1\n'),
    ...becomes('10.0.0.5\tx\n'),
  },
  {
    name: 'does nothing if the name to remove is missing',
    props: { names: ['db1'], absent: true },
    ...holds(localhost),
    changes: [],
  },
  { name: 'creates a missing file', props: db, ...becomes('10.0.0.5\tdb1.example.com db1\n') },
  {
    name: 'fails to move localhost to another address',
    props: { address: '10.0.0.5', names: ['localhost'] },
    ...holds(localhost),
    fails: /localhost must resolve/,
  },
  {
    name: 'accepts localhost at its own address',
    props: { address: '::1', names: ['localhost'] },
    ...holds(localhost),
    changes: ['add'],
  },
])

t.test('refuses invalid addresses and names', async (t) => {
  for (const props of [
    { ...db, address: 'db1' },
    { ...db, names: ['a b'] },
    { ...db, names: ['a\nb'] },
    { names: ['a'] },
    { ...db, names: [] },
  ])
    t.throws(() => planOf((r) => hosts_entry(r, props as never)), { code: 'INVALID_PROP' })
})

t.test('gives each name one address in any file, and keeps comments and other names', async () => {
  const name = fc.constantFrom('db1', 'DB1', 'x', 'y')
  const line = fc.oneof(
    fc.constantFrom('', '# note', '#10.0.0.5 db1'),
    fc
      .tuple(fc.constantFrom('10.0.0.5', '10.0.0.6', '::1'), fc.array(name, { minLength: 1, maxLength: 3 }))
      .map(([address, names]) => `${address} ${names.join('\t')}`),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
      const host = new VirtualHost()
      host.given(path, lines.join('\n'))
      const plan = planOf((r) => hosts_entry(r, { address: '10.0.0.5', names: ['db1'] }))
      const others = (text: string) =>
        text
          .split(/\s+/)
          .filter((word) => /^[xy]$|note/.test(word))
          .join(' ')
      await run(plan, host)
      const text = host.readText(path) ?? ''
      const at = text.split('\n').filter((one) => !one.startsWith('#') && !one.startsWith('::') && /\bdb1\b/i.test(one))
      return (
        at.every((one) => one.startsWith('10.0.0.5')) &&
        at.length > 0 &&
        others(text) === others(lines.join('\n')) &&
        patchOf(await run(plan, host)).length === 0
      )
    }),
  )
})
