/** Computes when a schedule is due: by a cron expression of five fields, or once at a time. */
import { Cron } from 'croner'

/** The least time between two deployments of a schedule, in minutes. */
const minMinutes = 5

/**
 * Returns the next times of a schedule; fewer than `count` where it ends.
 * @param when a cron expression such as `30 8 * * 1-5`, or a time such as `2026-12-01T08:30`
 * @param zone an IANA name such as `Europe/Zurich`
 */
export function nextTimes(when: string, zone: string, after: Date, count: number): readonly Date[] {
  return cronOf(when, zone).nextRuns(count, after)
}

/** Returns what is wrong with a schedule; null if it is valid. */
export function scheduleProblem(when: string, zone: string, now: Date): string | null {
  if (!isZone(zone)) return `unknown time zone "${zone}": expected an IANA name such as Europe/Zurich`
  let times: readonly Date[]
  try {
    if (!when.includes(' ') && !isLocalTime(when)) throw new Error('no local time')
    times = nextTimes(when, zone, now, 20)
  } catch {
    return `invalid time "${when}": expected a cron expression of five fields, such as "30 8 * * 1-5", or a time such as "2026-12-01T08:30"`
  }
  if (times.length === 0) return `"${when}" is never due from now on`
  const isTooFrequent = times.some((time, index) => {
    const next = times[index + 1]
    return next !== undefined && next.getTime() - time.getTime() < minMinutes * 60_000
  })
  return isTooFrequent ? `"${when}" is due more often than every ${minMinutes} minutes` : null
}

function cronOf(when: string, zone: string): Cron {
  // Without a function and paused, it only computes times.
  return new Cron(when, { timezone: zone, mode: '5-part', paused: true })
}

/** Whether a text is a time without a zone, such as `2026-12-01T08:30`, of a day that exists. */
function isLocalTime(text: string): boolean {
  const [, minutes] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?$/.exec(text) ?? []
  const time = Date.parse(`${minutes}Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(minutes ?? 'none')
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
