/**
 * Tests the targets of a rollback: each app returns to one commit on all hosts, whatever the names of their releases.
 */
import * as fc from 'fast-check'
import t from 'tap'
import type { AppReleases } from '../../../../core/fleet/host_answers.ts'
import type { RollbackTo } from '../../../../core/fleet/host_client.ts'
import {
  type HostRollback,
  planRollback,
  type RollbackHost,
  targetBeforeLastChange,
} from '../../../../core/fleet/planning/rollback_targets.ts'
import { commandOptions } from '../../../../core/fleet/remote/command_words.ts'

const commit = (letter: string) => letter.repeat(40)

/**
 * Parses releases: `abC` has the commits a, b and c, of which the last is current. `x-`: not complete; `?`: without a
 * commit.
 */
function app(text: string, name = 'site'): AppReleases {
  const parts = text.match(/[\w?]-?/g) ?? []
  return {
    name,
    releases: parts.map((part, at) => {
      const [letter = ''] = part
      return {
        id: `${at + 1}`,
        commit: letter === '?' ? 'unknown' : commit(letter.toLowerCase()),
        current: /[A-Z]/.test(letter),
        complete: !part.endsWith('-'),
      }
    }),
  }
}

function hosts(...all: readonly (string | Readonly<Record<string, string>>)[]): RollbackHost[] {
  return all.map((one, at) => ({
    name: `h${at}`,
    releases: Object.entries(typeof one === 'string' ? { site: one } : one).map(([name, text]) => app(text, name)),
  }))
}

const optionsOf = ({ to }: { readonly to: RollbackTo }) => commandOptions({ kind: 'rollback', to }, '')

function words(way: HostRollback | undefined): string {
  if (way === undefined) return 'nothing'
  if ('targets' in way) return optionsOf(way).join(' ')
  return 'error' in way ? way.error.message : 'skipped' in way ? `skipped: ${way.skipped}` : way.unchanged
}

function ways(all: readonly RollbackHost[], to: string | null = null, apps?: readonly string[]): string[] {
  const found = planRollback(all, (one) => apps?.includes(one) ?? true, to)
  return all.map(({ name }) => words(found.get(name)))
}

const goal = (...all: readonly string[]) => targetBeforeLastChange(all.map((text) => app(text))).commit?.[0] ?? null

t.test('selects the commit that most hosts had before the last change', async (t) => {
  t.equal(goal('aB', 'aB', 'aB'), 'a')
  t.equal(goal('abC', 'aC', 'aC'), 'a', 'one had a release of its own in between')
  t.equal(goal('abC', 'ab-C'), 'a', 'of two commits, the one that both hosts have')
  t.equal(goal('zaB', 'zA', 'zA', 'zA'), 'a', 'it was tried on one host alone')
  t.equal(goal('zAb', 'zaB'), 'a', 'one host has rolled back already')
  t.equal(goal('aaA'), 'a', 'only the configuration has changed')
  t.equal(goal('A', 'A'), null)
  t.equal(goal(), null)
  t.equal(goal('?B', 'aB'), 'a', 'a release without a known commit does not count')
  t.equal(goal('abA', 'aB'), 'b', 'the last change returned to the first commit')
})

