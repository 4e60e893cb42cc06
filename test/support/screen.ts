/** Provides a small terminal and generated fleet events for the tests of the operator's screen. */
import fc from 'fast-check'
import { type Screen, type ScreenOptions, screen } from '../../core/fleet/screen/screen.ts'
import type { FleetEvent, HostOutcome, HostReport, Phase, RolloutReport } from '../../core/fleet/types.ts'
import type { Counts, ResourceReport, RunReport } from '../../core/report/events.ts'

export const counts: Counts = {
  changed: 1,
  planned: 0,
  unknown: 0,
  unchanged: 2,
  skipped: 0,
  failed: 0,
  notReached: 0,
}

/** A terminal that supports the sequences that a table needs; any other control sequence is an error. */
export class TinyTerminal {
  private lines: string[] = ['']
  private row = 0
  private column = 0

  constructor(readonly size: { readonly columns: number; readonly rows: number }) {}

  readonly write = (text: string): void => {
    for (const [part] of text.matchAll(/\x1b\[(\d*)([A-Za-z])|\r|\n|[^\x1b\r\n]/gu)) this.writePart(part)
    const odd = /\x1b(?!\[\d*[AKJm])|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]/.exec(text)
    if (odd) throw new Error(`unexpected control sequence ${JSON.stringify(odd[0])}`)
  }

  /** The lines without colours and trailing blanks. */
  get text(): string[] {
    return this.lines.map((line) => line.trimEnd())
  }

  private writePart(part: string): void {
    if (part === '\r') this.column = 0
    else if (part === '\n') this.moveDown()
    else if (!part.startsWith('\x1b')) this.writeSign(part)
    else if (part.endsWith('A')) {
      const top = Math.max(0, this.lines.length - this.size.rows)
      this.row = Math.max(top, this.row - Number(part.slice(2, -1) || 1))
    } else if (part.endsWith('K')) this.lines[this.row] = this.line.slice(0, this.column)
    else if (part.endsWith('J')) {
      this.lines[this.row] = this.line.slice(0, this.column)
      this.lines.length = this.row + 1
    }
  }

  private get line(): string {
    return this.lines[this.row] ?? ''
  }

  private writeSign(sign: string): void {
    if (this.column >= this.size.columns) {
      this.moveDown()
      this.column = 0
    }
    const before = this.line.padEnd(this.column)
    this.lines[this.row] = before.slice(0, this.column) + sign + before.slice(this.column + sign.length)
    this.column += sign.length
  }

  /** Moves to the beginning of the next line, as a terminal driver does. */
  private moveDown(): void {
    this.row++
    this.column = 0
    if (this.row === this.lines.length) this.lines.push('')
  }
}

export function screenWith(options: Partial<ScreenOptions> = {}): { shown: Screen; text: () => string } {
  const written: string[] = []
  const shown = screen({
    write: (text) => void written.push(text),
    color: false,
    live: false,
    size: () => ({ columns: 80, rows: 24 }),
    json: false,
    quiet: false,
    verbose: false,
    stackOptions: '',
    ...options,
  })
  return { shown, text: () => written.splice(0).join('') }
}

export function hostReport(host: string, more: Partial<HostReport> = {}): HostReport {
  return { host, outcome: 'changed', phase: 'switch', durationMs: 1500, counts, live: [], ...more }
}

export function rolloutReport(hosts: readonly HostReport[], more: Partial<RolloutReport> = {}): RolloutReport {
  return {
    id: '000012',
    stack: 'site',
    action: 'deploy',
    comment: '',
    by: 'jane@desk',
    started: '2026-11-21T07:40:00.000Z',
    durationMs: 63_000,
    outcome: hosts.some(({ outcome }) => outcome === 'failed') ? 'failed' : 'changed',
    commits: { site: 'c0ffeec0ffeec0ffee' },
    strategy: 'rolling',
    hosts,
    warnings: [],
    ...more,
  }
}

export function change(name: string, more: Partial<ResourceReport> = {}): ResourceReport {
  const patch = [{ op: 'replace' as const, path: '/mode', value: '0600' }]
  return {
    name,
    type: 'file',
    key: name,
    role: 'web',
    event: 'deploy',
    outcome: 'planned',
    patch,
    durationMs: 1,
    ...more,
  }
}

export function runReport(resources: readonly ResourceReport[]): RunReport {
  const about = { id: '1', mode: 'plan' as const, roles: ['web'], events: ['deploy'], started: '', durationMs: 5 }
  return { ...about, outcome: 'planned', counts, resources, warnings: [] }
}

const phases: readonly Phase[] = ['connect', 'build', 'switch', 'configure']
const outcomes: readonly HostOutcome[] = [
  'unchanged',
  'changed',
  'failed',
  'skipped',
  'untouched',
  'lost',
  'rolled back',
]

/** Generates any events that a fleet can report about some hosts, in any order. */
export function anyEvents(hosts: readonly string[]): fc.Arbitrary<FleetEvent[]> {
  const host = fc.constantFrom(...hosts)
  const phase = fc.constantFrom(...phases)
  const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 20 }))
  const failure = fc.record({ code: fc.constant('FAILED'), message: text })
  return fc.array(
    fc.oneof(
      fc.record({ event: fc.constant('host' as const), host, phase, step: fc.option(text, { nil: undefined }) }),
      fc.record({ event: fc.constant('phase' as const), phase, hosts: fc.subarray([...hosts]) }),
      fc.record({
        event: fc.constant('done' as const),
        host,
        phase,
        outcome: fc.constantFrom(...outcomes),
        durationMs: fc.nat(10_000_000),
        failure: fc.option(failure, { nil: undefined }),
      }),
      fc.record({
        event: fc.constant('connection' as const),
        host,
        state: fc.constantFrom('lost' as const, 'back' as const),
      }),
      fc.record({ event: fc.constant('warning' as const), host: fc.option(host, { nil: undefined }), message: text }),
      fc.record({
        event: fc.constant('waiting' as const),
        what: text,
        elapsedMs: fc.nat(10_000_000),
        deadlineMs: fc.nat(10_000_000),
        detail: fc.option(text, { nil: undefined }),
      }),
      fc.record({ event: fc.constant('health' as const), what: text, ok: fc.boolean(), detail: text }),
      fc.record({
        event: fc.constant('restarts' as const),
        phase,
        hosts: fc.array(fc.record({ host, what: fc.array(text, { maxLength: 3 }) }), { maxLength: 5 }),
      }),
    ),
    { maxLength: 60 },
  )
}
