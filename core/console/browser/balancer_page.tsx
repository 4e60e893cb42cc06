/** The page with the servers of the balancers of a stack: states, sessions, and buttons that drain one or set it ready. */
import { useState } from 'preact/hooks'
import { apiPath, type Balancer, call, get, type Level } from './api.ts'
import { ActionForm, Failure, useLoaded } from './parts.tsx'

export function BalancerPage({ stack, level }: { readonly stack: string; readonly level: Level }) {
  const path = `${apiPath`/api/stacks/${stack}`}/balancers`
  const { value, error, reload } = useLoaded(() => get<{ balancers: Balancer[] }>(path), path)
  const [partial, setPartial] = useState<string | null>(null)
  const switchServer = async (action: 'drain' | 'ready', server: string) => {
    if (action === 'drain' && isLast(value?.balancers ?? [], server) && !confirm(lastQuestion(server))) return
    const { balancers } = await call<{ balancers: Balancer[] }>('POST', path, { action, server })
    const failed = balancers.filter(({ failure }) => failure !== null)
    setPartial(failed.length === 0 ? null : failed.map(({ host, failure }) => `${host}: ${failure}`).join('; '))
    reload()
  }
  return (
    <>
      <div class="title asked">
        <span role="status" class="quiet">
          {value === null && error === null && 'Asking the balancers …'}
        </span>
        {(value || error !== null) && (
          <button type="button" class="plain" onClick={reload}>
            Ask again
          </button>
        )}
      </div>
      <Failure error={error} />
      <Failure error={partial} />
      <p>
        A drained server gets no new visitors, and stays drained until it is set ready, even if a deploy restarts it.
      </p>
      {value?.balancers.map((balancer) => (
        <section key={`${balancer.host} ${balancer.where}`} class="card">
          <h2>
            {balancer.host} <span class="quiet">{balancer.where}</span>
          </h2>
          {balancer.failure && <p class="failure">{balancer.failure}</p>}
          {balancer.servers.length > 0 && (
            <ServerTable balancer={balancer} onSwitch={level === 'show' ? null : switchServer} />
          )}
        </section>
      ))}
    </>
  )
}

/** Whether no other server of its backend takes visitors. */
function isLast(balancers: readonly Balancer[], server: string): boolean {
  const backend = server.slice(0, server.indexOf('/') + 1)
  return balancers
    .filter(({ servers }) => servers.some(({ name }) => name === server))
    .some(
      ({ servers }) =>
        !servers.some(({ name, takesVisitors }) => name !== server && takesVisitors && name.startsWith(backend)),
    )
}

const lastQuestion = (server: string) =>
  `${server} is the last server that takes visitors: they get an error until another one does. Drain it?`

interface TableProps {
  readonly balancer: Balancer
  /** Null if the reader may not switch servers. */
  readonly onSwitch: ((action: 'drain' | 'ready', server: string) => Promise<void>) | null
}

function ServerTable({ balancer, onSwitch }: TableProps) {
  return (
    <section class="scroll" tabIndex={0} aria-label={`Servers of ${balancer.host}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Server</th>
            <th scope="col">Address</th>
            <th scope="col">State</th>
            <th scope="col">Sessions</th>
            <th scope="col">Queue</th>
            {onSwitch && (
              <th scope="col">
                <span class="hidden">Action</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {balancer.servers.map((server) => (
            <tr key={server.name}>
              <td>{server.name}</td>
              <td>{server.address}</td>
              <td>
                <span
                  class={`badge ${server.takesVisitors ? 'good' : server.admin === 'ready' ? 'failed' : 'skipped'}`}
                >
                  {stateOf(server)}
                </span>
              </td>
              <td>{server.sessions}</td>
              <td>{server.queue}</td>
              {onSwitch && (
                <td>
                  <ActionForm
                    label={server.admin === 'ready' ? 'Drain' : 'Set ready'}
                    subject={server.name}
                    kind="plain"
                    onSubmit={() => onSwitch(server.admin === 'ready' ? 'drain' : 'ready', server.name)}
                  />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function stateOf({ admin, up, check }: Balancer['servers'][number]): string {
  const health = up ? 'up' : `down${check === '' ? '' : ` (${check})`}`
  return admin === 'ready' ? health : up ? admin : `${admin}, ${health}`
}
