/** The page of one deployment: its plan, what it does on each host, its log, and what its reader may do with it. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { apiPath, call, type Deployment, get, type Plan, type Session } from './api.ts'
import { type FollowedDeployment, useFollowedDeployment } from './deployment_events.ts'
import { describe } from './deployment_table.tsx'
import { LogView } from './log_view.tsx'
import { ActionForm, Badge, duration, Time, useLoaded } from './parts.tsx'
import { PlanView } from './plan_view.tsx'
import type { HostRow } from './rollout_model.ts'

export function DeploymentPage({ id, session }: { readonly id: number; readonly session: Session }) {
  const followed = useFollowedDeployment(id)
  const { deployment } = followed
  // The plan does not change once it is there.
  const key = `${id} ${deployment?.state !== 'queued' && deployment?.state !== 'planning'}`
  const { value: full } = useLoaded(() => get<Deployment>(apiPath`/api/deployments/${id}`), key)
  // The same elements: the page of a large plan is not compared again with each group of events.
  const plan = useMemo(() => full?.plan && <PlanView plan={full.plan} />, [full?.plan])
  if (followed.connection === 'refused')
    return <p class="failure">There is no such deployment, you may not see it, or your session has ended.</p>
  if (deployment === null) return <p>{followed.connection === 'lost' ? 'The console does not answer.' : 'Loading…'}</p>
  const mayDeploy = ['deploy', 'manage'].includes(session.levels[deployment.stack] ?? 'deny')
  return (
    <>
      <div class="title">
        <h1>
          Deployment {id} <span class="quiet">of</span>{' '}
          <a href={`#/stack/${encodeURIComponent(deployment.stack)}`}>{deployment.stack}</a>
        </h1>
        <span role="status">
          <Badge state={deployment.state} />
        </span>
      </div>
      <p>
        {describe(deployment)}
        {deployment.request.comment && `: ${deployment.request.comment}`}. Requested by {deployment.by},{' '}
        <Time at={deployment.created} />
        {deployment.approvedBy && `, approved by ${deployment.approvedBy}`}
        {deployment.record && <span class="quiet"> (record {deployment.record})</span>}
        {deployment.ended && (
          <>
            {'. '}
            <a href={`${apiPath`/api/deployments/${id}`}/report`}>Report</a>
          </>
        )}
      </p>
      {deployment.request.customJson && (
        <details>
          <summary>Custom JSON of this deployment</summary>
          <pre class="json">{JSON.stringify(deployment.request.customJson, null, 2)}</pre>
        </details>
      )}
      {deployment.reason && <p class={deployment.state === 'succeeded' ? '' : 'warning'}>{deployment.reason}</p>}
      {deployment.state === 'running' && deployment.abortedBy && (
        <p class="warning">aborted by {deployment.abortedBy}: no further host starts</p>
      )}
      {followed.view.pausedBy !== null && deployment.state === 'running' && deployment.abortedBy === null && (
        <p class="warning" role="alert">
          Paused by {followed.view.pausedBy}. No further host starts until someone continues.
        </p>
      )}
      {followed.connection === 'lost' && <p class="warning">The connection to the console is lost. Trying again.</p>}
      {mayDeploy && (
        <Actions
          deployment={deployment}
          plan={full?.plan ?? null}
          session={session}
          isPaused={followed.view.pausedBy !== null}
        />
      )}
      {['running', 'interrupted', 'failed', 'rolled back', 'succeeded'].includes(deployment.state) && (
        <Progress followed={followed} deployment={deployment} />
      )}
      {plan}
    </>
  )
}

interface ActionsProps {
  readonly deployment: Deployment
  readonly plan: Plan | null
  readonly session: Session
  readonly isPaused: boolean
}

function Actions({ deployment, plan, session, isPaused }: ActionsProps) {
  const { id, state, confirmedBy, by } = deployment
  const path = apiPath`/api/deployments/${id}`
  const act = async (action: string, body?: unknown) => {
    await call('POST', `${path}/${action}`, body)
  }
  const isOwn = [confirmedBy, by].some((one) => one?.toLowerCase() === session.account.toLowerCase())
  return (
    <div class="actions">
      {state === 'waiting for approval' && confirmedBy === null && plan && (
        <ActionForm label="Deploy this plan" onSubmit={() => act('confirm', { digest: plan.digest })} />
      )}
      {state === 'waiting for approval' && confirmedBy !== null && !isOwn && (
        <ActionForm label="Approve" onSubmit={() => act('approve')} />
      )}
      {state === 'waiting for approval' && confirmedBy !== null && isOwn && <p>A second person must approve it.</p>}
      {['queued', 'planning', 'waiting for approval'].includes(state) && (
        <ActionForm label="Cancel" kind="plain" onSubmit={() => act('cancel')} />
      )}
      {state === 'running' && deployment.record !== null && (
        <ActionForm
          label={isPaused ? 'Continue' : 'Pause'}
          kind="plain"
          onSubmit={() => act(isPaused ? 'continue' : 'pause')}
        />
      )}
      {state === 'running' && <ActionForm label="Abort" kind="danger" onSubmit={() => act('cancel')} />}
      {['succeeded', 'failed', 'interrupted'].includes(state) && deployment.request.action === 'deploy' && (
        <ActionForm
          label="Roll back"
          kind="plain"
          onSubmit={async () => {
            const { apps = [], hosts = [], layers = [] } = deployment.request
            const request = { action: 'rollback', apps, hosts, layers, comment: `roll back deployment ${id}` }
            const { stack } = deployment
            const made = await call<Deployment>('POST', `${apiPath`/api/stacks/${stack}`}/deployments`, request)
            location.hash = `#/deployment/${made.id}`
          }}
        />
      )}
    </div>
  )
}

function Progress({
  followed,
  deployment,
}: {
  readonly followed: FollowedDeployment
  readonly deployment: Deployment
}) {
  const { view, log } = followed
  const [host, setHost] = useState<string | null>(null)
  const now = useNow(deployment.state === 'running')
  const end = deployment.ended === null ? now : Date.parse(deployment.ended)
  return (
    <section aria-label="Progress">
      <h2>
        Progress{' '}
        <span class="quiet">
          {[view.phase, view.batch, deployment.started && duration(Date.parse(deployment.started), end)]
            .filter(Boolean)
            .join(', ')}
        </span>
      </h2>
      {view.waiting && <p>Waiting for {view.waiting}</p>}
      {view.hosts.size > 0 && (
        <section class="scroll" tabIndex={0} aria-label="Hosts">
          <table>
            <thead>
              <tr>
                <th scope="col">Host</th>
                <th scope="col">Outcome</th>
                <th scope="col">Phase</th>
                <th scope="col">Step</th>
                <th scope="col">Took</th>
              </tr>
            </thead>
            <tbody>
              {[...view.hosts.values()].map((row) => (
                <HostLine key={row.name} row={row} isChosen={row.name === host} onChoose={setHost} />
              ))}
            </tbody>
          </table>
        </section>
      )}
      <LogView
        log={log}
        host={host}
        hosts={[...view.hosts.keys()]}
        onHost={setHost}
        file={`deployment-${deployment.id}.log`}
      />
    </section>
  )
}

interface HostLineProps {
  readonly row: HostRow
  readonly isChosen: boolean
  readonly onChoose: (host: string | null) => void
}

function HostLine({ row, isChosen, onChoose }: HostLineProps) {
  return (
    <tr>
      <td>
        <button type="button" class="link" aria-pressed={isChosen} onClick={() => onChoose(isChosen ? null : row.name)}>
          {row.name}
        </button>
      </td>
      <td>
        <span class={`badge ${(row.outcome ?? 'running').replaceAll(' ', '-')}`}>
          {row.outcome ?? (row.phase === '' ? 'waiting' : 'working')}
        </span>
      </td>
      <td>{row.phase}</td>
      <td class="step">{row.failure ?? [row.step, row.detail].filter(Boolean).join(' ')}</td>
      <td>{row.durationMs > 0 ? duration(0, row.durationMs) : '–'}</td>
    </tr>
  )
}

/** The current time, each second while something runs. */
function useNow(isRunning: boolean): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    if (!isRunning) return
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [isRunning])
  return now
}
