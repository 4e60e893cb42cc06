/** The page that compares two deployments of a stack. */
import { apiPath, type Comparison, type Deployment, type Difference, get } from './api.ts'
import { describe } from './deployment_table.tsx'
import { Badge, duration, Failure, Time, useLoaded } from './parts.tsx'

/** @param ids both numbers, such as `12-15` */
export function ComparisonPage({ stack, ids }: { readonly stack: string; readonly ids: string }) {
  const [from = '', to = ''] = ids.split('-')
  const query = new URLSearchParams({ from, to })
  const { value, error } = useLoaded(
    () => get<Comparison>(`${apiPath`/api/stacks/${stack}/comparison`}?${query}`),
    `${stack} ${ids}`,
  )
  return (
    <>
      <Failure error={error} />
      {value && <ComparisonView comparison={value} />}
    </>
  )
}

function ComparisonView({ comparison: { from, to, request, commits, hosts, changes, sameChanges } }: ViewProps) {
  const heads = [`Deployment ${from.id}`, `Deployment ${to.id}`] as const
  return (
    <>
      <div class="pair">
        {[from, to].map((one) => (
          <Heading key={one.id} deployment={one} />
        ))}
      </div>
      <Differences title="Request" heads={heads} rows={request} empty="Both were requested in the same way." />
      <Differences
        title="Commits"
        heads={heads}
        rows={commits.map((row) => ({ ...row, from: short(row.from), to: short(row.to) }))}
        empty="The same commits, or none."
      />
      <Differences
        title="Hosts"
        heads={heads}
        rows={hosts.map((row) => ({ ...row, from: outcomeText(row.from), to: outcomeText(row.to) }))}
        empty="No host has reported."
      />
      <h2>Plans</h2>
      <p>
        {changes.length} different, {sameChanges} the same
      </p>
      {changes.map(({ name, from: before, to: after }) => (
        <details key={name} class="card">
          <summary>
            <code>{name.split('\n', 1)[0]}</code>{' '}
            <span class="quiet">
              {heads[0]}: {before?.join(', ') ?? 'not planned'}. {heads[1]}: {after?.join(', ') ?? 'not planned'}
            </span>
          </summary>
          <pre>{name}</pre>
        </details>
      ))}
    </>
  )
}

interface ViewProps {
  readonly comparison: Comparison
}

function Heading({ deployment }: { readonly deployment: Deployment }) {
  const { id, state, by, created, started, ended, reason } = deployment
  return (
    <div class="card">
      <h2>
        <a href={`#/deployment/${id}`}>Deployment {id}</a> <Badge state={state} />
      </h2>
      <p>
        {describe(deployment)}. Requested by {by}, <Time at={created} />
        {started && ended && `, took ${duration(Date.parse(started), Date.parse(ended))}`}
      </p>
      {reason && <p class="quiet">{reason}</p>}
    </div>
  )
}

interface DifferencesProps {
  readonly title: string
  readonly heads: readonly [string, string]
  readonly rows: readonly Difference<string>[]
  /** Text if there is no row. */
  readonly empty: string
}

function Differences({ title, heads, rows, empty }: DifferencesProps) {
  return (
    <>
      <h2>{title}</h2>
      {rows.length === 0 ? (
        <p class="quiet">{empty}</p>
      ) : (
        <section class="scroll" tabIndex={0} aria-label={title}>
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                {heads.map((head) => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ name, from, to }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{from ?? '–'}</td>
                  <td>{to ?? '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  )
}

function outcomeText(host: Comparison['hosts'][number]['from']): string | null {
  return host === null ? null : `${host.outcome}, ${duration(0, host.durationMs)}`
}

function short(commit: string | null): string | null {
  return commit?.slice(0, 12) ?? null
}
