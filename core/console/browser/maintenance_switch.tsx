/** Closes the sites of a stack for visitors, and opens them. */
import { useState } from 'preact/hooks'
import { ApiError, apiPath, call, type StackState } from './api.ts'
import { ActionForm, Failure } from './parts.tsx'

interface SwitchProps {
  readonly stack: string
  readonly state: StackState
  readonly onSwitched: () => void
}

interface Answer {
  readonly hosts: readonly { readonly host: string; readonly failure: string | null }[]
}

export function MaintenanceSwitch({ stack, state, onSwitched }: SwitchProps) {
  const [message, setMessage] = useState('')
  /** Hosts that did not switch. The form is hidden once the state of the others is known. */
  const [failure, setFailure] = useState<ApiError | null>(null)
  const isClosed = state.hosts.some(({ status }) => status?.apps.some(({ closed }) => closed))
  const switchTo = async (closed: boolean) => {
    const page = closed && message !== '' ? { message } : {}
    const { hosts } = await call<Answer>('PUT', apiPath`/api/stacks/${stack}/maintenance`, { closed, ...page })
    const failed = hosts.filter(({ failure }) => failure !== null)
    const text = failed.map(({ host, failure }) => `${host}: ${failure}`).join('; ')
    setFailure(failed.length === 0 ? null : new ApiError(200, text, null))
    onSwitched()
  }
  return (
    <>
      <Failure error={failure} />
      <details class="card" open={isClosed}>
        <summary>Maintenance page{isClosed && ': the sites are closed'}</summary>
        {isClosed ? (
          <ActionForm label="Open the sites" onSubmit={() => switchTo(false)} />
        ) : (
          <ActionForm label="Close the sites" kind="danger" onSubmit={() => switchTo(true)}>
            <p class="quiet">
              Visitors get a maintenance page with status 503, also after deploys, until you open the sites.
            </p>
            <label>
              Text of the page (optional)
              <input value={message} maxLength={500} onInput={(event) => setMessage(event.currentTarget.value)} />
            </label>
          </ActionForm>
        )}
      </details>
    </>
  )
}
