/** Tests what the page of a deployment shows of the events of its rollout. */
import t from 'tap'
import { addEvents, emptyView, type RolloutEvent } from '../../../core/console/browser/rollout_model.ts'

const events: readonly RolloutEvent[] = [
  { event: 'start', stack: 'shop', action: 'deploy', strategy: 'rolling', hosts: ['web1', 'web2'] },
  { event: 'phase', phase: 'switch', hosts: ['web1'], batch: 1, batches: 2 },
  { event: 'host', host: 'web1', phase: 'switch', step: 'git_release shop', detail: 'Receiving objects' },
  { event: 'done', host: 'web1', phase: 'switch', outcome: 'changed', durationMs: 1500 },
  { event: 'waiting', what: 'http://shop/', elapsedMs: 1, deadlineMs: 2, detail: 'HTTP 502' },
]

t.test('shows each host with its step, and what the rollout waits for', async (t) => {
  const view = addEvents(emptyView, events)
  t.match(view, { phase: 'switch', batch: 'batch 1 of 2', waiting: 'http://shop/ HTTP 502' })
  t.strictSame(view.hosts.get('web1'), {
    ...{ name: 'web1', phase: 'switch', step: '', detail: '', outcome: 'changed', durationMs: 1500 },
  })
  t.match(view.hosts.get('web2'), { phase: '', durationMs: 0 })
  t.equal(addEvents(view, [{ event: 'health', what: 'http://shop/', ok: true, detail: 'HTTP 200' }]).waiting, '')
})

t.test('gives the same for events in one group and one by one', async (t) => {
  const single = events.reduce((view, event) => addEvents(view, [event]), emptyView)
  t.strictSame(single, addEvents(emptyView, events))
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
  const view = addEvents(emptyView, [...events, failed])
  t.match(view.hosts.get('web1'), { outcome: 'failed', failure: 'exit status 1', durationMs: 1505 })
  t.match(view.lines.at(-1), { kind: 'failure', host: 'web1', text: /exit status 1/ })
  const again = addEvents(view, [{ event: 'host', host: 'web1', phase: 'rollback' }])
  t.notOk(again.hosts.get('web1')?.failure)
  t.notOk(again.hosts.get('web1')?.outcome)
})

t.test('a host that took no part has its outcome at the end', async (t) => {
  const hosts = [
    { host: 'web1', outcome: 'failed', failure: { message: 'exit status 1' } },
    { host: 'web2', outcome: 'untouched' },
  ]
  const view = addEvents(emptyView, [...events, { event: 'end', report: { hosts } }])
  t.match(view.hosts.get('web2'), { outcome: 'untouched', step: '' })
  t.match(view.hosts.get('web1'), { outcome: 'failed', failure: 'exit status 1', durationMs: 1500 })
  t.equal(view.waiting, '')
})

t.test('loses no line of 100,000', async (t) => {
  const many = Array.from({ length: 100_000 }, (_, index) => ({ event: 'note', message: `line ${index}` }))
  let view = emptyView
  for (let at = 0; at < many.length; at += 5000) view = addEvents(view, many.slice(at, at + 5000))
  t.equal(view.lines.length, many.length)
  t.equal(view.lines.at(-1)?.text, 'line 99999')
})

t.test('ignores events that it does not know', async (t) => {
  t.strictSame(addEvents(emptyView, [{ event: 'later version' }, {}]), emptyView)
})
