/** Tests the metrics of a run in the text format of Prometheus. */
import t from 'tap'
import type { RunReport } from '../../../core/report/events.ts'
import { renderRunMetrics } from '../../../core/report/run_metrics.ts'

const report: RunReport = {
  id: '000042',
  mode: 'run',
  roles: ['frontend', 'broker'],
  events: ['configure'],
  started: '2026-11-30T10:00:00.000Z',
  durationMs: 2500,
  outcome: 'changed',
  counts: { changed: 2, planned: 0, unknown: 0, unchanged: 30, skipped: 1, failed: 0, notReached: 0 },
  resources: [],
  warnings: [],
}

t.test('renders each metric with its type, and escapes labels', (t) => {
  const releases = [
    { app: 'shop', release: '000001-1a2b3c4d', commit: '1a2b3c4d' },
    { app: 'wiki', release: 'a "quoted" \\ name\nwith lines', commit: null },
  ]
  const text = renderRunMetrics(report, releases, '1.2.3')
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  t.strictSame(samples, [
    'converge_build_info{version="1.2.3"} 1',
    `converge_last_run_timestamp_seconds ${Date.parse('2026-11-30T10:00:02.500Z') / 1000}`,
    'converge_last_run_duration_seconds 2.5',
    'converge_last_run_success 1',
    'converge_last_run_resources{state="changed"} 2',
    'converge_last_run_resources{state="unchanged"} 30',
    'converge_last_run_resources{state="skipped"} 1',
    'converge_last_run_resources{state="failed"} 0',
    'converge_last_run_resources{state="not_reached"} 0',
    'converge_last_run_info{run="000042",roles="frontend,broker",events="configure",selection="all"} 1',
    'converge_release_info{app="shop",release="000001-1a2b3c4d",commit="1a2b3c4d"} 1',
    String.raw`converge_release_info{app="wiki",release="a \"quoted\" \\ name\nwith lines",commit=""} 1`,
  ])
  const names = new Set(samples.map((line) => line.replace(/[ {].*/, '')))
  for (const name of names) t.equal(text.split(`# TYPE ${name} gauge\n`).length, 2, name)
  t.end()
})

t.test('reports whether a run failed, was interrupted or covered only a part', (t) => {
  const metricsOf = (changes: Partial<RunReport>) => renderRunMetrics({ ...report, ...changes }, [], '1.2.3')
  t.match(metricsOf({ outcome: 'unchanged' }), /^converge_last_run_success 1$/m)
  t.match(metricsOf({ outcome: 'failed' }), /^converge_last_run_success 0$/m)
  t.match(metricsOf({ outcome: 'interrupted' }), /^converge_last_run_success 0$/m)
  t.match(metricsOf({ selection: { only: ['file'], skip: [] } }), /selection="part"/)
  t.notMatch(metricsOf({}), /release_info/, 'a metric without samples is left out')
  t.end()
})
