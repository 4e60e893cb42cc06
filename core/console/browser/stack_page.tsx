/** The page of a stack: its layers with their hosts, its apps, and its deployments. */
import { apiPath, type Deployment, get, type HostState, type Level, type Stack, type StackState } from './api.ts'
import { DeploymentTable } from './deployment_table.tsx'
import { commitsText, Remarks, StateBadge, servicesText } from './host_state.tsx'
import { MaintenanceSwitch } from './maintenance_switch.tsx'
import { Failure, Time, useLoaded } from './parts.tsx'
import { stackLink } from './stack_heading.tsx'

export function StackPage({ stack: name, level }: { readonly stack: string; readonly level: Level }) {
  const path = apiPath`/api/stacks/${name}`
  const { value: stack, error } = useLoaded(() => get<Stack>(path), name)
  const list = useLoaded(() => get<Deployment[]>(`${path}/deployments`), name)
  const states = useLoaded(() => get<StackState>(`${path}/state`), name)
  const stateOf = (host: string) => states.value?.hosts.find((one) => one.host === host)
  return (
    <>
      <Failure error={error} />
      <Failure error={states.error} />
      <div class="title asked">
        <span role="status" class="quiet">
          {states.value === null && states.error === null && 'Asking the hosts for their state …'}
          {states.value && (
            <>
              State of <Time at={states.value.checked} />
            </>
          )}
        </span>
        {(states.value || states.error !== null) && (
          <button type="button" class="plain" onClick={states.reload}>
            Ask again
          </button>
        )}
      </div>
      {stack && (
        <section class="layers" aria-label="Layers">
          {stack.layers.map((layer) => (
            <div key={layer.name} class="card">
              <h2>{layer.title}</h2>
              <p class="quiet">{layer.roles.join(', ')}</p>
              <ul class="hosts">
                {layer.hosts.map((host) => (
                  <HostLine
                    key={host}
                    stack={name}
                    host={stack.hosts.find((one) => one.name === host)}
                    state={stateOf(host)}
                  />
                ))}
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
      {level !== 'show' && states.value && (
        <MaintenanceSwitch stack={name} state={states.value} onSwitched={states.reload} />
      )}
      <h2>Deployments</h2>
      <Failure error={list.error} />
      {list.value && <DeploymentTable deployments={list.value} caption={`Deployments of ${name}`} />}
    </>
  )
}

interface HostLineProps {
  readonly stack: string
  readonly host: Stack['hosts'][number] | undefined
  /** Undefined while the hosts are asked, and for hosts that are not. */
  readonly state: HostState | undefined
}

function HostLine({ stack, host, state }: HostLineProps) {
  if (host === undefined) return null
  const apps = state?.status?.apps ?? []
  return (
    <li>
      <a href={stackLink(stack, 'host', host.name)}>
        <strong>{host.name}</strong>
      </a>{' '}
      <span class="quiet">{host.address}</span> {host.status !== 'online' && <span class="badge">{host.status}</span>}
      {state && <StateBadge state={state.state} />}
      {state?.status && (
        <div class="quiet">{[servicesText(apps), commitsText(apps)].filter((text) => text !== '').join(' · ')}</div>
      )}
      {state && state.state !== 'good' && <Remarks state={state} />}
    </li>
  )
}
