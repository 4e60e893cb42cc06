/** Tests host names as ranges: short, and unambiguous. */
import fc from 'fast-check'
import t from 'tap'
import { describeNames, ranges } from '../../../../core/fleet/screen/host_name_list.ts'

/** Expands `client[1-3,07]` as a reader would. */
function expand(text: string): string[] {
  const [, head, inner = '', tail] = /^([^[]*)\[([\d,-]+)\](.*)$/.exec(text) ?? []
  if (head === undefined) return [text]
  return inner.split(',').flatMap((part) => {
    const [from = '', to = from] = part.split('-')
    const count = Number(to) - Number(from) + 1
    // As a shell does in braces: with as many digits as the first number.
    return Array.from(
      { length: count },
      (_, n) => `${head}${String(Number(from) + n).padStart(from.length, '0')}${tail}`,
    )
  })
}

t.test('shortens lists of names', (t) => {
  const of = (...names: string[]) => describeNames(names)
  t.equal(of('b', 'a', 'b'), 'b, a')
  t.equal(of('client1', 'client2', 'client3'), 'client1, client2, client3', 'a few are written out')
  t.equal(of('client15', 'client1', 'client2', 'client3', 'db'), 'client[1-3,15], db')
  t.equal(of('web08', 'web09', 'web10', 'web11'), 'web[08-11]')
  t.equal(of('a1.x.org', 'a2.x.org', 'a1.y.org', 'a2.y.org', 'a3.y.org'), 'a[1-2].x.org, a[1-3].y.org')
  t.equal(of('a-1-b', 'a-2-b', 'a-3-b', 'a-4-b'), 'a-[1-4]-b')
  t.equal(of('n9', 'n10', 'n11', 'n100'), 'n[9-11,100]')
  t.equal(of('evil\x1b[2J', 'x\ny'), 'evil, x y')
  t.equal(of(), '')
  t.end()
})

t.test('the names can be read back from the text', (t) => {
  const name = fc.oneof(
    fc.tuple(fc.constantFrom('client', 'web-', 'a.b', '', 'x1y'), fc.nat(130)).map(([head, n]) => `${head}${n}`),
    fc.tuple(fc.constantFrom('c', 'n'), fc.stringMatching(/^\d{1,4}$/)).map(([head, n]) => `${head}${n}`),
    fc.tuple(fc.nat(12), fc.constantFrom('.example.org', '-b', 'x.org1')).map(([n, tail]) => `h${n}${tail}`),
    fc.stringMatching(/^[a-z0-9.-]{1,12}$/),
  )
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 60 }), (names) => {
      const read = ranges(names).flatMap(expand)
      if (JSON.stringify([...read].sort()) !== JSON.stringify([...names].sort()))
        throw new Error(`${JSON.stringify(names)} became ${JSON.stringify(ranges(names))}`)
    }),
    { numRuns: 1000 },
  )
  t.end()
})
