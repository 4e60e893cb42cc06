/** The page of a host: its state, its apps with their services, and its attributes with their origin. */
import { useState } from 'preact/hooks'
import { type Attribute, apiPath, get, type HostState, type Stack, type StackState } from './api.ts'
import { Remarks, StateBadge } from './host_state.tsx'
import { ActionForm, Failure, Time, useLoaded } from './parts.tsx'

interface HostProps {
  readonly stack: string
  readonly host: string
}

export function HostPage({ stack, host }: HostProps) {
  const path = apiPath`/api/stacks/${stack}`
  const view = useLoaded(() => get<Stack>(path), path)
  const states = useLoaded(() => get<StackState>(`${path}/state`), path)
  const declared = view.value?.hosts.find(({ name }) => name === host)
  const state = states.value?.hosts.find((one) => one.host === host)
  if (view.value && declared === undefined) return <p>The stack has no host {host}.</p>
  return (
    <>
      <Failure error={view.error} />
      <section class="card">
        <div class="title">
          <h2>
            {host} <span class="quiet">{declared?.address}</span>
          </h2>
          {state && <StateBadge state={state.state} />}
        </div>
        {declared && (
          <p class="quiet">
            Layers: {declared.layers.join(', ') || 'none'}. Roles: {declared.roles.join(', ') || 'none'}.
          </p>
        )}
        <p role="status" class="quiet">
          {states.value === null && states.error === null && 'Asking the hosts for their state …'}
          {states.value && (
            <>
              State of <Time at={states.value.checked} />
              {state === undefined && ': the host is shut down, and was not asked'}
            </>
          )}
        </p>
        <Failure error={states.error} />
        {state && <Remarks state={state} />}
        {state?.status && <Apps status={state.status} host={host} />}
      </section>
      <Attributes stack={stack} host={host} />
    </>
  )
}

function Apps({ status, host }: { readonly status: NonNullable<HostState['status']>; readonly host: string }) {
  const { apps, lastRun } = status
  return (
    <>
      {lastRun && (
        <p>
          Last run: {lastRun.events.join(', ')} <strong>{lastRun.outcome}</strong>, <Time at={lastRun.started} />
        </p>
      )}
      {apps.length > 0 && (
        <section class="scroll" tabIndex={0} aria-label={`Apps on ${host}`}>
          <table>
            <caption class="hidden">Apps on {host}</caption>
            <thead>
              <tr>
                <th scope="col">App</th>
                <th scope="col">Release</th>
                <th scope="col">Commit</th>
                <th scope="col">Services</th>
              </tr>
            </thead>
            <tbody>
              {apps.map((app) => (
                <tr key={app.name}>
                  <td>{app.name}</td>
                  <td>{app.unreleased ? '–' : (app.current?.id ?? 'none')}</td>
                  <td>
                    {app.current && (
                      <>
                        <code class="commit">{app.current.commit.slice(0, 8)}</code>{' '}
                        <span class="quiet">{app.current.revision}</span>
                      </>
                    )}
                  </td>
                  <td>
                    <ul class="hosts">
                      {app.services.map(({ name, state, up, readiness }) => (
                        <li key={name}>
                          {name} <span class={up ? 'up' : 'down'}>{[state, readiness].filter(Boolean).join(', ')}</span>
                        </li>
                      ))}
                    </ul>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  )
}

/** The attributes that are set; another one, such as a default, on request. */
function Attributes({ stack, host }: HostProps) {
  const path = `${apiPath`/api/stacks/${stack}/hosts/${host}`}/attributes`
  const [filter, setFilter] = useState('')
  const [key, setKey] = useState('')
  const [explained, setExplained] = useState<readonly Attribute[]>([])
  const list = useLoaded(() => get<{ attributes: Attribute[] }>(path), path)
  const explain = async () => {
    const answer = await get<{ attributes: Attribute[] }>(`${path}?key=${encodeURIComponent(key)}`)
    setExplained(answer.attributes)
  }
  const matching = list.value?.attributes.filter((one) => one.path.includes(filter.trim())) ?? []
  return (
    <section class="card">
      <h2>Attributes that are set</h2>
      <Failure error={list.error} />
      {list.value && (
        <label>
          Filter by key
          <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
      )}
      {list.value && <AttributeTable attributes={matching} caption={`Attributes of ${host}`} />}
      <ActionForm label="Explain" kind="plain" onSubmit={explain}>
        <label>
          Explain any attribute, such as a default
          <input
            value={key}
            required
            placeholder="plone_instances.per_cpu"
            spellcheck={false}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
      </ActionForm>
      {explained.length > 0 && <AttributeTable attributes={explained} caption="Explained attributes" />}
    </section>
  )
}

function AttributeTable({
  attributes,
  caption,
}: {
  readonly attributes: readonly Attribute[]
  readonly caption: string
}) {
  if (attributes.length === 0) return <p class="quiet">No attribute matches.</p>
  return (
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table class="attributes">
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Value</th>
            <th scope="col">Set by</th>
          </tr>
        </thead>
        <tbody>
          {attributes.map(({ path, value, origins }) => (
            <tr key={path}>
              <td>
                <code>{path}</code>
              </td>
              <td>
                <code>{JSON.stringify(value)}</code>
              </td>
              <td>
                <ol class="hosts">
                  {origins.map((origin) => (
                    <li key={origin.from}>
                      {origin.kind} <span class="quiet">{origin.from}</span>
                      {JSON.stringify(origin.value) !== JSON.stringify(value) && (
                        <>
                          {': '}
                          <code>{JSON.stringify(origin.value)}</code>
                        </>
                      )}
                    </li>
                  ))}
                </ol>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
