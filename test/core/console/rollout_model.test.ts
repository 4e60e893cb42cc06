/** Tests what the page of a deployment shows of the events of its rollout. */
import t from 'tap'
import { LogLines, LogSearch } from '../../../core/console/browser/log_lines.ts'
import {
  addEvents,
  emptyView,
  type RolloutEvent,
  type RolloutView,
} from '../../../core/console/browser/rollout_model.ts'

const events: readonly RolloutEvent[] = [
  { event: 'start', stack: 'shop', action: 'deploy', strategy: 'rolling', hosts: ['web1', 'web2'] },
  { event: 'phase', phase: 'switch', hosts: ['web1'], batch: 1, batches: 2 },
  { event: 'host', host: 'web1', phase: 'switch', step: 'git_release shop', detail: 'Receiving objects' },
  { event: 'done', host: 'web1', phase: 'switch', outcome: 'changed', durationMs: 1500 },
  { event: 'waiting', what: 'http://shop/', elapsedMs: 1, deadlineMs: 2, detail: 'HTTP 502' },
]

const viewOf = (view: RolloutView, more: readonly RolloutEvent[]) => addEvents(view, more).view

t.test('shows each host with its step, and what the rollout waits for', async (t) => {
  const view = viewOf(emptyView, events)
  t.match(view, { phase: 'switch', batch: 'batch 1 of 2', waiting: 'http://shop/ HTTP 502' })
  t.strictSame(view.hosts.get('web1'), {
    name: 'web1',
    phase: 'switch',
    step: '',
    detail: '',
    outcome: 'changed',
    durationMs: 1500,
  })
  t.match(view.hosts.get('web2'), { phase: '', durationMs: 0 })
  t.equal(viewOf(view, [{ event: 'health', what: 'http://shop/', ok: true, detail: 'HTTP 200' }]).waiting, '')
})

t.test('gives the same for events in one group and one by one', async (t) => {
  const lines = new LogLines()
  const single = events.reduce((view, event) => {
    const update = addEvents(view, [event])
    lines.add(update.lines)
    return update.view
  }, emptyView)
  t.strictSame({ view: single, lines: lines.of(null) }, addEvents(emptyView, events))
})

t.test('a failure is shown with its host until the host works again', async (t) => {
  const failed = {
    event: 'done',
    host: 'web1',
    phase: 'switch',
    outcome: 'failed',
    durationMs: 5,
    failure: { message: 'exit status 1' },
  }
  const { view, lines } = addEvents(emptyView, [...events, failed])
  t.match(view.hosts.get('web1'), { outcome: 'failed', failure: 'exit status 1', durationMs: 1505 })
  t.match(lines.at(-1), { kind: 'failure', host: 'web1', text: /exit status 1/ })
  const again = viewOf(view, [{ event: 'host', host: 'web1', phase: 'rollback' }])
  t.notOk(again.hosts.get('web1')?.failure)
  t.notOk(again.hosts.get('web1')?.outcome)
})

t.test('a host that took no part has its outcome at the end', async (t) => {
  const hosts = [
    { host: 'web1', outcome: 'failed', failure: { message: 'exit status 1' } },
    { host: 'web2', outcome: 'untouched' },
  ]
  const view = viewOf(emptyView, [...events, { event: 'end', report: { hosts } }])
  t.match(view.hosts.get('web2'), { outcome: 'untouched', step: '' })
  t.match(view.hosts.get('web1'), { outcome: 'failed', failure: 'exit status 1', durationMs: 1500 })
  t.equal(view.waiting, '')
})

t.test('a message of several lines is as many lines of the log', async (t) => {
  const { lines } = addEvents(emptyView, [{ event: 'warning', host: 'web1', message: 'one\ntwo\r\nthree' }])
  t.strictSame(
    lines,
    ['one', 'two', 'three'].map((text) => ({ host: 'web1', text, kind: 'warning' })),
  )
})

t.test('the log has the lines of each host in their order', async (t) => {
  const log = new LogLines()
  for (let group = 0; group < 3; group++)
    log.add(
      ['web1', 'web2', undefined].map((host) => ({ ...(host && { host }), text: `${group}`, kind: 'plain' as const })),
    )
  t.equal(log.of(null).length, 9)
  t.strictSame(
    log.of('web2').map(({ text }) => text),
    ['0', '1', '2'],
  )
  t.strictSame(log.of('web3'), [])
})

t.test('a search finds lines by their text or host, also those that arrive later', async (t) => {
  const log = new LogLines()
  const add = (host: string, text: string) => log.add([{ host, text, kind: 'plain' }])
  add('web1', 'Fetching eggs')
  add('web2', 'done')
  const search = new LogSearch(log.of(null), 'FETCHING')
  t.strictSame(search.matches(), [0])
  add('web2', 'fetching EGGS')
  t.strictSame(search.matches(), [0, 2])
  t.strictSame(search.matches(), [0, 2])
  t.strictSame(new LogSearch(log.of(null), 'web2').matches(), [1, 2])
  t.strictSame(new LogSearch(log.of(null), '').matches(), [])
})

t.test('ignores events that it does not know', async (t) => {
  t.strictSame(addEvents(emptyView, [{ event: 'later version' }, {}]), { view: emptyView, lines: [] })
})
