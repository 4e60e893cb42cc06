/** The page that lists who did what. */
import { type AuditEntry, get } from './api.ts'
import { Failure, Time, useLoaded } from './parts.tsx'

export function AuditPage() {
  const { value: entries, error } = useLoaded(() => get<AuditEntry[]>('/api/audit'), 'audit')
  return (
    <>
      <h1>Audit</h1>
      <Failure error={error} />
      {entries?.length === 0 && <p class="quiet">Nothing that you may see.</p>}
      {entries && entries.length > 0 && (
        <section class="scroll" tabIndex={0} aria-label="Audit">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">Stack</th>
                <th scope="col">Details</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((one) => (
                <tr key={one.id}>
                  <td>
                    <Time at={one.time} />
                  </td>
                  <td>
                    {one.actor} <span class="quiet">{one.via}</span>
                  </td>
                  <td>{one.action}</td>
                  <td>{one.stack ?? ''}</td>
                  <td>
                    <code>{describeDetail(one.detail)}</code>
                  </td>
                  <td>{one.address}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  )
}

function describeDetail(detail: AuditEntry['detail']): string {
  return Object.entries(detail)
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}
