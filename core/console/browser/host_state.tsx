/** Components that show the state of hosts. */
import type { HostState } from './api.ts'
import { Time } from './parts.tsx'

type Status = NonNullable<HostState['status']>
type App = Status['apps'][number]

/** Words for a state, beside its colour. */
const stateWords = { good: 'good', attention: 'needs attention', unknown: 'unknown' } as const

export function StateBadge({ state }: { readonly state: HostState['state'] }) {
  return <span class={`badge state-${state}`}>{stateWords[state]}</span>
}

/** What is running, such as `3 of 4 services up`. */
export function servicesText(apps: readonly App[]): string {
  const services = apps.flatMap((app) => app.services)
  const up = services.filter((one) => one.up).length
  if (services.length === 0) return 'no services'
  return up === services.length
    ? `${up} ${up === 1 ? 'service' : 'services'} up`
    : `${up} of ${services.length} services up`
}

/** The commits of the apps on a host, each once. */
export function commitsText(apps: readonly App[]): string {
  const commits = apps.flatMap(({ current }) => (current === null ? [] : [current.commit.slice(0, 8)]))
  return [...new Set(commits)].join(', ')
}

/** Lists everything about a host that requires attention. */
export function Remarks({ state: { reason, hint, missed, status } }: { readonly state: HostState }) {
  const { apps = [], lastRun = null, lock = null, disk = null, restarts = null } = status ?? {}
  return (
    <ul class="remarks">
      {reason !== null && (
        <li>
          {reason}
          {hint !== null && <small>{hint}</small>}
        </li>
      )}
      {missed !== null && <li>missed {missed}</li>}
      {lastRun !== null && /fail|interrupt/.test(lastRun.outcome) && <li>the last run {lastRun.outcome}</li>}
      {apps.map((app) => (
        <AppRemarks key={app.name} app={app} />
      ))}
      {disk && (
        <li>
          disk {disk.state}: {disk.detail}
        </li>
      )}
      {restarts && restarts.services.length > 0 && <li>services with old libraries: {restarts.services.join(', ')}</li>}
      {restarts && restarts.reboot !== null && <li>a reboot is due {restarts.reboot}</li>}
      {lock !== null && (
        <li>
          deploys are locked by {lock.by} since <Time at={lock.since} />
          {lock.message !== '' && `: ${lock.message}`}
        </li>
      )}
    </ul>
  )
}

function AppRemarks({ app }: { readonly app: App }) {
  const down = app.stopped ? [] : app.services.filter(({ up }) => !up)
  return (
    <>
      {app.stopped && (
        <li>
          {app.name} was stopped by {app.stopped.by}, <Time at={app.stopped.at} />
        </li>
      )}
      {app.closed && (
        <li>
          {app.name} is closed for maintenance{app.closed.by !== null && ` by ${app.closed.by}`}: visitors get status
          503
        </li>
      )}
      {app.pinnedFrom && (
        <li>
          {app.name} is pinned to its release, and skips {app.pinnedFrom}
        </li>
      )}
      {down.map(({ name, state, readiness }) => (
        <li key={name}>
          {name}: {[state, readiness].filter(Boolean).join(', ')}
        </li>
      ))}
      {app.jobs
        .filter(({ ok }) => !ok)
        .map(({ name, detail }) => (
          <li key={name}>
            {name}: {detail}
          </li>
        ))}
    </>
  )
}
