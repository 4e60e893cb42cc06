/** Tests how the screen and the log describe the releases that hosts change from and to. */
import picocolors from 'picocolors'
import t from 'tap'
import { describeEstimate, describeMoves, movedLines } from '../../../../core/fleet/screen/moves.ts'
import { hostReport } from '../../../support/screen.ts'

const paint = picocolors.createColors(false)
const from = { release: '000011-7d1e0b93', commit: '7d1e0b93a5c27d1e0b93', subject: 'Add a "page"\x1b[2J' }
const to = { release: '000012-c0ffeec0', commit: 'c0ffeec0ffeec0ffee' }

t.test('before a deploy', (t) => {
  const commits = { added: 5, removed: 1, subjects: ['Fix the prices', 'x'.repeat(90)] }
  const unbuilt = { ...to, release: null }
  const moves = [
    { app: 'site', hosts: ['client1', 'client2', 'client3', 'client4'], from, to: unbuilt, commits },
    { app: 'site', hosts: ['client5'], from: null, to: unbuilt },
    { app: 'site', hosts: ['client6'], from: to, to: unbuilt },
  ]
  t.equal(
    describeMoves({ event: 'moves', phase: 'switch', moves }, paint),
    `deploy site: from 000011-7d1e0b93 (7d1e0b93a5c2 "Add a \\"page\\"") to c0ffeec0ffee: client[1-4]
  5 new commits, without 1 commit of the current release:
    Fix the prices
    ${'x'.repeat(59)}…
    and 3 more
deploy site: from no release to c0ffeec0ffee: client5
deploy site: stays on 000012-c0ffeec0 (c0ffeec0ffee): client6`,
  )
  t.end()
})

t.test('after a rollback, requested or automatic', (t) => {
  const back = [{ app: 'site', from: to, to: from }]
  const line =
    'site rolled back: from 000012-c0ffeec0 (c0ffeec0ffee) to 000011-7d1e0b93 (7d1e0b93a5c2 "Add a \\"page\\"")'
  const hosts = ['a', 'b'].map((name) => hostReport(name, { moves: back }))
  t.strictSame(movedLines(hosts, 'rollback', paint), [`${line}: a, b`])
  const automatic = [hostReport('a', { outcome: 'rolled back', moves: back }), hostReport('b')]
  t.strictSame(movedLines(automatic, 'deploy', paint), [`${line}: a`])
  t.match(movedLines([hostReport('c', { moves: [{ app: 'site', from, to }] })], 'deploy', paint), [
    /^site switched: from/,
  ])
  t.end()
})

t.test('the estimate', (t) => {
  const told = (durationMs: number | null, runs: number, batches: number) =>
    describeEstimate({ event: 'estimate', durationMs, runs, batches }, paint)
  t.equal(told(200_000, 4, 4), 'estimated duration: about 3 min 20 s (4 earlier runs, 4 batches)')
  t.equal(told(12, 1, 1), 'estimated duration: about 1.0 s (1 earlier run, 1 batch)')
  t.equal(told(null, 0, 3), 'estimated duration: unknown, no earlier run to estimate from')
  t.end()
})
