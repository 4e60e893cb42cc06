/** Formats the live table of hosts: never higher or wider than the terminal. */
import type { Paint } from '../../report/describe.ts'
import { describeStep, type HostRow, type HostState, type HostStates } from './host_states.ts'
import { cut, elapsed, fit, many, oneLine, shortNames, widthOf } from './text.ts'

export interface TableSize {
  readonly columns: number
  readonly rows: number
}

const states: readonly HostState[] = [
  'failed',
  'lost',
  'cut off',
  'at work',
  'rolled back',
  'changed',
  'planned',
  'unchanged',
  'skipped',
  'waiting',
  'untouched',
]

/** States that need attention: these hosts are displayed first where there is no space for all. */
const bad: ReadonlySet<HostState> = new Set(['failed', 'lost'])
const activeStates: ReadonlySet<HostState> = new Set(['at work', 'cut off'])

export function colourOf(state: HostState, paint: Paint): (text: string) => string {
  if (bad.has(state)) return paint.red
  if (state === 'cut off' || state === 'rolled back' || state === 'skipped') return paint.yellow
  if (state === 'changed' || state === 'planned') return paint.green
  return state === 'at work' ? paint.cyan : paint.dim
}

/**
 * Formats the rows of the table, with colours.
 * @param now on the clock of the tally
 * @param frame of the spinner
 */
export function table(tally: HostStates, size: TableSize, now: number, frame: string, paint: Paint): string[] {
  // A character in the last column makes some terminals wrap; the cursor stands on the row below.
  const width = Math.max(1, size.columns - 1)
  const height = Math.max(1, size.rows - 1)
  const head = heading(tally, width, now, frame, paint)
  const foot = counts(tally.rows, width, paint)
  // Where space is short, the hosts are left out first, then the heading; the counts always stay.
  if (height < 2) return [foot]
  if (height < 5) return [...head.slice(0, height - 1), foot]
  const room = height - head.length - 1
  const { shown, hidden } = choose(tally.rows, room)
  const columns = layout(tally.rows, shown, width, now)
  const rows = shown.map((row) => describeRow(row, columns, now, paint))
  return [...head, ...rows, ...(hidden === '' ? [] : [paint.dim(cut(`  ${hidden}`, width))]), foot]
}

function heading(tally: HostStates, width: number, now: number, frame: string, paint: Paint): string[] {
  const time = tally.startedAt === null ? '' : elapsed(now - tally.startedAt)
  const title = fit(`${frame} ${tally.title}`, width - widthOf(time) - 1)
  const first = width > widthOf(time) + 8 ? `${paint.bold(title)} ${time}` : cut(tally.title, width)
  const stage = oneLine(tally.describeStage(now))
  return stage === '' ? [first] : [first, paint.dim(cut(`  ${stage}`, width))]
}

/** Chooses the rows: all where they fit, else failed and running hosts, half of the space each if both need it. */
function choose(rows: readonly HostRow[], room: number): { shown: readonly HostRow[]; hidden: string } {
  if (rows.length <= room) return { shown: rows, hidden: '' }
  const left = room - 1
  const [wrong, busy] = [
    rows.filter(({ state }) => bad.has(state)),
    rows.filter(({ state }) => activeStates.has(state)),
  ]
  const forBusy = Math.min(busy.length, Math.max(Math.floor(left / 2), left - wrong.length))
  const shown = [...wrong.slice(0, left - forBusy), ...busy.slice(0, forBusy)]
  const [moreWrong, moreBusy] = [wrong, busy].map((some) => some.filter((row) => !shown.includes(row)).length)
  const rest = rows.length - shown.length - (moreWrong ?? 0) - (moreBusy ?? 0)
  const parts = [
    moreWrong ? `${moreWrong} more failed` : '',
    moreBusy ? `${moreBusy} more at work` : '',
    rest > 0 ? `${many(rest, 'other')}` : '',
  ]
  return { shown, hidden: `… ${parts.filter((part) => part !== '').join(', ')}` }
}

interface Layout {
  readonly width: number
  readonly host: number
  readonly shortened: (name: string) => string
  readonly state: number
  readonly phase: number
  readonly time: number
}

function layout(all: readonly HostRow[], rows: readonly HostRow[], width: number, now: number): Layout {
  const longest = (texts: readonly string[]) => Math.max(0, ...texts.map(widthOf))
  const room = Math.max(8, Math.floor(width / 3))
  const shortened = shortNames(
    all.map((row) => oneLine(row.host)),
    room,
  )
  return {
    width,
    host: longest(rows.map(({ host }) => shortened(oneLine(host)))),
    shortened,
    state: longest(rows.map(({ state }) => state)),
    phase: longest(rows.map(({ phase }) => phase ?? '')),
    time: longest(rows.map((row) => timeOf(row, now))),
  }
}

function timeOf({ since, durationMs }: HostRow, now: number): string {
  if (since !== null) return elapsed(now - since)
  return durationMs > 0 ? elapsed(durationMs) : ''
}

function describeRow(row: HostRow, layout: Layout, now: number, paint: Paint): string {
  const { width, host, shortened, state, phase, time } = layout
  const name = `  ${fit(shortened(oneLine(row.host)), host)}  `
  const word = fit(row.state, state)
  const room = width - widthOf(name) - state - phase - time - 6
  // On a narrow terminal: name, state and phase only.
  if (room < 8) return paintState(cut(`${name}${word}  ${row.phase ?? ''}`, width), name, word, row.state, paint)
  const long = row.stepSince !== null && row.since !== row.stepSince && now - row.stepSince >= 5000
  const text = describeStep(row)
  const step = long ? `${cut(text, room - 14)} (${elapsed(now - (row.stepSince ?? now))})` : text
  const rest = `  ${fit(row.phase ?? '', phase)}  ${fit(step, room)}  ${timeOf(row, now).padStart(time)}`
  return `${name}${colourOf(row.state, paint)(word)}${row.since === null && !bad.has(row.state) ? paint.dim(rest) : rest}`
}

function paintState(text: string, name: string, word: string, state: HostState, paint: Paint): string {
  return text.startsWith(name + word) ? name + colourOf(state, paint)(word) + text.slice((name + word).length) : text
}

/** Formats the number of hosts in each state; every host is counted. */
export function counts(rows: readonly HostRow[], width: number, paint: Paint): string {
  const parts = states.flatMap((state) => {
    const count = rows.filter((row) => row.state === state).length
    return count === 0 ? [] : { text: `${count} ${state}`, state }
  })
  const plainText = parts.map(({ text }) => text).join(', ')
  if (widthOf(plainText) + 2 > width) return cut(plainText, width)
  return `  ${parts.map(({ text, state }) => colourOf(state, paint)(text)).join(', ')}`
}
