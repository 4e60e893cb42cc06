/** Tests the comparison of two deployments, and the report of one. */
import t from 'tap'
import { compareDeployments } from '../../../core/console/deployments/comparison.ts'
import { deploymentReport } from '../../../core/console/deployments/deployment_report.ts'
import { type ConsoleDeployment, type PlanGroup, requestSchema } from '../../../core/console/deployments/states.ts'
import type { FleetEvent } from '../../../core/fleet/types.ts'

interface Given {
  readonly request?: object
  readonly groups?: readonly PlanGroup[]
}

function deployment(id: number, { request = {}, groups = [] }: Given = {}): ConsoleDeployment {
  return {
    id,
    stack: 'shop',
    state: 'failed',
    reason: 'web1: <b>exit status 1</b>',
    by: 'ann',
    request: requestSchema.parse(request),
    created: '2026-11-30T10:00:00.000Z',
    started: '2026-11-30T10:01:00.000Z',
    ended: '2026-11-30T10:03:05.000Z',
    deadline: null,
    confirmedBy: 'ann',
    approvedBy: 'bob',
    abortedBy: null,
    record: '000012',
    plan: { digest: '', groups, releases: [], warnings: [] },
  }
}

const change = (resource: string, diff: readonly string[] = []) => ({
  resource,
  outcome: 'planned',
  summary: null,
  diff,
})

function ended(commit: string, outcome: string): FleetEvent[] {
  const host = { host: 'web1', outcome, phase: 'switch', durationMs: 1500, counts: {}, live: [] }
  const failure = { code: 'X', message: 'exit status 1', hint: 'read <the log>' }
  const moves = [{ app: 'shop', from: null, to: { release: '1', commit } }]
  const report = { commits: { shop: commit }, strategy: 'rolling', warnings: ['slow <disk>'], outcome: 'failed' }
  return [
    { event: 'paused', by: 'ann', since: '2026-11-30T10:02:00.000Z', comment: 'lunch' },
    { event: 'health', what: 'http://shop/', ok: false, detail: 'HTTP 503' },
    { event: 'end', report: { ...report, hosts: [{ ...host, failure, moves }] } },
  ] as unknown as FleetEvent[]
}

async function* replay(events: readonly FleetEvent[]): AsyncGenerator<FleetEvent> {
  yield* events
}

t.test('compares requests, commits, hosts and plans', async (t) => {
  const same = change('file /same', ['-a', '+b'])
  const from = deployment(1, {
    request: { apps: ['shop'], strategy: 'rolling' },
    groups: [{ hosts: ['web1', 'web2'], changes: [same, change('service old')] }],
  })
  const to = deployment(2, {
    request: { apps: ['shop'], strategy: 'canary', comment: 'faster' },
    groups: [
      { hosts: ['web2'], changes: [same] },
      { hosts: ['web1'], changes: [same, change('file /same', ['-a', '+c'])] },
    ],
  })
  const compared = await compareDeployments(
    { deployment: from, events: replay(ended('a'.repeat(40), 'failed')) },
    { deployment: to, events: replay(ended('b'.repeat(40), 'changed')) },
  )
  t.strictSame(compared, {
    request: [
      { name: 'strategy', from: 'rolling', to: 'canary' },
      { name: 'comment', from: null, to: 'faster' },
    ],
    commits: [{ name: 'shop', from: 'a'.repeat(40), to: 'b'.repeat(40) }],
    hosts: [
      { name: 'web1', from: { outcome: 'failed', durationMs: 1500 }, to: { outcome: 'changed', durationMs: 1500 } },
    ],
    changes: [
      { name: 'service old', from: ['web1', 'web2'], to: null },
      { name: 'file /same\n-a\n+c', from: null, to: ['web1'] },
    ],
    sameChanges: 1,
  })
  const rollback = (commit: string) =>
    ended(commit, 'changed').map((event) =>
      event.event === 'end' ? { ...event, report: { ...event.report, commits: {} } } : event,
    )
  const rollbacks = await compareDeployments(
    { deployment: from, events: replay(rollback('a'.repeat(40))) },
    { deployment: from, events: replay(rollback('b'.repeat(40))) },
  )
  t.strictSame(rollbacks.commits, [{ name: 'shop', from: 'a'.repeat(40), to: 'b'.repeat(40) }])
  const never = await compareDeployments(
    { deployment: from, events: replay([]) },
    { deployment: from, events: replay([]) },
  )
  t.match(never, { request: [], commits: [], hosts: [], changes: [], sameChanges: 2 }, 'without a rollout')
})

t.test('the report has the plan, the hosts and the reasons, with all text escaped', async (t) => {
  const groups = [{ hosts: ['web1'], changes: [change('file /etc/<x>', ['-a', '+b'])] }]
  const given = { request: { comment: '<script>alert(1)</script>', customJson: { a: 1 } }, groups }
  const page = await deploymentReport(deployment(3, given), replay(ended('c'.repeat(40), 'failed')))
  for (const text of [
    'Deployment 3 <span class="muted">of shop</span>',
    'failed: web1: &lt;b&gt;exit status 1&lt;/b&gt;',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '<dt>Approved</dt><dd>bob</dd>',
    '<dt>Duration</dt><dd>2 min 5 s</dd>',
    'read &lt;the log&gt;',
    `shop none → ${'c'.repeat(12)}`,
    'slow &lt;disk&gt;',
    'not ok: http://shop/ HTTP 503',
    'paused by ann at 2026-11-30 10:02:00 UTC: lunch',
    'file /etc/&lt;x&gt;',
    '<span class="add">+b\n</span>',
  ])
    t.ok(page.includes(text), text)
  t.notMatch(page, /<script|<b>/)
  t.match(await deploymentReport(deployment(4), replay([])), 'Deployment 4', 'without a rollout')
})
