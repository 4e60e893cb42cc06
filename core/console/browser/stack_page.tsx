/** The page of a stack: its layers with their hosts, its apps, and its deployments. */
import { apiPath, type Deployment, get, type Stack } from './api.ts'
import { DeploymentTable } from './deployment_table.tsx'
import { Failure, useLoaded } from './parts.tsx'

export function StackPage({ stack: name }: { readonly stack: string }) {
  const { value: stack, error } = useLoaded(() => get<Stack>(apiPath`/api/stacks/${name}`), name)
  const list = useLoaded(() => get<Deployment[]>(`${apiPath`/api/stacks/${name}`}/deployments`), name)
  return (
    <>
      <Failure error={error} />
      {stack && (
        <section class="layers" aria-label="Layers">
          {stack.layers.map((layer) => (
            <div key={layer.name} class="card">
              <h2>{layer.title}</h2>
              <p class="quiet">{layer.roles.join(', ')}</p>
              <ul class="hosts">
                {layer.hosts.map((host) => {
                  const { address = '', status = 'unknown' } = stack.hosts.find((one) => one.name === host) ?? {}
                  return (
                    <li key={host}>
                      <strong>{host}</strong> <span class="quiet">{address}</span>{' '}
                      {status !== 'online' && <span class="badge">{status}</span>}
                    </li>
                  )
                })}
              </ul>
              {layer.hosts.length === 0 && <p class="quiet">No host</p>}
            </div>
          ))}
        </section>
      )}
      {stack && (
        <p>
          Apps: {stack.apps.map(({ name }) => name).join(', ') || 'none'}
          {stack.secondPerson && '. A second person must approve each deployment.'}
        </p>
      )}
      <h2>Deployments</h2>
      <Failure error={list.error} />
      {list.value && <DeploymentTable deployments={list.value} caption={`Deployments of ${name}`} />}
    </>
  )
}
