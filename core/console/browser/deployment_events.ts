/** Follows the events of a deployment, and passes them on in groups. */
import { useEffect, useState } from 'preact/hooks'
import { apiPath, type Deployment } from './api.ts'
import { LogLines } from './log_lines.ts'
import { addEvents, emptyView, type RolloutEvent, type RolloutView } from './rollout_model.ts'

export interface FollowedDeployment {
  readonly deployment: Deployment | null
  readonly view: RolloutView
  readonly log: LogLines
  /** `lost`: the browser connects again automatically, and continues at the same byte. `refused`: it does not. */
  readonly connection: 'open' | 'lost' | 'refused'
}

/** Time between two updates of the page, in milliseconds: events may arrive much faster. */
const updateMs = 100

export function useFollowedDeployment(id: number): FollowedDeployment {
  const [followed, setFollowed] = useState<FollowedDeployment>({
    deployment: null,
    view: emptyView,
    log: new LogLines(),
    connection: 'open',
  })
  useEffect(() => {
    const source = new EventSource(`${apiPath`/api/deployments/${id}/events`}?grouped=true`)
    let pending: RolloutEvent[] = []
    let deployment: Deployment | null = null
    let connection: FollowedDeployment['connection'] = 'open'
    let timer: ReturnType<typeof setTimeout> | undefined
    let view = emptyView
    const log = new LogLines()
    const update = () => {
      timer = undefined
      const added = addEvents(view, pending)
      view = added.view
      log.add(added.lines)
      pending = []
      setFollowed({ deployment, view, log, connection })
    }
    const later = () => {
      timer ??= setTimeout(update, updateMs)
    }
    source.onmessage = ({ data }) => {
      for (const text of data.split('\n')) {
        const event = parse(text)
        if (event !== null) pending.push(event)
      }
      later()
    }
    source.addEventListener('state', ({ data }) => {
      deployment = JSON.parse(data)
      later()
    })
    source.addEventListener('end', () => {
      source.close()
      later()
    })
    source.onopen = () => {
      connection = 'open'
      later()
    }
    source.onerror = () => {
      connection = source.readyState === EventSource.CLOSED ? 'refused' : 'lost'
      later()
    }
    return () => {
      source.close()
      clearTimeout(timer)
    }
  }, [id])
  return followed
}

function parse(data: string): RolloutEvent | null {
  try {
    return JSON.parse(data) as RolloutEvent
  } catch {
    // Text that a program printed between the events.
    return { event: 'note', message: data }
  }
}
