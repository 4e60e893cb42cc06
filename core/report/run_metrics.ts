/** Renders the result of a run in the text format of Prometheus, for the textfile collector of the node exporter. */
import type { RunningRelease } from '../model/run_metrics.ts'
import type { RunReport } from './events.ts'

interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** @param version of the program */
export function renderRunMetrics(
  { id, started, durationMs, outcome, counts, roles, events, selection }: RunReport,
  releases: readonly RunningRelease[],
  version: string,
): string {
  const { changed, unchanged, skipped, failed, notReached } = counts
  const states = { changed, unchanged, skipped, failed, not_reached: notReached }
  const isSuccess = outcome === 'changed' || outcome === 'unchanged'
  return [
    metric('build_info', 'Version of converge.', [{ labels: { version }, value: 1 }]),
    metric('last_run_timestamp_seconds', 'Time at which the last run ended.', [
      { value: (Date.parse(started) + durationMs) / 1000 },
    ]),
    metric('last_run_duration_seconds', 'Duration of the last run.', [{ value: durationMs / 1000 }]),
    metric('last_run_success', 'Whether the last run succeeded.', [{ value: isSuccess ? 1 : 0 }]),
    metric(
      'last_run_resources',
      'Resources of the last run by their outcome.',
      Object.entries(states).map(([state, value]) => ({ labels: { state }, value })),
    ),
    metric('last_run_info', 'The last run, with its roles and events.', [
      {
        labels: {
          run: id,
          roles: roles.join(','),
          events: events.join(','),
          selection: selection === undefined ? 'all' : 'part',
        },
        value: 1,
      },
    ]),
    metric(
      'release_info',
      'Current release of each app.',
      releases.map(({ app, release, commit }) => ({ labels: { app, release, commit: commit ?? '' }, value: 1 })),
    ),
  ].join('')
}

/** A metric without samples is left out: the exporter refuses a file with an empty one. */
function metric(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return ''
  const full = `converge_${name}`
  const lines = samples.map(({ labels = {}, value }) => `${full}${labelText(labels)} ${value}\n`)
  return `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${lines.join('')}`
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (sign) => (sign === '\n' ? '\\n' : `\\${sign}`))
}
