/** Checks the time fields of crontab(5), to report a mistake before cron silently ignores the line, and measures their gaps. */

interface Field {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly words?: readonly string[]
}

const fields: readonly Field[] = [
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of the month', from: 1, to: 31 },
  { name: 'month', from: 1, to: 12, words: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ') },
  { name: 'day of the week', from: 0, to: 7, words: 'sun mon tue wed thu fri sat'.split(' ') },
]

const nicknames = ['@reboot', '@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']

/** Returns what is wrong with a schedule, or null. */
export function checkSchedule(schedule: string): string | null {
  if (schedule.startsWith('@')) return nicknames.includes(schedule) ? null : `one of ${nicknames.join(', ')}`
  const parts = schedule.split(/[ \t]+/)
  if (parts.length !== fields.length || /[\n\r]/.test(schedule))
    return `five fields, minute hour day month weekday, as in '0 1 * * 7', or one of ${nicknames.join(', ')}`
  for (const [index, field] of fields.entries())
    for (const item of (parts[index] ?? '').split(',')) if (!isValidItem(item, field)) return itemProblem(item, field)
  return null
}

function itemProblem(item: string, { name, from, to, words }: Field): string {
  return `the ${name} takes ${from} to ${to}${words ? ` or ${words[0]} to ${words.at(-1)}` : ''}, *, ranges and steps, not '${item}'`
}

function isValidItem(item: string, field: Field): boolean {
  const match = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(item)
  if (match === null) return false
  const [, first, last, step] = match
  if (step !== undefined && (Number(step) < 1 || Number(step) > field.to)) return false
  if (first === undefined) return true
  const [low, high] = [parseNumber(first, field), last === undefined ? undefined : parseNumber(last, field)]
  // cron accepts no step after a single value.
  if (step !== undefined && last === undefined) return false
  return low !== null && high !== null && (high === undefined || low <= high)
}

function parseNumber(text: string, { from, to, words }: Field): number | null {
  const word = words?.indexOf(text.toLowerCase()) ?? -1
  const value = word >= 0 ? word + from : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  return value >= from && value <= to ? value : null
}

const minutesOfDay = 24 * 60

/**
 * Returns the longest time between two runs, in hours.
 * @param schedule a valid one that names no day of the month and no month
 */
export function longestGapHours(schedule: string): number {
  const parts = schedule.split(/[ \t]+/)
  const [minutes, hours, , , days] = fields.map((field, index) => valuesOf(parts[index] ?? '*', field))
  const weekdays = new Set([...(days ?? [])].map((day) => day % 7))
  const runs = [...weekdays]
    .flatMap((day) => [...(hours ?? [])].map((hour) => day * minutesOfDay + hour * 60))
    .flatMap((start) => [...(minutes ?? [])].map((minute) => start + minute))
    .sort((a, b) => a - b)
  const following = [...runs.slice(1), (runs[0] ?? 0) + 7 * minutesOfDay]
  return Math.max(...runs.map((run, index) => (following[index] ?? run) - run)) / 60
}

function valuesOf(part: string, field: Field): Set<number> {
  return new Set(part.split(',').flatMap((item) => valuesOfItem(item, field)))
}

function valuesOfItem(item: string, field: Field): number[] {
  const [range = '', step = '1'] = item.split('/')
  const [first = '', last = first] = range === '*' ? [`${field.from}`, `${field.to}`] : range.split('-')
  const [low, high] = [parseNumber(first, field) ?? field.from, parseNumber(last, field) ?? field.to]
  const values = Array.from({ length: high - low + 1 }, (_, index) => low + index)
  return values.filter((value) => (value - low) % Number(step) === 0)
}
