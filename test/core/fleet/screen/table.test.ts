/** Tests the table of the hosts: it fits the terminal, includes every host, and is redrawn in place. */
import fc from 'fast-check'
import picocolors from 'picocolors'
import t from 'tap'
import { HostStates } from '../../../../core/fleet/screen/host_states.ts'
import { RedrawnRows } from '../../../../core/fleet/screen/redrawn_rows.ts'
import { counts, table } from '../../../../core/fleet/screen/table.ts'
import { widthOf } from '../../../../core/fleet/screen/text.ts'
import type { FleetEvent } from '../../../../core/fleet/types.ts'
import { anyEvents, TinyTerminal } from '../../../support/screen.ts'

const plainPaint = picocolors.createColors(false)
const colourPaint = picocolors.createColors(true)
const names = (count: number) => Array.from({ length: count }, (_, n) => `client${n + 1}`)

function statesOf(hosts: readonly string[], events: readonly FleetEvent[] = []): HostStates {
  const states = new HostStates()
  states.apply({ event: 'start', id: '000012', stack: 'site', action: 'deploy', hosts, strategy: 'rolling' }, 0)
  for (const event of events) states.apply(event, 1000)
  return states
}

const terminalSizes = fc.record({ columns: fc.integer({ min: 1, max: 160 }), rows: fc.integer({ min: 1, max: 60 }) })
const hostNames = fc.uniqueArray(
  fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom(...names(120), '長い名前のホスト')),
  {
    minLength: 1,
    maxLength: 100,
  },
)

