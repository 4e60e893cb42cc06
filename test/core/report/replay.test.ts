/** Tests that the JSON lines of a run can be read back without loss, and that other lines are recognized. */
import fc from 'fast-check'
import t from 'tap'
import { loadDiff } from '../../../core/report/diff.ts'
import type { Counts, Handlers, ResourceReport, RunReport } from '../../../core/report/events.ts'
import { jsonLines } from '../../../core/report/json_lines.ts'
import { isRunReport, replay } from '../../../core/report/replay.ts'

const counts: Counts = { changed: 1, planned: 0, unknown: 0, unchanged: 0, skipped: 0, failed: 1, notReached: 0 }
const start = { id: '1', mode: 'run' as const, roles: ['web'], events: ['deploy'], started: 'then', resources: 2 }
const about = { type: 'file', key: '/a', role: 'web', event: 'deploy', durationMs: 1 }
const changed: ResourceReport = {
  ...about,
  name: 'file /a',
  outcome: 'changed',
  patch: [{ op: 'replace', path: '/content', value: 'two\n' }],
}
const failed: ResourceReport = {
  ...about,
  name: 'execute make',
  outcome: 'failed',
  failure: { code: 'COMMAND_FAILED', message: 'make exited with status 2', source: { file: '/r.ts', line: 3 } },
}
const report: RunReport = {
  ...start,
  durationMs: 5,
  outcome: 'failed',
  counts,
  resources: [changed, failed],
  warnings: [],
}

/** Collects the events in a list. */
function listener() {
  const received: unknown[] = []
  const handlers: Handlers = {
    start: (run) => void received.push(['start', run]),
    applying: (name) => void received.push(['applying', name]),
    progress: (name, line) => void received.push(['progress', name, line]),
    resource: (one) => void received.push(['resource', one]),
    warn: (message) => void received.push(['warn', message]),
    end: (one) => void received.push(['end', one]),
  }
  return { received, handlers }
}

t.test('reads what it wrote', async (t) => {
  const lines: string[] = []
  const write = jsonLines((text) => void lines.push(text), { unchanged: false, diff: await loadDiff() })
  write.start?.(start)
  write.applying?.('file /a')
  write.progress?.('file /a', 'half')
  write.resource?.({ ...changed, texts: { before: 'one\n', after: 'two\n' } })
  write.resource?.(failed)
  write.warn?.('careful')
  write.end?.(report)
  const { received, handlers } = listener()
  for (const line of lines) t.ok(replay(JSON.parse(line), handlers), line)
  const diff = ['-one', '+two']
  t.strictSame(received, [
    ['start', start],
    ['applying', 'file /a'],
    ['progress', 'file /a', 'half'],
    ['resource', { ...changed, diff }],
    ['resource', failed],
    ['warn', 'careful'],
    ['end', { ...report, resources: [{ ...changed, diff }, failed] }],
  ])
})

t.test('cuts a long diff', async (t) => {
  const lines: string[] = []
  const write = jsonLines((text) => void lines.push(text), { unchanged: false, diff: await loadDiff() })
  write.resource?.({ ...changed, texts: { before: '', after: 'x\n'.repeat(1000) } })
  const { diff } = JSON.parse(lines[0] ?? '') as ResourceReport
  t.equal(diff?.length, 401)
  t.equal(diff?.at(-1), '@@ 600 more lines @@')
})

t.test('refuses any invalid event of a host as a whole', (t) => {
  const { handlers } = listener()
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom('start', 'resource', 'end', 'warning', 'none'), (value, event) => {
      const line = typeof value === 'object' && value !== null ? { ...value, event } : value
      return replay(line, handlers) === false
    }),
  )
  for (const broken of [
    { ...report, resources: [{ ...changed, name: 7 }] },
    { ...report, resources: [{ ...changed, diff: 'x' }] },
    { ...report, resources: [{ ...changed, patch: [{ path: 1 }] }] },
    { ...report, resources: [{ ...failed, failure: { code: 'X' } }] },
    { ...report, counts: { changed: 'many' } },
    { ...report, warnings: null },
  ])
    t.notOk(isRunReport(broken))
  t.ok(isRunReport(report))
  t.end()
})
