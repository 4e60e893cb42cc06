/** The page with all deployments of a stack: by state, with older ones on request, and a comparison of two. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { apiPath, type Deployment, get, states } from './api.ts'
import { DeploymentTable } from './deployment_table.tsx'
import { Failure } from './parts.tsx'
import { stackLink } from './stack_heading.tsx'

const pageSize = 50

export function HistoryPage({ stack }: { readonly stack: string }) {
  const [state, setState] = useState('')
  const [list, setList] = useState<readonly Deployment[] | null>(null)
  const [hasOlder, setHasOlder] = useState(false)
  const [choice, setChoice] = useState<readonly number[]>([])
  const [error, setError] = useState<unknown>(null)
  const latestRequest = useRef<object>({})
  const load = async (earlier: readonly Deployment[]) => {
    const query = new URLSearchParams({ limit: `${pageSize}` })
    if (state !== '') query.set('state', state)
    const last = earlier.at(-1)
    if (last !== undefined) query.set('before', `${last.id}`)
    const request = { stack, state }
    latestRequest.current = request
    try {
      const more = await get<Deployment[]>(`${apiPath`/api/stacks/${stack}/deployments`}?${query}`)
      // The reader has chosen another state in the meantime.
      if (latestRequest.current !== request) return
      setList([...earlier, ...more])
      setHasOlder(more.length === pageSize)
      setError(null)
    } catch (thrown) {
      setError(thrown)
    }
  }
  useEffect(() => {
    setList(null)
    setChoice([])
    void load([])
  }, [stack, state])
  const [older, newer] = [...choice].sort((one, other) => one - other)
  return (
    <>
      <form class="row">
        <label>
          State
          <select value={state} onChange={({ currentTarget }) => setState(currentTarget.value)}>
            <option value="">all</option>
            {states.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        {newer === undefined ? (
          <p class="quiet">Choose two deployments to compare them.</p>
        ) : (
          <a class="button" href={stackLink(stack, 'compare', `${older}-${newer}`)}>
            Compare {older} with {newer}
          </a>
        )}
      </form>
      <Failure error={error} />
      {list && (
        <DeploymentTable deployments={list} caption={`Deployments of ${stack}`} choice={choice} onChoice={setChoice} />
      )}
      {hasOlder && list && (
        <button type="button" class="plain" onClick={() => load(list)}>
          Older deployments
        </button>
      )}
    </>
  )
}
