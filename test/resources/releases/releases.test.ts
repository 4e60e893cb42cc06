/** Tests the functions that list, select and remove releases. */
import fc from 'fast-check'
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import {
  releaseBefore,
  releaseFor,
  rollbackTarget,
  surplusReleases,
} from '../../../resources/releases/release_selection.ts'
import { listReleases, nextId, previousRelease, type Release } from '../../../resources/releases/releases.ts'

const into = '/srv/site/releases'
const current = '/srv/site/current'

function release(n: number, more: Partial<Release> = {}): Release {
  const id = `${String(n).padStart(6, '0')}-1a2b3c4d`
  return {
    id,
    path: `${into}/${id}`,
    commit: '1a2b3c4d'.repeat(5),
    identity: 'x',
    revision: 'main',
    created: null,
    by: null,
    complete: true,
    current: false,
    isManaged: true,
    previous: false,
    wasCurrent: false,
    failed: null,
    record: null,
    boot: 'b',
    ...more,
  }
}

t.test('lists the releases', async (t) => {
  const host = new VirtualHost()
  t.strictSame(listReleases(host, into, current), [], 'without a directory')
  const file = {
    id: 'x',
    commit: 'c',
    identity: 'i',
    revision: 'main',
    repository: 'r',
    created: '2024-05-26T00:00:00Z',
    by: 'me',
    boot: 'b',
    record: [1],
  }
  host
    .given(`${into}/000002-1a2b3c4d/.converge/release.json`, JSON.stringify(file))
    .given(`${into}/000002-1a2b3c4d/.converge/complete`, '')
    .given(`${into}/000010-1a2b3c4d/.converge/release.json`, '{"id": "cut sho')
    .given(`${into}/000011-1a2b3c4d/.converge/release.json`, '{"id": 1}')
    .given(`${into}/000012-1a2b3c4d/.converge`, null)
    .given(`${into}/000013-1a2b3c4d/copied by hand`, '')
    .given(`${into}/20240501123000/x`, '')
    .given(current, { link: 'releases/000002-1a2b3c4d' })
  const [first, ...others] = listReleases(host, into, current)
  const { repository: _, ...known } = file
  t.strictSame(first, {
    ...known,
    id: '000002-1a2b3c4d',
    path: `${into}/000002-1a2b3c4d`,
    complete: true,
    current: true,
    isManaged: true,
    previous: false,
    wasCurrent: false,
    failed: null,
  })
  t.strictSame(
    others.map(({ id, complete, identity }) => [id.slice(0, 6), complete, identity]),
    [
      ['000010', false, null],
      ['000011', false, null],
      ['000012', false, null],
    ],
  )
  t.equal(nextId(host, into, 'feedbeef00'), '000014-feedbeef', 'a directory with the name of a release counts')

  for (const link of [`${into}/20240501123000`, 'releases/20240501123000/']) {
    host.replaceLink(current, link)
    const [foreign, ...rest] = listReleases(host, into, current)
    t.match(foreign, {
      id: '20240501123000',
      path: `${into}/20240501123000`,
      current: true,
      isManaged: false,
      identity: null,
    })
    t.equal(rest.length, 4)
  }
  host.replaceLink(current, '/elsewhere/gone')
  t.notOk(
    listReleases(host, into, current).some((one) => one.current),
    'a link to nothing is none',
  )
  host.replaceLink(current, '/alias/of/releases/000002-1a2b3c4d')
  t.equal(listReleases(host, into, current).find((one) => one.current)?.id, '000002-1a2b3c4d', 'by another way')
})

t.test('refuses a number above the limit', async (t) => {
  const host = new VirtualHost().given(`${into}/999999-1a2b3c4d`, null)
  t.throws(() => nextId(host, into, 'feedbeef'), { code: 'TOO_MANY_RELEASES' })
})

t.test('ids sort in the order of creation, with any clock', async () => {
  const commits = fc.array(fc.string({ minLength: 40, maxLength: 40, unit: fc.constantFrom(...'0123456789abcdef') }), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(commits, (commits) => {
      const host = new VirtualHost()
      host.given(into, null)
      const ids = commits.map((commit, n) => {
        host.clock -= n * 1000
        const id = nextId(host, into, commit)
        host.given(`${into}/${id}`, null)
        return id
      })
      return ids.join() === [...new Set(ids)].sort().join()
    }),
  )
})

