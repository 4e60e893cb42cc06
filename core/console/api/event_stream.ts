/**
 * Streams the events of a rollout to a browser. The id of each event is its byte offset in the file of events, so a browser
 * that connects again misses none and gets none twice.
 */
import { readLines } from '../deployments/event_file.ts'
import type { Runner } from '../deployments/runner.ts'
import { hasEnded } from '../deployments/state_names.ts'
import type { DeploymentStore } from '../deployments/store.ts'
import { withoutPlan } from './deployment_answer.ts'

export interface EventStreamOptions {
  readonly store: DeploymentStore
  readonly runner: Runner
  readonly id: number
  /** Byte offset from which to read. */
  readonly from: number
  /** Whether a message contains several events, each on a line: a browser takes long for 100,000 messages. */
  readonly isGrouped: boolean
  /** Whether the sender of the request may still see the deployment. */
  readonly isPermitted: () => boolean
}

const pollMs = 200
/** Proxies close connections on which nothing arrives. */
const keepAliveMs = 15_000

export function eventStream(options: EventStreamOptions): Response {
  const encoder = new TextEncoder()
  const parts = streamParts(options)
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await parts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await parts.return()
    },
  })
  const headers = { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' }
  return new Response(body, { headers })
}

/**
 * Yields the state of the deployment when it changes, its events as they are written, and `end` after the last one. It ends when
 * the session has ended, the account was removed, or its level no longer suffices; a browser that connects again is refused.
 */
async function* streamParts({
  store,
  runner,
  id,
  from,
  isGrouped,
  isPermitted,
}: EventStreamOptions): AsyncGenerator<string, void, void> {
  const file = runner.eventsOf(id, 'rollout')
  let offset = from
  let sentState = ''
  let silentMs = 0
  while (isPermitted()) {
    // The state is read first: once it is an end state, the file is complete.
    const deployment = store.get(id)
    const state = JSON.stringify(withoutPlan(deployment))
    const lines = readLines(file, offset)
    let text = ''
    if (state !== sentState) text += `event: state\ndata: ${state}\n\n`
    offset = lines.at(-1)?.end ?? offset
    const data = lines.map((line) => `data: ${line.text.replaceAll('\r', ' ')}\n`)
    if (!isGrouped) text += data.map((field, index) => `id: ${lines[index]?.end}\n${field}\n`).join('')
    else if (data.length > 0) text += `id: ${offset}\n${data.join('')}\n`
    sentState = state
    if (text !== '') {
      silentMs = 0
      yield text
    }
    if (lines.length > 0) {
      // A fast reader would otherwise keep the process from all other work.
      await new Promise((resolve) => setImmediate(resolve))
      continue
    }
    if (hasEnded(deployment.state)) {
      yield `event: end\ndata: {}\n\n`
      return
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    silentMs += pollMs
    if (silentMs >= keepAliveMs) {
      silentMs = 0
      yield ': waiting\n\n'
    }
  }
}