t.test('selects the release of that commit on each host', async (t) => {
  t.strictSame(ways(hosts('xaB', 'aB')), ['--to 2', '--to 1'])
  t.strictSame(ways(hosts('zaB', 'zA')), ['--to 2', '--to 2'], 'a host on the target completes the rest')
  t.strictSame(ways(hosts('aaB', 'aAb')), ['--to 2', '--to 2'], 'and does not go back further')
  t.strictSame(ways(hosts('aA', 'aA')), ['--to 1', '--to 1'], 'another configuration of the same commit')
  t.strictSame(ways(hosts('aB', 'B')), ['--to 1', 'site has no release of aaaaaaaaaaaa to roll back to'])
  t.strictSame(
    ways(hosts('zaB', 'zaB', 'zaB', 'Z')),
    ['--to 2', '--to 2', '--to 2', 'skipped: site has no release of aaaaaaaaaaaa on the host'],
    'a host that missed every deployment does not block the rollback of the others',
  )
  t.strictSame(ways(hosts('A')), [''], 'the host reports that it has none')
  t.strictSame(ways(hosts('ab', 'aB')), ['no app has a current release to roll back', '--to 1'])
  t.strictSame(ways(hosts({})), [''], 'its recipe knows')
  t.strictSame(ways(hosts({}), commit('a')), [`--to ${commit('a')}`])
  t.strictSame(ways(hosts({ site: 'aB' }), null, ['own']), ['--to 2'], 'and the named one stays')
})

t.test('selects a given commit or release', async (t) => {
  t.strictSame(ways(hosts('abC', 'aB'), commit('a').slice(0, 8)), ['--to 1', '--to 1'])
  t.strictSame(ways(hosts('abC', 'aB'), 'b'), ['--to 2', '--to 2'], 'it is on it already')
  t.strictSame(ways(hosts('aB'), 'ee'), ['site has no release of ee to roll back to'])
})

t.test('selects the earlier release of each app of a host', async (t) => {
  const both = hosts({ site: 'aB', shop: 'xyZ' }, { site: 'abB', shop: 'yZ' })
  t.strictSame(ways(both), ['--to site=1,shop=2', '--to site=1,shop=1'])
  t.strictSame(ways(both, null, ['shop']), ['--to shop=2', '--to shop=1'], 'the other one stays')
  t.strictSame(
    ways(hosts({ site: 'aB', shop: 'x' })),
    ['--to site=1'],
    'an app without a current release is not rolled back',
  )
  t.strictSame(ways(hosts({ site: 'aB', shop: 'X' })), ['--to site=1'], 'what has no earlier release stays')
  t.strictSame(ways(hosts({ site: 'aB', shop: 'xY' }, { site: 'aB' }, { shop: 'xY' })), [
    '--to site=1,shop=1',
    '--to 1',
    '--to 1',
  ])
})

t.test('after any deploys, all hosts that roll back get one commit, which each of them has', async () => {
  const history = fc
    .tuple(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 5 }), fc.nat(4))
    .map(([letters, at]) => letters.map((one, n) => (n === at % letters.length ? one.toUpperCase() : one)).join(''))
  fc.assert(
    fc.property(fc.array(history, { minLength: 1, maxLength: 6 }), (all) => {
      const given = hosts(...all)
      const goals = new Set<string | undefined>()
      for (const [name, way] of planRollback(given, () => true, null)) {
        if (!('targets' in way)) continue
        const [option, id] = optionsOf(way)
        const release = given.find((one) => one.name === name)?.releases[0]?.releases.find((one) => one.id === id)
        if (option === undefined) continue
        if (option !== '--to' || release?.complete !== true) return false
        goals.add(release.commit)
      }
      return goals.size <= 1
    }),
  )
})

t.test('an app without an earlier release stays, and the others roll back', async (t) => {
  t.strictSame(ways(hosts({ site: 'aB', zeo: 'A' }, { zeo: 'A' }, 'aB')), [
    '--to site=1',
    'zeo stays unchanged: it has no earlier release',
    '--to 1',
  ])
  t.strictSame(ways(hosts({ site: 'A', zeo: 'A' })), ['site has no release before the current one to roll back to'])
  t.strictSame(ways(hosts('A')), [''], 'the host reports it')
})

t.test('uses the previous release that a host reports', async (t) => {
  const { name, releases } = app('abC')
  const site = { name, releases: releases.map((one, at) => ({ ...one, previous: at === 0 })) }
  t.strictSame(ways([{ name: 'h0', releases: [site] }]), ['--to 1'], 'b was rolled back from')
})
