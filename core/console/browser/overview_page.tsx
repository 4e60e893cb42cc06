/** The first page: each stack with its last deployments, and what waits for somebody. */
import { get, type StackSummary } from './api.ts'
import { DeploymentTable } from './deployment_table.tsx'
import { Failure, useLoaded } from './parts.tsx'

export function OverviewPage() {
  const { value: stacks, error } = useLoaded(() => get<StackSummary[]>('/api/stacks'), 'stacks')
  return (
    <>
      <h1>Stacks</h1>
      <Failure error={error} />
      {stacks?.length === 0 && <p>You may not see any stack yet. An administrator can change that.</p>}
      {stacks?.map(({ name, level, deployments }) => (
        <section key={name} class="card">
          <div class="title">
            <h2>
              <a href={`#/stack/${encodeURIComponent(name)}`}>{name}</a>
            </h2>
            {level !== 'show' && (
              <a class="button primary" href={`#/stack/${encodeURIComponent(name)}/deploy`}>
                Deploy
              </a>
            )}
          </div>
          <DeploymentTable deployments={deployments} caption={`Last deployments of ${name}`} />
        </section>
      ))}
    </>
  )
}
