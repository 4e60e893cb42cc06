/** Tests the journal of a run: when its lines are written, and how many journals are kept. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { journal } from '../../../core/converge/journal.ts'
import { StateDirectory } from '../../../core/host/state_directory.ts'
import type { ResourceReport, RunReport, RunStart } from '../../../core/report/events.ts'
import { scratch } from '../../support/machine.ts'

const start: RunStart = {
  id: '000001',
  mode: 'run',
  roles: ['web'],
  events: ['deploy'],
  started: '2024-05-26T00:00:00.000Z',
  resources: 2,
}
const counts = { changed: 1, planned: 0, unknown: 0, unchanged: 1, skipped: 0, failed: 0, notReached: 0 }
const { resources: _, ...head } = start
const end: RunReport = { ...head, durationMs: 5, outcome: 'changed', counts, resources: [], warnings: [] }
const resource = (outcome: ResourceReport['outcome']): ResourceReport => ({
  name: 'file /a',
  type: 'file',
  key: '/a',
  role: 'web',
  event: 'deploy',
  outcome,
  durationMs: 1,
  texts: { before: '', after: 'not stored' },
})

const diff = ({ before, after }: { before: string; after: string }) => [`-${before}`, `+${after}`]

function stateDirectory(t: Test): StateDirectory {
  const state = new StateDirectory(`${scratch(t)}/var/state`)
  state.prepare()
  return state
}

const events = (state: StateDirectory, run: string) =>
  (state.readJournal(run) as { event: string }[]).map(({ event }) => event)

t.test('writes nothing before the first change, and then all events', (t) => {
  const state = stateDirectory(t)
  const handlers = journal(state, '000001', diff)
  handlers.start?.(start)
  handlers.warn?.('careful')
  t.equal(handlers.unchanged, false, 'it has no line for an unchanged resource')
  t.strictSame(state.runs(), [])
  handlers.applying?.('file /a')
  t.strictSame(
    events(state, '000001'),
    ['start', 'warning', 'applying'],
    'before the change begins, so that a kill leaves the line',
  )
  handlers.progress?.('file /a', 'a line of live output')
  handlers.resource?.(resource('changed'))
  t.strictSame(events(state, '000001'), ['start', 'warning', 'applying', 'resource'])
  handlers.end?.(end)
  const lines = state.readJournal('000001')
  t.strictSame(lines.at(-1), { event: 'end', report: end })
  t.match(lines[3], { event: 'resource', name: 'file /a', outcome: 'changed', roleEvent: 'deploy' })
  t.notMatch(JSON.stringify(lines), /not stored|live output/)
  t.end()
})

t.test('stores the diff of a text that changes', (t) => {
  const state = stateDirectory(t)
  const handlers = journal(state, '000001', diff)
  handlers.start?.(start)
  handlers.resource?.({
    ...resource('changed'),
    texts: { before: 'old', after: 'new' },
    comparedWith: { path: '/current/a', isSame: false },
  })
  handlers.end?.(end)
  t.match(state.readJournal('000001')[1], { diff: ['-old', '+new'], comparedWith: { path: '/current/a' } })
  t.end()
})

t.test('a run with nothing to do leaves its start and its end', (t) => {
  const state = stateDirectory(t)
  const handlers = journal(state, '000001', diff)
  handlers.start?.(start)
  t.strictSame(state.runs(), [])
  handlers.end?.(end)
  t.strictSame(events(state, '000001'), ['start', 'end'])
  t.end()
})

t.test('keeps thirty journals', (t) => {
  const state = stateDirectory(t)
  t.equal(state.nextRun(), '000001')
  for (let n = 0; n < 33; n++) {
    const handlers = journal(state, state.nextRun(), diff)
    handlers.start?.(start)
    handlers.end?.(end)
  }
  t.equal(state.runs().length, 30)
  t.equal(state.runs()[0], '000004')
  t.equal(state.nextRun(), '000034')
  fs.renameSync(`${state.path}/runs/000033.jsonl`, `${state.path}/runs/999999.jsonl`)
  t.equal(state.nextRun(), '1000000')
  fs.writeFileSync(`${state.path}/runs/1000000.jsonl`, '')
  t.equal(state.nextRun(), '1000001')
  t.end()
})

t.test('ignores an incomplete last line', (t) => {
  const state = stateDirectory(t)
  fs.writeFileSync(`${state.path}/runs/000001.jsonl`, '{"event":"start"}\n{"event":"appl')
  t.strictSame(state.readJournal('000001'), [{ event: 'start' }])
  t.end()
})

t.test('only this account can read journals', (t) => {
  const state = stateDirectory(t)
  const handlers = journal(state, '000001', diff)
  handlers.start?.(start)
  handlers.end?.(end)
  const mode = (path: string) => fs.statSync(`${state.path}/${path}`).mode & 0o777
  t.strictSame([mode('.'), mode('runs'), mode('runs/000001.jsonl')], [0o700, 0o700, 0o600])
  t.end()
})