t.test('selects the rollback target', async (t) => {
  const all = [
    release(1),
    release(2, { complete: false }),
    release(3, { current: true }),
    release(4),
    release(5, { complete: false, commit: 'feedbeef' }),
  ]
  const marked = all.map((one) => ({ ...one, previous: one === previousRelease(all, null) }))
  const target = (to: string) => rollbackTarget(marked, to).id.slice(0, 6)
  t.equal(releaseBefore(marked)?.id.slice(0, 6), '000001', 'the complete one before')
  t.equal(target('000004'), '000004', 'also forward')
  t.equal(target('000004-1a2b3c4d'), '000004')
  t.throws(() => target('000005'), { code: 'NOT_COMPLETE', hint: /000001.*000003.*000004/ })
  t.throws(() => target('feed'), { code: 'NOT_COMPLETE' })
  t.throws(() => target('00000'), { code: 'AMBIGUOUS_RELEASE' })
  t.throws(() => target('1a2b'), { code: 'AMBIGUOUS_RELEASE' })
  t.throws(() => target('000004-1a2b3c4e'), { code: 'NO_SUCH_RELEASE', hint: /did you mean 000004-1a2b3c4d/ })
  t.throws(() => rollbackTarget([], '1'), { code: 'NO_SUCH_RELEASE', hint: /^deploy the app first/ })
  const foreign = { ...release(0), id: '20240501', isManaged: false, current: true }
  t.equal(previousRelease([foreign, release(1)], null), undefined, 'what is older than another tool’s nobody knows')
})

t.test('cleanup never removes a needed release', async () => {
  const host = new VirtualHost()
  const one = fc.record({ complete: fc.boolean(), current: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 12 }),
      fc.integer({ min: 2, max: 6 }),
      fc.array(fc.nat(20)),
      (flags, keep, path) => {
        const current = flags.findIndex((flag) => flag.current)
        const plain = flags.map(({ complete }, n) => release(n + 1, { complete, current: n === current }))
        const history = path.map((n) => plain[n % Math.max(1, plain.length)]?.id ?? '')
        const previous = previousRelease(plain, history.length === 0 ? null : history)
        const all = plain.map((one) => ({ ...one, previous: one === previous }))
        const gone = new Set(surplusReleases(host, into, all, keep))
        const kept = all.filter(({ id }) => !gone.has(id))
        const complete = all.filter((release) => release.complete)
        const needed = [all[current], releaseBefore(all), ...complete.slice(-keep)]
        const newest = complete.at(-1)
        return (
          needed.every((release) => release === undefined || kept.includes(release)) &&
          kept.filter((release) => release.complete).length <= keep + 2 &&
          kept.every((release) => release.complete || release.current || newest === undefined || release.id > newest.id)
        )
      },
    ),
  )
})

t.test('selects the release with the given commit and layout', async (t) => {
  const fits = (releases: Release[], always = false, reuse: 'newer' | 'any' = 'newer') =>
    releaseFor(releases, { identity: 'x', always, reuse }, 'b')?.id.slice(0, 6) ?? null
  t.equal(fits([]), null)
  t.equal(fits([release(1, { current: true })]), '000001')
  t.equal(fits([release(1), release(2, { current: true, identity: 'y' })]), null, 'older than the current one')
  t.equal(fits([release(1), release(2, { current: true, identity: 'y' })], false, 'any'), '000001', 'a missed rollback')
  t.equal(fits([release(1, { complete: false }), release(2, { current: true, identity: 'y' })], false, 'any'), null)
  t.equal(fits([release(1, { current: true, identity: 'y' }), release(2)]), '000002', 'rolled back from')
  t.equal(fits([release(1), release(2)]), '000002', 'the newest, if none is current')
  t.equal(fits([release(1, { complete: false })]), '000001', 'half-finished')
  t.equal(fits([release(1, { complete: false, boot: 'a' })]), null, 'before a reboot')
  t.equal(fits([release(1), release(2, { complete: false, boot: 'a' })]), '000001')
  const overtaken = [release(1, { current: true, identity: 'y' }), release(2, { complete: false })]
  t.equal(fits(overtaken), '000002', 'built ahead')
  t.equal(fits([...overtaken, release(3, { identity: 'y' })]), null, 'the next cleanup takes it away')
  t.equal(
    fits([{ ...release(0), isManaged: false, current: true, identity: null }, release(1)]),
    '000001',
    'the release of another tool is current',
  )
  t.equal(fits([release(1, { current: true })], true), null)
  t.equal(fits([release(1, { current: true }), release(2, { complete: false })], true), '000002')
  t.equal(fits([release(1, { complete: false }), release(2, { identity: 'y' })], true), null)
})

t.test('finds the previous release', async (t) => {
  const all = [1, 2, 3, 4].map((n) => release(n, { current: n === 4, complete: n !== 3 }))
  const before = (history: readonly number[] | null) =>
    previousRelease(all, history?.map((n) => release(n).id) ?? null)?.id.slice(0, 6) ?? null
  t.equal(before(null), '000002', 'an earlier version recorded nothing: the numbers decide')
  t.equal(before([1, 4]), '000001', 'release 2 was rolled back from')
  t.equal(before([1]), '000001', 'a run was killed between the switch and its record')
  t.equal(before([1, 4, 2]), '000001', 'somebody has set the link by hand')
  t.equal(before([1, 3, 4]), '000001', 'incomplete releases are skipped')
  t.equal(before([9, 4]), null, 'a removed release is not a target')
  t.equal(before([4]), null)
  const marked = all.map((one) => ({ ...one, wasCurrent: one.current || one.id.startsWith('000001') }))
  t.equal(previousRelease(marked, null)?.id.slice(0, 6), '000001', 'a server has marks')
})
