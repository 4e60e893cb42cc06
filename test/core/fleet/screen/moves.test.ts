/** Tests how the screen and the log describe the releases that hosts change from and to. */
import picocolors from 'picocolors'
import t from 'tap'
import {
  describeEstimate,
  describeReleaseChanges,
  releaseChangeLines,
} from '../../../../core/fleet/screen/release_changes.ts'
import { type SummaryOptions, summary } from '../../../../core/fleet/screen/summary.ts'
import type { RolloutReport } from '../../../../core/fleet/types.ts'
import { hostReport } from '../../../support/screen.ts'

const paint = picocolors.createColors(false)
const from = { release: '000011-7d1e0b93', commit: '7d1e0b93a5c27d1e0b93', subject: 'Add a "page"\x1b[2J' }
const to = { release: '000012-c0ffeec0', commit: 'c0ffeec0ffeec0ffee' }

t.test('displays the changes before a deploy', (t) => {
  const commits = { added: 5, removed: 1, subjects: ['Fix the prices', 'x'.repeat(90)] }
  const unbuilt = { ...to, release: null }
  const moves = [
    { app: 'site', hosts: ['client1', 'client2', 'client3', 'client4'], from, to: unbuilt, commits },
    { app: 'site', hosts: ['client5'], from: null, to: unbuilt },
    { app: 'site', hosts: ['client6'], from: to, to: unbuilt },
  ]
  t.equal(
    describeReleaseChanges({ event: 'moves', phase: 'switch', moves }, paint),
    `deploy site: from 000011-7d1e0b93 (7d1e0b93a5c2 "Add a \\"page\\"") to c0ffeec0ffee: client[1-4]
  5 new commits, without 1 commit of the current release:
    Fix the prices
    ${'x'.repeat(59)}…
    and 3 more
deploy site: from no release to c0ffeec0ffee: client5
deploy site: stays on 000012-c0ffeec0 (c0ffeec0ffee), unless attributes have changed: client6`,
  )
  t.end()
})

t.test('displays a rollback, requested or automatic', (t) => {
  const back = [{ app: 'site', from: to, to: from }]
  const line =
    'site rolled back: from 000012-c0ffeec0 (c0ffeec0ffee) to 000011-7d1e0b93 (7d1e0b93a5c2 "Add a \\"page\\"")'
  const hosts = ['a', 'b'].map((name) => hostReport(name, { moves: back }))
  t.strictSame(releaseChangeLines(hosts, 'rollback', paint), [`${line}: a, b`])
  const automatic = [hostReport('a', { outcome: 'rolled back', moves: back }), hostReport('b')]
  t.strictSame(releaseChangeLines(automatic, 'deploy', paint), [`${line}: a`])
  t.match(releaseChangeLines([hostReport('c', { moves: [{ app: 'site', from, to }] })], 'deploy', paint), [
    /^site switched: from/,
  ])
  t.end()
})

t.test('a failed deploy names the way back', (t) => {
  const lines = (change: object, more: object = {}) => {
    const hosts = [
      hostReport('a', { outcome: 'failed', moves: [{ app: 'site', from, to }], ...change }),
      hostReport('b'),
    ]
    const report = { id: '7', stack: 's', action: 'deploy', comment: '', by: 'ann', strategy: 'rolling', hosts }
    const all = { ...report, started: '', durationMs: 1, outcome: 'failed', commits: {}, warnings: [], ...more }
    const options = {
      paint,
      verbose: false,
      quiet: false,
      addresses: new Map(),
      warnings: [],
      stackOptions: ' -s x.yaml',
    }
    return summary(all as RolloutReport, options as unknown as SummaryOptions).filter((line) =>
      /to roll back/.test(line),
    )
  }
  t.strictSame(lines({}), ['to roll back a: converge stack rollback --app site -s x.yaml'])
  const moves = ['zeo', 'site', 'new'].map((app) => ({ app, from: app === 'new' ? null : from, to }))
  t.strictSame(
    lines({ moves }),
    ['to roll back a: converge stack rollback --app site,zeo -s x.yaml'],
    'the apps with an earlier release that this deploy has switched, and no other app of the stack',
  )
  t.strictSame(lines({ outcome: 'rolled back' }), [])
  t.strictSame(lines({ moves: [{ app: 'site', from: null, to }] }), [], 'there is nothing to return to')
  t.strictSame(lines({ moves: undefined }), [])
  t.strictSame(lines({}, { action: 'rollback' }), [])
  t.strictSame(lines({}, { outcome: 'changed' }), [])
  t.end()
})

t.test('displays the estimate', (t) => {
  const reported = (durationMs: number | null, runs: number, batches: number) =>
    describeEstimate({ event: 'estimate', durationMs, runs, batches }, paint)
  t.equal(reported(200_000, 4, 4), 'estimated duration: about 3 min 20 s (4 earlier runs, 4 batches)')
  t.equal(reported(12, 1, 1), 'estimated duration: about 1.0 s (1 earlier run, 1 batch)')
  t.equal(reported(null, 0, 3), 'estimated duration: unknown, no earlier run to estimate from')
  const rebuilt = (durationMs: number | null) =>
    describeEstimate({ event: 'estimate', durationMs, runs: 2, batches: 3, rebuilt: ['a', 'b'] }, paint)
  const cause = 'the build changed hosts whose commit stays: a, b'
  t.equal(rebuilt(47_000), `new estimate of the duration: about 47 s (2 earlier runs, 3 batches); ${cause}`)
  t.equal(rebuilt(null), `new estimate of the duration: unknown, no earlier run to estimate from; ${cause}`)
  t.end()
})
