/** Shows a plan: commits, and the changes of each group of hosts, with diffs. */
import type { Plan, PlannedChange, ReleaseChange } from './api.ts'

export function PlanView({ plan }: { readonly plan: Plan }) {
  const count = plan.groups.reduce((sum, { changes }) => sum + changes.length, 0)
  return (
    <section aria-label="Plan">
      <h2>Plan</h2>
      {plan.warnings.map((warning) => (
        <p key={warning} class="warning">
          {warning}
        </p>
      ))}
      {plan.releases.map((change) => (
        <Release key={`${change.app} ${change.hosts.join()}`} change={change} />
      ))}
      {count === 0 && <p>Nothing would change.</p>}
      {plan.groups.map(({ hosts, changes }) => (
        <div key={hosts.join()} class="card">
          <h3>
            {hosts.join(', ')}{' '}
            <span class="quiet">{hosts.length > 1 ? `${hosts.length} hosts, the same changes` : ''}</span>
          </h3>
          {changes.map((change) => (
            <Change key={change.resource} change={change} />
          ))}
        </div>
      ))}
    </section>
  )
}

function Release({ change: { app, hosts, from, to, commits } }: { readonly change: ReleaseChange }) {
  return (
    <p>
      <strong>{app}</strong> on {hosts.join(', ')}: {from === null ? 'first release' : <code>{short(from)}</code>} →{' '}
      <code>{short(to)}</code>
      {commits && (
        <span class="quiet">
          {' '}
          {commits.added > 0 ? `${commits.added} new commits` : ''}{' '}
          {commits.removed > 0 ? `without ${commits.removed} commits` : ''}: {commits.subjects.join('; ')}
        </span>
      )}
    </p>
  )
}

function short({ commit, release, subject }: NonNullable<ReleaseChange['from']>): string {
  const name = commit?.slice(0, 12) ?? release ?? 'unknown'
  return subject === undefined ? name : `${name} ${subject}`
}

function Change({ change: { resource, summary, diff } }: { readonly change: PlannedChange }) {
  const text = <pre class="change">{summary ?? resource}</pre>
  if (diff.length === 0) return text
  return (
    <details>
      <summary>{text}</summary>
      <pre class="diff">
        {diff.map((line, index) => (
          // Lines have no other identity than their position.
          <span key={index} class={line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : ''}>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
    </details>
  )
}
