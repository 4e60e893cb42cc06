/** Tests release_cleanup: which releases it keeps, and what killed runs left. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { release_cleanup } from '../../../resources/releases/release_cleanup.ts'
import { listReleases } from '../../../resources/releases/releases.ts'
import { contract, planOf, run } from '../../support/contract.ts'

const into = '/srv/site/releases'
const current = '/srv/site/current'
const id = (n: number) => `${String(n).padStart(6, '0')}-1a2b3c4d`

/** Makes complete and incomplete releases, and the link to the current one. */
function site(
  host: VirtualHost,
  complete: readonly number[],
  incomplete: readonly number[],
  currentTarget: number | string | null,
): VirtualHost {
  host.given(into, null)
  for (const n of [...complete, ...incomplete])
    host.given(`${into}/${id(n)}/.converge/release.json`, '{}').given(`${into}/${id(n)}/bin/run`, 'x')
  for (const n of complete) host.given(`${into}/${id(n)}/.converge/complete`, '')
  if (currentTarget !== null)
    host.given(current, { link: typeof currentTarget === 'number' ? `${into}/${id(currentTarget)}` : currentTarget })
  return host
}

const keepsReleases =
  (...expected: (number | string)[]) =>
  (t: Pick<typeof import('tap').t, 'strictSame'>, host: VirtualHost) =>
    t.strictSame(host.list(into), expected.map((one) => (typeof one === 'number' ? id(one) : one)).sort())

const props = { into, current }

contract(t, release_cleanup, [
  {
    name: 'keeps the five newest releases',
    props,
    given: (host) => site(host, [1, 2, 3, 4, 5, 6, 7], [], 7),
    changes: ['remove /surplus/1', 'remove /surplus/0'],
    then: keepsReleases(3, 4, 5, 6, 7),
  },
  {
    name: 'keeps a release in which a process works',
    props: { ...props, keep: 2 },
    given: (host) => {
      site(host, [1, 2, 3, 4], [], 4)
      host.given('/proc/41/cwd', { link: `${into}/${id(1)}/parts` }).given('/proc/42/cwd', { link: '/' })
      host.given('/proc/self/cwd', { link: `${into}/${id(2)}` })
    },
    changes: ['remove /surplus/0'],
    then: keepsReleases(1, 3, 4),
  },
  {
    name: 'keeps a release of an app behind a link in which a process works',
    props: { ...props, keep: 2 },
    given: (host) => {
      for (const n of [1, 2, 3, 4])
        for (const [name, text] of [
          ['release.json', '{}'],
          ['complete', ''],
        ] as const)
          host.given(`/data/site/releases/${id(n)}/.converge/${name}`, text)
      host.given('/srv/site', { link: '../data/site' }).given('/data/site/current', { link: `${into}/${id(4)}` })
      host.given('/proc/41/cwd', { link: `/data/site/releases/${id(1)}` })
    },
    changes: ['remove /surplus/0'],
    then: keepsReleases(1, 3, 4),
  },
  {
    name: 'does nothing if there are not more releases than it keeps',
    props,
    given: (host) => site(host, [1, 2], [], 2),
    changes: [],
    then: keepsReleases(1, 2),
  },
  { name: 'does nothing if the directory does not exist', props, changes: [] },
  {
    name: 'keeps all if no release is complete',
    props,
    given: (host) => site(host, [], [1, 2], null),
    changes: [],
    then: keepsReleases(1, 2),
  },
  {
    name: 'after a rollback, keeps the current release and the one before it',
    props: { ...props, keep: 2 },
    given: (host) => site(host, [1, 2, 3, 4, 5, 6], [], 3),
    then: keepsReleases(2, 3, 5, 6),
  },
  {
    name: 'removes incomplete releases, except those newer than the newest complete one',
    props,
    given: (host) => site(host, [2, 4], [1, 3, 5, 6], 4),
    then: keepsReleases(2, 4, 5, 6),
  },
  {
    name: 'does not count incomplete releases',
    props: { ...props, keep: 2 },
    given: (host) => site(host, [1, 2, 3], [4, 5], 3),
    then: keepsReleases(2, 3, 4, 5),
  },
  {
    name: 'keeps an incomplete current release',
    props,
    given: (host) => site(host, [2, 3], [1], 1),
    then: keepsReleases(1, 2, 3),
  },
  {
    name: 'follows a relative link to the current release',
    props: { ...props, keep: 2 },
    given: (host) => site(host, [1, 2, 3, 4], [], `releases/${id(1)}`),
    then: keepsReleases(1, 3, 4),
  },
  {
    name: 'keeps what others created, current or not',
    props: { ...props, keep: 2 },
    given: (host) =>
      site(host, [1, 2, 3], [], `${into}/20240501123000`)
        .given(`${into}/20240501123000/x`, 'x')
        .given(`${into}/20230501123000/x`, 'x')
        .given(`${into}/000000-copied00/x`, 'x')
        .given(`${into}/000000-1a2b3c4d/x`, 'x')
        .given(`${into}/.hidden`, 'x'),
    then: keepsReleases(2, 3, '20240501123000', '20230501123000', '000000-copied00', '000000-1a2b3c4d', '.hidden'),
  },
  {
    name: 'removes what killed runs left',
    props,
    given: (host) =>
      site(host, [1], [], 1)
        .given(`${into}/.${id(2)}.checkout/x`, 'x')
        .given(`${into}/.${id(3)}.removing/x/y`, 'x'),
    changes: ['remove /surplus/1', 'remove /surplus/0'],
    then: keepsReleases(1),
  },
  {
    name: 'keeps releases if current is a directory',
    props,
    given: (host) => site(host, [1, 2], [], null).given(`${current}/x`, 'x'),
    changes: [],
    then: keepsReleases(1, 2),
  },
])

t.test('refuses to keep fewer than two', async (t) => {
  const { success } = release_cleanup.definition.props.safeParse({ ...props, keep: 1 })
  t.equal(success, false)
})

t.test('a release counts as removed from the first step of its removal', async (t) => {
  const host = new VirtualHost({
    beforeChange: () => {
      for (const release of listReleases(host, into, current))
        if (release.complete)
          t.equal(host.readText(`${release.path}/bin/run`), 'x', 'a complete release has all its files')
    },
  })
  site(host, [1, 2, 3, 4], [], 4)
  const report = await run(
    planOf((r) => release_cleanup(r, { ...props, keep: 2 })),
    host,
  )
  t.equal(report.outcome, 'changed')
  t.equal(host.changes.filter((change) => change.startsWith('rename')).length, 2)
})
