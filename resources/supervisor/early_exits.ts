/** Counts in the log of supervisord how often a program ended soon after its start. */

/** The age in milliseconds up to which a process counts as recently started. */
const earlyMs = 60_000
/** The longest pause in milliseconds before supervisord starts it again: it waits a second longer before each retry. */
const pauseMs = 60_000

interface LogEvent {
  /** Milliseconds in the time zone of the log: only differences have a meaning. */
  readonly at: number
  readonly kind: 'started' | 'ended' | 'other'
  readonly pid: number
}

const line = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d),(\d{3}) \w+ (.*)$/

/**
 * Returns how many times in a row a program ended without a stop within a minute of its start, up to the start of its current
 * process. A stop by an operator ends the row. 0 if the log does not contain the start of the current process.
 * @param pid of the current process
 */
export function countEarlyExits(log: string, name: string, pid: number): number {
  const events = log.split('\n').flatMap((text) => parseEvent(text, name) ?? [])
  const current = events.findLastIndex((event) => event.kind === 'started' && event.pid === pid)
  let count = 0
  for (let next = current; next >= 2; next -= 2) {
    const [started, ended, restarted] = events.slice(next - 2, next + 1)
    if (started?.kind !== 'started' || ended?.kind !== 'ended' || restarted?.kind !== 'started') break
    if (ended.at - started.at > earlyMs || restarted.at - ended.at > pauseMs) break
    count++
  }
  return count
}

/** Returns an event of the program; null for lines about others, and for its state after `startsecs`. */
function parseEvent(text: string, name: string): LogEvent | null {
  const [, day, time, milliseconds, message = ''] = line.exec(text) ?? []
  const at = Date.parse(`${day}T${time}.${milliseconds}Z`)
  const spawned = /^spawned: '(.*)' with pid (\d+)$/.exec(message)
  if (spawned) return spawned[1] === name ? { at, kind: 'started', pid: Number(spawned[2]) } : null
  if (message.startsWith(`exited: ${name} (`)) return { at, kind: 'ended', pid: 0 }
  const isOther = message.startsWith(`stopped: ${name} (`) || message.startsWith(`gave up: ${name} `)
  return isOther ? { at, kind: 'other', pid: 0 } : null
}
