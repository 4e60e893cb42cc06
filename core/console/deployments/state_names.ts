/** Defines the states of a deployment, also for the pages, which load no schemas. */

/** From `succeeded` on, a deployment has ended and never changes again. */
export const states = [
  'queued',
  'planning',
  'waiting for approval',
  'running',
  'succeeded',
  'failed',
  'rolled back',
  'interrupted',
  'cancelled',
] as const
export type State = (typeof states)[number]

/** States about which people can be notified. */
export type NoticeState = Exclude<State, 'queued' | 'planning'>
export const noticeStates = states.filter((state): state is NoticeState => state !== 'queued' && state !== 'planning')

export function hasEnded(state: State): boolean {
  return states.indexOf(state) >= states.indexOf('succeeded')
}
