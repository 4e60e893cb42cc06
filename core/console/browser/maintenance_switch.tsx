/** Closes the sites of a stack for visitors, and opens them. */
import { useState } from 'preact/hooks'
import { ApiError, apiPath, call, type StackState } from './api.ts'
import { ActionForm } from './parts.tsx'

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
  const isClosed = state.hosts.some(({ status }) => status?.apps.some(({ closed }) => closed))
  const switchTo = async (closed: boolean) => {
    const text = closed && message !== '' ? { message } : {}
    const { hosts } = await call<Answer>('PUT', apiPath`/api/stacks/${stack}/maintenance`, { closed, ...text })
    const failed = hosts.filter(({ failure }) => failure !== null)
    onSwitched()
    if (failed.length > 0)
      throw new ApiError(200, failed.map(({ host, failure }) => `${host}: ${failure}`).join('; '), null)
  }
  return (
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
  )
}
