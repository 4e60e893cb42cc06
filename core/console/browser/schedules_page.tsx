/** The page that lists, makes, switches and removes the schedules of a stack. */
import { useEffect, useState } from 'preact/hooks'
import { type Action, apiPath, call, get, type Level, type Schedule, type Stack } from './api.ts'
import { Choices, SelectField } from './choices.tsx'
import { describe } from './deployment_table.tsx'
import { EntryTable } from './entry_table.tsx'
import { ActionForm, Time, useLoaded } from './parts.tsx'

const actions = { deploy: 'Deploy', rollback: 'Roll back', configure: 'Configure', setup: 'Set up' } as const

export function SchedulesPage({ stack, level }: { readonly stack: string; readonly level: Level }) {
  const path = `${apiPath`/api/stacks/${stack}`}/schedules`
  const loaded = useLoaded(() => get<Schedule[]>(path), path)
  const mayManage = level === 'manage'
  return (
    <>
      <p>A schedule deploys without a person. A deployment that is more than an hour late is skipped.</p>
      <EntryTable
        label="Schedules"
        none="No schedule yet."
        path={path}
        loaded={loaded}
        columns={['Name', 'When', 'Deploys', 'Next', 'Last', 'Made by']}
        cells={(schedule) => [
          schedule.name,
          <>
            <code>{schedule.when}</code> <span class="quiet">{schedule.zone}</span>
          </>,
          describe(schedule),
          <>
            {schedule.next ? <Time at={schedule.next} /> : <span>{schedule.enabled ? 'ended' : 'off'}</span>}
            {mayManage && (schedule.next !== null || !schedule.enabled) && (
              <ActionForm
                label={schedule.enabled ? 'Switch off' : 'Switch on'}
                subject={schedule.name}
                kind="plain"
                onSubmit={async () => {
                  await call('PATCH', `${path}/${schedule.id}`, { enabled: !schedule.enabled })
                  loaded.reload()
                }}
              />
            )}
          </>,
          <LastResult key="last" text={schedule.last} />,
          <>
            {schedule.account}, <Time at={schedule.created} />
          </>,
        ]}
        remove={
          mayManage
            ? { label: 'Remove', question: ({ name }) => `Remove the schedule ${name}? It deploys no more.` }
            : null
        }
      />
      {mayManage && <ScheduleForm path={path} stack={stack} onMade={loaded.reload} />}
    </>
  )
}

/** The result of the last time; a deployment is a link. */
function LastResult({ text }: { readonly text: string | null }) {
  const id = /^deployment (\d+)$/.exec(text ?? '')?.[1]
  if (id === undefined) return <span>{text ?? '–'}</span>
  return <a href={`#/deployment/${id}`}>{text}</a>
}

interface FormProps {
  readonly path: string
  readonly stack: string
  readonly onMade: () => void
}

function ScheduleForm({ path, stack, onMade }: FormProps) {
  const { value: shown } = useLoaded(() => get<Stack>(apiPath`/api/stacks/${stack}`), stack)
  const [name, setName] = useState('')
  const [when, setWhen] = useState('30 8 * * 1-5')
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone)
  const [action, setAction] = useState<Action>('deploy')
  const [apps, setApps] = useState<string[]>([])
  const submit = async () => {
    await call('POST', path, { name, when, zone, request: { action, apps } })
    setName('')
    onMade()
  }
  return (
    <section class="card">
      <h2>Make a schedule</h2>
      <ActionForm label="Make the schedule" onSubmit={submit}>
        <label>
          Name
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} required maxLength={200} />
        </label>
        <label>
          When: minute, hour, day, month, weekday; or once, such as 2026-12-01T08:30
          <input
            value={when}
            onInput={(event) => setWhen(event.currentTarget.value)}
            required
            maxLength={100}
            spellcheck={false}
          />
        </label>
        <label>
          Time zone
          <input
            value={zone}
            onInput={(event) => setZone(event.currentTarget.value)}
            required
            maxLength={100}
            spellcheck={false}
          />
        </label>
        <NextTimes stack={stack} when={when} zone={zone} />
        <SelectField label="Action" options={actions} value={action} onChange={setAction} />
        <Choices
          legend="Apps (none: all)"
          names={shown?.apps.map((one) => one.name) ?? []}
          chosen={apps}
          onChange={setApps}
        />
      </ActionForm>
    </section>
  )
}

/** Milliseconds after the last key before the times are computed. */
const typingPause = 400

function NextTimes({ stack, when, zone }: { readonly stack: string; readonly when: string; readonly zone: string }) {
  const [times, setTimes] = useState<readonly string[]>([])
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    let isCurrent = true
    const query = new URLSearchParams({ when, zone })
    const load = async () => {
      try {
        const answer = await get<{ times: string[] }>(`${apiPath`/api/stacks/${stack}/schedule-times`}?${query}`)
        if (!isCurrent) return
        setTimes(answer.times)
        setProblem(null)
      } catch (thrown) {
        if (isCurrent) setProblem((thrown as Error).message)
      }
    }
    const timer = setTimeout(load, typingPause)
    return () => {
      isCurrent = false
      clearTimeout(timer)
    }
  }, [stack, when, zone])
  if (problem !== null) return <p class="warning">{problem}</p>
  return (
    <p class="quiet" role="status">
      Next in your time zone:{' '}
      {times.map((time, index) => (
        <span key={time}>
          {index > 0 && '; '}
          <Time at={time} />
        </span>
      ))}
    </p>
  )
}
