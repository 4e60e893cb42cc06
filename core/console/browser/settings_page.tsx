/** The page of what the console itself stores about a stack. */
import { useState } from 'preact/hooks'
import { apiPath, call, get, type StackSettings } from './api.ts'
import { Failure, useLoaded } from './parts.tsx'

export function SettingsPage({ stack }: { readonly stack: string }) {
  const path = `${apiPath`/api/stacks/${stack}`}/settings`
  const { value: settings, error, reload } = useLoaded(() => get<StackSettings>(path), path)
  const [failure, setFailure] = useState<unknown>(null)
  const setSecondPerson = async (secondPerson: boolean) => {
    try {
      await call('PATCH', apiPath`/api/stacks/${stack}`, { secondPerson })
      setFailure(null)
    } catch (thrown) {
      setFailure(thrown)
    }
    reload()
  }
  return (
    <>
      <Failure error={error ?? failure} />
      {settings && (
        <section class="card">
          <h2>Approval</h2>
          <label class="choice">
            <input
              type="checkbox"
              checked={settings.secondPerson}
              onChange={(event) => setSecondPerson(event.currentTarget.checked)}
            />
            A second person must approve each deployment
          </label>
          <p class="quiet">
            Somebody with the level deploy, who neither asked for the deployment nor confirmed its plan, must press
            Approve. This applies to webhooks and tokens too.
          </p>
        </section>
      )}
    </>
  )
}
