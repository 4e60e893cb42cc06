/** A table of deployments. */
import type { Deployment } from './api.ts'
import { Badge, duration, Time } from './parts.tsx'

interface TableProps {
  readonly deployments: readonly Deployment[]
  readonly caption: string
  /** The chosen deployments; without it, none can be chosen. */
  readonly choice?: readonly number[]
  readonly onChoice?: (choice: readonly number[]) => void
}

export function DeploymentTable({ deployments, caption, choice, onChoice }: TableProps) {
  if (deployments.length === 0) return <p class="quiet">No deployment from this console yet.</p>
  return (
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {choice && <th scope="col">Compare</th>}
            <th scope="col">Deployment</th>
            <th scope="col">State</th>
            <th scope="col">What</th>
            <th scope="col">By</th>
            <th scope="col">When</th>
            <th scope="col">Took</th>
          </tr>
        </thead>
        <tbody>
          {deployments.map((one) => (
            <tr key={one.id}>
              {choice && (
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Compare deployment ${one.id}`}
                    checked={choice.includes(one.id)}
                    onChange={({ currentTarget }) =>
                      onChoice?.(
                        currentTarget.checked ? [...choice, one.id].slice(-2) : choice.filter((id) => id !== one.id),
                      )
                    }
                  />
                </td>
              )}
              <td>
                <a href={`#/deployment/${one.id}`}>{one.id}</a>
              </td>
              <td>
                <Badge state={one.state} />
              </td>
              <td>
                {describe(one)}
                {one.request.comment !== '' && <span class="quiet"> {one.request.comment}</span>}
              </td>
              <td>{one.by}</td>
              <td>
                <Time at={one.created} />
              </td>
              <td>{one.started && one.ended ? duration(Date.parse(one.started), Date.parse(one.ended)) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** Says what a deployment does, such as `deploy shop at v2.1 on web1`. */
export function describe({ request }: Pick<Deployment, 'request'>): string {
  const { action, apps = [], hosts = [], layers = [], revision, to } = request
  const where = [...hosts, ...layers.map((layer) => `layer ${layer}`)]
  return [
    action,
    apps.join(', ') || 'all apps',
    revision === undefined ? '' : `at ${revision}`,
    to === undefined ? '' : `to ${to}`,
    where.length === 0 ? '' : `on ${where.join(', ')}`,
  ]
    .filter(Boolean)
    .join(' ')
}