t.test('any table fits any terminal, and counts every host', (t) => {
  fc.assert(
    fc.property(
      hostNames.chain((some) => fc.tuple(fc.constant(some), anyEvents(some))),
      terminalSizes,
      fc.nat(1_000_000_000),
      ([some, events], terminal, now) => {
        const states = statesOf(some, events)
        const rows = table(states, terminal, now, '⠋', plainPaint)
        if (rows.length > Math.max(1, terminal.rows - 1)) throw new Error(`${rows.length} rows`)
        const widest = Math.max(...rows.map(widthOf))
        if (widest > Math.max(1, terminal.columns - 1)) throw new Error(`${widest} columns`)
        if (rows.some((row) => /[\x00-\x1f\x7f-\x9f]/.test(row))) throw new Error('a control character')
        const total = [...counts(states.rows, 1000, plainPaint).matchAll(/(\d+) /g)].reduce(
          (sum, [, n]) => sum + Number(n),
          0,
        )
        if (total !== some.length) throw new Error(`${total} of ${some.length} counted`)
        const hidden = rows.at(-2)?.startsWith('  … ') ? rows.at(-2) : undefined
        if (hidden !== undefined && terminal.columns > 60) {
          const hiddenCount = [...hidden.matchAll(/(\d+) /g)].reduce((sum, [, n]) => sum + Number(n), 0)
          const shownCount = rows.length - 3 - (states.describeStage(now) === '' ? 0 : 1)
          if (hiddenCount + shownCount !== some.length)
            throw new Error(`${shownCount} shown, ${hiddenCount} counted, of ${some.length}`)
        }
        // Colour codes take no space.
        const bare = table(states, terminal, now, '⠋', colourPaint).map((row) => row.replace(/\x1b\[\d+m/g, ''))
        if (JSON.stringify(bare) !== JSON.stringify(rows)) throw new Error('colours change the text')
      },
    ),
    { numRuns: 300 },
  )
  t.end()
})

t.test('redraws the table in place, below the messages above it', (t) => {
  const some = names(8)
  fc.assert(
    fc.property(
      anyEvents(some),
      fc.integer({ min: 2, max: 16 }),
      fc.integer({ min: 10, max: 90 }),
      (events, rows, columns) => {
        const terminal = new TinyTerminal({ rows, columns })
        const block = new RedrawnRows(terminal.write)
        const states = statesOf(some)
        const messages: string[] = []
        for (const [n, event] of events.entries()) {
          states.apply(event, n * 700)
          if (event.event === 'health') {
            messages.push(`said ${n}`)
            block.above(`said ${n}\n`)
          }
          block.draw(table(states, terminal.size, n * 700, '⠋', colourPaint), terminal.size)
          const expected = table(states, terminal.size, n * 700, '⠋', plainPaint).map((row) => row.trimEnd())
          const expectedText = [...messages, ...expected]
          if (JSON.stringify(terminal.text) !== JSON.stringify(expectedText))
            throw new Error(`${JSON.stringify(terminal.text)} instead of ${JSON.stringify(expectedText)}`)
        }
        block.above('end\n')
        return JSON.stringify(terminal.text) === JSON.stringify([...messages, 'end', ''])
      },
    ),
  )
  t.end()
})

t.test('failed and active hosts come first if space is short', (t) => {
  const some = names(100)
  const events: FleetEvent[] = [
    ...some.slice(0, 50).map((host): FleetEvent => ({ event: 'host', host, phase: 'build', step: 'file /etc/motd' })),
    ...some.slice(40, 50).map(
      (host): FleetEvent => ({
        event: 'done',
        host,
        phase: 'build',
        outcome: host === 'client45' ? 'failed' : 'changed',
        durationMs: 3000,
        failure: host === 'client45' ? { code: 'X', message: 'no space left\n\x1b[2Jon the device' } : undefined,
      }),
    ),
    { event: 'connection', host: 'client2', state: 'lost' },
  ]
  t.strictSame(table(statesOf(some, events), { columns: 61, rows: 9 }, 8000, '⠋', plainPaint), [
    '⠋ deploy of site (deployment 12), rolling                8 s',
    '  client45  failed   build  no space left on the device  3 s',
    '  client1   at work  build  file /etc/motd               7 s',
    '  client2   cut off  build  file /etc/motd               7 s',
    '  client3   at work  build  file /etc/motd               7 s',
    '  client4   at work  build  file /etc/motd               7 s',
    '  … 36 more at work, 59 others',
    '  1 failed, 1 cut off, 39 at work, 9 changed, 50 waiting',
  ])
  t.end()
})

t.test('shortens long host names so that they differ', (t) => {
  const some = ['shop-production-eu-web1', 'shop-production-eu-web2', 'shop-production-eu-db']
  const rows = table(statesOf(some), { columns: 46, rows: 24 }, 0, '⠋', plainPaint)
  t.strictSame(
    rows.slice(1, 4).map((row) => row.trim().split(' ')[0]),
    ['…uction-eu-web1', '…uction-eu-web2', '…oduction-eu-db'],
  )
  t.end()
})

t.test('during a health check, the time advances between answers', (t) => {
  const states = statesOf(['web'], [{ event: 'phase', phase: 'switch', hosts: ['web'], batch: 1, batches: 1 }])
  const waiting = { event: 'waiting', what: 'http://site/', deadlineMs: 60_000 } as const
  const line = (now: number) => table(states, { columns: 100, rows: 24 }, now, '⠋', plainPaint)[1]
  states.apply({ ...waiting, elapsedMs: 0 }, 1000)
  t.equal(line(4000), '  health check of http://site/ for 3 s, deadline 60 s; no answer yet')
  states.apply({ ...waiting, elapsedMs: 5000, detail: 'status 503' }, 6000)
  t.equal(line(9000), '  health check of http://site/ for 8 s, deadline 60 s; last answer: status 503')
  states.apply({ event: 'health', what: 'http://site/', ok: true, detail: 'status 200' }, 9000)
  t.equal(line(9000), '  switch, batch 1 of 1: 0 of 1 done')
  t.end()
})

t.test('keeps the order of hosts if all fit, with the duration and outcome of each step', (t) => {
  const states = statesOf(
    ['web', 'db'],
    [
      { event: 'phase', phase: 'switch', hosts: ['web'], batch: 2, batches: 3 },
      { event: 'host', host: 'db', phase: 'switch' },
    ],
  )
  states.apply({ event: 'host', host: 'db', phase: 'switch', step: 'service zope1' }, 3000)
  t.strictSame(table(states, { columns: 70, rows: 24 }, 20_000, '⠋', plainPaint), [
    '⠋ deploy of site (deployment 12), rolling                        20 s',
    '  switch, batch 2 of 3: 0 of 1 done',
    '  web  waiting                                                       ',
    '  db   at work  switch  service zope1 (17 s)                     19 s',
    '  1 at work, 1 waiting',
  ])
  states.apply({ event: 'done', host: 'db', phase: 'switch', outcome: 'changed', durationMs: 21_000 }, 22_000)
  states.apply(
    { event: 'done', host: 'web', phase: 'switch', outcome: 'skipped', durationMs: 0, reason: 'it is down' },
    22_000,
  )
  t.match(states.describeStage(22_000), /1 of 1 done/)
  t.match(table(states, { columns: 70, rows: 24 }, 22_000, '⠋', plainPaint)[2], /web +skipped +switch +it is down/)
  t.end()
})

t.test('a host that has connected waits until its batch begins', (t) => {
  const states = statesOf(['web', 'db'], [{ event: 'phase', phase: 'connect', hosts: ['web', 'db'] }])
  t.equal(states.describeStage(22_000), 'connect: 0 of 2 done')
  states.apply({ event: 'host', host: 'db', phase: 'connect' }, 22_000)
  states.apply({ event: 'connection', host: 'db', state: 'open' }, 22_500)
  states.apply({ event: 'phase', phase: 'run', hosts: ['web'], batch: 1, batches: 2 }, 23_000)
  t.match(states.row('db'), { state: 'waiting', phase: null })
  t.end()
})
